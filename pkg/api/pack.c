#include "api/pack.h"

#include <string.h>

/* How far equal texts are searched: far enough for usual objects, and never quadratic. */
enum { SHARE_WINDOW = 4096, ALIGNMENT = 8, HOOK_SIZE = 3 * sizeof(void *) };

/* Any ARRAY_OF. */
struct any_array {
    char *items;
    size_t len;
};

/* Goes over the object twice: measuring (no arena yet), then moving. */
struct packer {
    struct arena *arena;
    size_t blocks;    /* bytes of structs and arrays */
    struct buf texts; /* all of them, each with its NUL */
    size_t placed;    /* bytes of texts seen in this pass */
    char *to;         /* where the texts are in the arena */
};

/* What nearly every object has, as cert-manager and we write it. */
static const char *const known_texts[] = {
    "",
    "Approved",
    "Certificate",
    "Certificate is up to date and has not expired",
    "CertificateRequest",
    "Certificate fetched from issuer successfully",
    "Certificate request has been approved by cert-manager.io",
    "Challenge",
    "ClusterIssuer",
    "Issued",
    "Issuer",
    "Opaque",
    "Order",
    "Ready",
    "True",
    "acme.cert-manager.io/finalizer",
    "acme.cert-manager.io/v1",
    "app.kubernetes.io/managed-by",
    "ca.crt",
    "cert-manager",
    "cert-manager.io",
    "cert-manager.io/allow-direct-injection",
    "cert-manager.io/alt-names",
    "cert-manager.io/certificate-name",
    "cert-manager.io/certificate-revision",
    "cert-manager.io/common-name",
    "cert-manager.io/email-sans",
    "cert-manager.io/ip-sans",
    "cert-manager.io/issuer-group",
    "cert-manager.io/issuer-kind",
    "cert-manager.io/issuer-name",
    "cert-manager.io/next-private-key",
    "cert-manager.io/private-key-secret-name",
    "cert-manager.io/uri-sans",
    "cert-manager.io/v1",
    "controller.cert-manager.io/fao",
    "default",
    "dns-01",
    "dns01",
    "http-01",
    "kubernetes.io/tls",
    "tls-alpn-01",
    "tls.crt",
    "tls.key",
    "true",
};

static const char *find_known(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(known_texts); i++)
        if (streq(known_texts[i], text))
            return known_texts[i];
    return NULL;
}

/* The offset of `text` among the texts; a new one goes behind the last. */
static size_t place_text(struct packer *p, const char *text)
{
    size_t size = strlen(text) + 1;
    size_t window = p->placed < SHARE_WINDOW ? p->placed : SHARE_WINDOW;
    const char *same = window > 0 ? memmem(p->texts.data, window, text, size) : NULL;
    size_t at = p->placed;

    if (same)
        return (size_t)(same - p->texts.data);
    if (!p->arena)
        buf_add(&p->texts, text, size);
    p->placed += size;
    return at;
}

static void pack_text(struct packer *p, const char **text)
{
    const char *known;
    size_t at;

    if (!*text)
        return;
    known = find_known(*text);
    if (known) {
        *text = known;
        return;
    }
    at = place_text(p, *text);
    if (p->arena)
        *text = p->to + at;
}

static void *pack_block(struct packer *p, const void *block, size_t size)
{
    if (size == 0)
        return NULL;
    p->blocks += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return p->arena ? arena_memdup(p->arena, block, size) : (void *)block;
}

static void release(void *value)
{
    json_unref(value);
}

static void pack_json(struct packer *p, struct json *value)
{
    if (!value)
        return;
    p->blocks += HOOK_SIZE;
    if (p->arena)
        arena_on_free(p->arena, release, json_ref(value));
}

static void pack_struct(struct packer *p, const struct fields *fields, void *self);

static void pack_object(struct packer *p, const struct fields *fields, void **object)
{
    if (!*object)
        return;
    *object = pack_block(p, *object, fields->size);
    pack_struct(p, fields, *object);
}

static void pack_array(struct packer *p, struct any_array *array, size_t item_size)
{
    array->items = pack_block(p, array->items, array->len * item_size);
}

static void pack_strings(struct packer *p, struct array_string *array)
{
    pack_array(p, (struct any_array *)array, sizeof(*array->items));
    for (size_t i = 0; i < array->len; i++)
        pack_text(p, &array->items[i]);
}

static void pack_map(struct packer *p, struct array_pair *map)
{
    pack_array(p, (struct any_array *)map, sizeof(*map->items));
    for (size_t i = 0; i < map->len; i++) {
        pack_text(p, &map->items[i].key);
        pack_text(p, &map->items[i].value);
    }
}

static void pack_list(struct packer *p, const struct fields *of, struct any_array *list)
{
    pack_array(p, list, of->size);
    for (size_t i = 0; i < list->len; i++)
        pack_struct(p, of, list->items + i * of->size);
}

static void pack_bytes(struct packer *p, struct bytes *bytes)
{
    bytes->data = pack_block(p, bytes->data, bytes->len);
}

static void pack_member(struct packer *p, const struct field *row, void *member)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        pack_text(p, member);
        break;
    case FIELD_BYTES:
        pack_bytes(p, member);
        break;
    case FIELD_INLINE:
        pack_struct(p, row->of, member);
        break;
    case FIELD_OBJECT:
        pack_object(p, row->of, member);
        break;
    case FIELD_STRINGS:
        pack_strings(p, member);
        break;
    case FIELD_ENUMS:
        pack_array(p, member, sizeof(int));
        break;
    case FIELD_LIST:
        pack_list(p, row->of, member);
        break;
    case FIELD_MAP:
        pack_map(p, member);
        break;
    case FIELD_RAW:
        pack_json(p, *(struct json **)member);
        break;
    default: /* numbers and the like: nothing behind them */
        break;
    }
}

static void pack_struct(struct packer *p, const struct fields *fields, void *self)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];

        pack_member(p, row, (char *)self + row->offset);
    }
}

struct arena *pack(const struct fields *fields, void *self, size_t size, bool secret,
                   void **ret_copy)
{
    struct packer p = {.texts = {.max = SIZE_MAX, .secret = secret}};
    void *copy = pack_block(&p, self, size);
    size_t total;

    pack_struct(&p, fields, self);
    total = p.blocks + p.texts.len + ALIGNMENT;
    p.arena = secret ? arena_new_secret(total) : arena_new(total);
    p.placed = 0;
    copy = pack_block(&p, self, size);
    if (p.texts.len > 0)
        p.to = arena_memdup(p.arena, p.texts.data, p.texts.len);
    pack_struct(&p, fields, copy);
    buf_deinit(&p.texts);
    *ret_copy = copy;
    return p.arena;
}
