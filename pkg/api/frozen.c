/*
 * A frozen object is
 *
 *   head | words | uuids | texts
 *
 * The words are those of the struct, then those of each array and struct behind it, in the order of
 * the tables. Before they are written, pointers are replaced: a text becomes a number (see
 * number_of_text()), a struct 1, an array 0 because its length stands beside it. Freezing and thawing walk the same tables, so nothing has to say what
 * comes next.
 *
 * Words are written without their zeros. A byte says how many zero words come first (upper half) and
 * how the word after them is written (lower half): in so many bytes, as a repetition, or not at all.
 */
#include "api/frozen.h"

#include <assert.h>
#include <string.h>

/* How far equal texts are searched: far enough for usual objects, and never quadratic. */
enum { SHARE_WINDOW = 4096 };

enum {
    WORD = sizeof(uint64_t),
    ZEROS_MAX = 15,
    NO_WORD = 0,      /* lower half: one more zero */
    REPEATED = 9,     /* the word REPEAT_WORDS before */
    REPEAT_WORDS = 4, /* a hash that stands twice: the request's key is the certificate's */
    UUID_LEN = 36,
    UUID_BYTES = 16,
    HOOK_SIZE = (3 * sizeof(void *) + WORD - 1) / WORD * WORD, /* of arena_on_free() */
};

struct head {
    uint64_t room;         /* bytes of structs and arrays when thawed */
    uint64_t words, texts; /* bytes that follow */
    uint64_t uuids;
};

/* Any ARRAY_OF, and struct bytes. */
struct any_array {
    void *items;
    size_t len;
};

/* What nearly every object has, as cert-manager and we write it. */
static const char *const common_texts[] = {
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

enum { FIRST_PLACE = ARRAY_LEN(common_texts) + 1 };

/* --- what is behind a member --- */

static const struct field text_rows[] = {{.type = FIELD_STRING}};
static const struct fields text_fields = {
    .size = sizeof(const char *), .rows = text_rows, .count = ARRAY_LEN(text_rows)};
static const struct field pair_rows[] = {
    {.type = FIELD_STRING, .offset = offsetof(struct pair, key)},
    {.type = FIELD_STRING, .offset = offsetof(struct pair, value)}};
static const struct fields pair_fields = {
    .size = sizeof(struct pair), .rows = pair_rows, .count = ARRAY_LEN(pair_rows)};
static const struct fields int_fields = {.size = sizeof(int)};
static const struct fields byte_fields = {.size = 1};

/* Where the member has a text; NULL: it has none. */
static const char **text_in(const struct field *row, void *member)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        return member;
    case FIELD_DURATION:
        return &((struct opt_duration *)member)->unread;
    default:
        return NULL;
    }
}

/* Of an array's items; NULL: not an array. */
static const struct fields *items_of(const struct field *row)
{
    switch (row->type) {
    case FIELD_BYTES:
        return &byte_fields;
    case FIELD_STRINGS:
        return &text_fields;
    case FIELD_ENUMS:
        return &int_fields;
    case FIELD_LIST:
        return row->of;
    case FIELD_MAP:
        return &pair_fields;
    default:
        return NULL;
    }
}

/* --- words --- */

static uint64_t load_word(const char *block, size_t at, size_t size)
{
    uint64_t word = 0;

    memcpy(&word, block + at, size - at < WORD ? size - at : WORD);
    return word;
}

static bool repeats(const char *block, size_t at, size_t size, uint64_t word)
{
    return at >= (size_t)REPEAT_WORDS * WORD && word > UINT16_MAX &&
           word == load_word(block, at - (size_t)REPEAT_WORDS * WORD, size);
}

static void put_control(struct buf *to, unsigned zeros, unsigned how)
{
    buf_add_char(to, (char)(zeros << 4 | how));
}

static void put_word(struct buf *to, unsigned zeros, uint64_t word)
{
    char bytes[WORD];
    unsigned count = 0;

    for (; word; word >>= 8)
        bytes[count++] = (char)(word & 0xff);
    put_control(to, zeros, count);
    buf_add(to, bytes, count);
}

static void put_words(struct buf *to, const char *block, size_t size)
{
    unsigned zeros = 0;

    for (size_t at = 0; at < size; at += WORD) {
        uint64_t word = load_word(block, at, size);
        bool has_room = zeros < ZEROS_MAX && at + WORD < size;

        if (word == 0 && has_room) {
            zeros++;
            continue;
        }
        if (repeats(block, at, size, word))
            put_control(to, zeros, REPEATED);
        else
            put_word(to, zeros, word); /* a zero, too */
        zeros = 0;
    }
}

static uint64_t get_word(const unsigned char **from, unsigned count)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < count; i++)
        word |= (uint64_t)(*from)[i] << (8 * i);
    *from += count;
    return word;
}

/* `block` is zeroed. */
static void get_words(const unsigned char **from, char *block, size_t size)
{
    size_t at = 0;

    while (at < size) {
        unsigned control = *(*from)++, how = control & 0xf;
        uint64_t word;

        at += (size_t)(control >> 4) * WORD;
        assert(at < size);
        word = how == REPEATED ? load_word(block, at - (size_t)REPEAT_WORDS * WORD, size)
                               : get_word(from, how);
        memcpy(block + at, &word, size - at < WORD ? size - at : WORD);
        at += WORD;
    }
}

/* --- uuids: 16 bytes instead of 37 --- */

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool is_lower_hex(char c)
{
    return str_hex_digit(c) >= 0 && !(c >= 'A' && c <= 'F');
}

/* Only as servers write it: in lower case. */
static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < UUID_LEN; i++)
        if (is_dash(i) ? text[i] != '-' : !is_lower_hex(text[i]))
            return false;
    return text[UUID_LEN] == '\0';
}

static void put_uuid(struct buf *to, const char *text)
{
    for (size_t i = 0; i < UUID_LEN; i += 2) {
        if (is_dash(i))
            i++;
        buf_add_char(to, (char)(str_hex_digit(text[i]) << 4 | str_hex_digit(text[i + 1])));
    }
}

/* `to` is zeroed. */
static void get_uuid(const unsigned char *from, char *to)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < UUID_LEN; i += 2) {
        if (is_dash(i))
            to[i++] = '-';
        to[i] = digits[*from >> 4];
        to[i + 1] = digits[*from++ & 0xf];
    }
}

/* --- freezing --- */

struct freezer {
    struct buf words, uuids;
    struct buf texts; /* first those that are known anyway */
    size_t room;
};

static uintptr_t place_text(struct freezer *f, const char *text)
{
    size_t size = strlen(text) + 1, at = f->texts.len;
    size_t window = at < SHARE_WINDOW ? at : SHARE_WINDOW;
    const char *same = window > 0 ? memmem(f->texts.data, window, text, size) : NULL;

    if (same)
        return (uintptr_t)(same - f->texts.data);
    buf_add(&f->texts, text, size);
    return at;
}

static uintptr_t place_uuid(struct freezer *f, const char *text)
{
    size_t at = f->uuids.len / UUID_BYTES;

    put_uuid(&f->uuids, text);
    return at;
}

/* 0: NULL. Then the common ones; behind them even numbers are places of texts, odd ones uuids. */
static uintptr_t number_of_text(struct freezer *f, const char *text)
{
    if (!text)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(common_texts); i++)
        if (text[0] == common_texts[i][0] && streq(common_texts[i], text))
            return i + 1;
    if (is_uuid(text))
        return FIRST_PLACE + 2 * place_uuid(f, text) + 1;
    return FIRST_PLACE + 2 * place_text(f, text);
}

static uintptr_t number_of_json(struct freezer *f, const struct json *value)
{
    cleanup(xfree_secret) char *text = value ? json_text(value) : NULL;

    if (value)
        f->room += HOOK_SIZE;
    return number_of_text(f, text);
}

static void set_number(void *pointer, uintptr_t number)
{
    memcpy(pointer, &number, sizeof(number));
}

static uintptr_t get_number(const void *pointer)
{
    uintptr_t number;

    memcpy(&number, pointer, sizeof(number));
    return number;
}

static void replace_pointers(struct freezer *f, const struct fields *fields, char *copy);

static void replace_pointer(struct freezer *f, const struct field *row, void *member)
{
    const char **text = text_in(row, member);

    if (text)
        set_number(text, number_of_text(f, *text));
    else if (row->type == FIELD_RAW)
        set_number(member, number_of_json(f, *(const struct json **)member));
    else if (row->type == FIELD_OBJECT)
        set_number(member, *(void **)member != NULL);
    else if (row->type == FIELD_INLINE)
        replace_pointers(f, row->of, member);
    else if (items_of(row))
        ((struct any_array *)member)->items = NULL;
}

static void replace_pointers(struct freezer *f, const struct fields *fields, char *copy)
{
    for (size_t i = 0; i < fields->count; i++)
        replace_pointer(f, &fields->rows[i], copy + fields->rows[i].offset);
}

static void freeze_behind(struct freezer *f, const struct fields *fields, const char *self);

/* `len` structs in a row, then what is behind each. */
static void freeze_block(struct freezer *f, const struct fields *fields, const char *items,
                         size_t len)
{
    size_t size = len * fields->size;
    cleanup(xfree) char *copy = size > 0 ? xmemdup(items, size) : NULL;

    f->room += (size + WORD - 1) / WORD * WORD;
    for (size_t i = 0; i < len; i++)
        replace_pointers(f, fields, copy + i * fields->size);
    put_words(&f->words, copy, size);
    if (f->words.secret)
        wipe(copy, size);
    for (size_t i = 0; i < len; i++)
        freeze_behind(f, fields, items + i * fields->size);
}

static void freeze_member(struct freezer *f, const struct field *row, const void *member)
{
    const struct any_array *array = member;

    if (row->type == FIELD_OBJECT)
        freeze_block(f, row->of, *(void *const *)member, *(void *const *)member ? 1 : 0);
    else if (row->type == FIELD_INLINE)
        freeze_behind(f, row->of, member);
    else if (items_of(row))
        freeze_block(f, items_of(row), array->items, array->len);
}

static void freeze_behind(struct freezer *f, const struct fields *fields, const char *self)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];

        freeze_member(f, row, self + row->offset);
    }
}

void freeze(const struct frozen_form *form, const void *self, struct bytes known, struct buf *to)
{
    struct freezer f = {.words = {.max = SIZE_MAX, .secret = form->secret},
                        .uuids = {.max = SIZE_MAX, .secret = form->secret},
                        .texts = {.max = SIZE_MAX, .secret = form->secret}};
    struct head head;

    if (known.len > 0)
        buf_add(&f.texts, known.data, known.len);
    freeze_block(&f, form->fields, self, 1);
    head = (struct head){.room = f.room,
                         .words = f.words.len,
                         .texts = f.texts.len - known.len,
                         .uuids = f.uuids.len / UUID_BYTES};
    put_words(to, (const char *)&head, sizeof(head));
    buf_add(to, f.words.data, f.words.len);
    buf_add(to, f.uuids.data, f.uuids.len);
    if (head.texts > 0)
        buf_add(to, f.texts.data + known.len, head.texts);
    buf_deinit(&f.words);
    buf_deinit(&f.uuids);
    buf_deinit(&f.texts);
}

/* --- thawing --- */

struct thawer {
    const unsigned char *from;
    struct arena *arena;
    const char *texts, *uuids;
};

static const char *text_of_number(const struct thawer *t, uintptr_t number)
{
    uintptr_t place = (number - FIRST_PLACE) / 2;

    if (number == 0)
        return NULL;
    if (number < FIRST_PLACE)
        return common_texts[number - 1];
    return (number - FIRST_PLACE) % 2 ? t->uuids + place * (UUID_LEN + 1) : t->texts + place;
}

static void release(void *value)
{
    json_unref(value);
}

static struct json *json_of_number(const struct thawer *t, uintptr_t number)
{
    const char *text = text_of_number(t, number);
    struct json *value = NULL;
    int r;

    if (!text)
        return NULL;
    r = json_parse(text, strlen(text), SIZE_MAX, &value, NULL);
    assert(r == 0); /* we printed it */
    (void)r;
    arena_on_free(t->arena, release, value);
    return value;
}

static void thaw_behind(struct thawer *t, const struct fields *fields, char *self);

static void fill_block(struct thawer *t, const struct fields *fields, char *items, size_t len)
{
    get_words(&t->from, items, len * fields->size);
    for (size_t i = 0; i < len; i++)
        thaw_behind(t, fields, items + i * fields->size);
}

static void *thaw_block(struct thawer *t, const struct fields *fields, size_t len)
{
    void *items = len > 0 ? arena_alloc(t->arena, len * fields->size) : NULL;

    fill_block(t, fields, items, len);
    return items;
}

static void thaw_member(struct thawer *t, const struct field *row, void *member)
{
    struct any_array *array = member;
    const char **text = text_in(row, member);

    if (text)
        *text = text_of_number(t, get_number(text));
    else if (row->type == FIELD_RAW)
        *(struct json **)member = json_of_number(t, get_number(member));
    else if (row->type == FIELD_OBJECT)
        *(void **)member = thaw_block(t, row->of, get_number(member));
    else if (row->type == FIELD_INLINE)
        thaw_behind(t, row->of, member);
    else if (items_of(row))
        array->items = thaw_block(t, items_of(row), array->len);
}

static void thaw_behind(struct thawer *t, const struct fields *fields, char *self)
{
    for (size_t i = 0; i < fields->count; i++)
        thaw_member(t, &fields->rows[i], self + fields->rows[i].offset);
}

static char *join_texts(struct arena *arena, struct bytes known, const void *own, size_t own_len)
{
    char *texts = arena_alloc(arena, known.len + own_len);

    if (known.len > 0)
        memcpy(texts, known.data, known.len);
    memcpy(texts + known.len, own, own_len);
    return texts;
}

static char *write_uuids(struct arena *arena, const unsigned char *from, size_t count)
{
    char *uuids = arena_alloc(arena, count * (UUID_LEN + 1));

    for (size_t i = 0; i < count; i++)
        get_uuid(from + i * UUID_BYTES, uuids + i * (UUID_LEN + 1));
    return uuids;
}

void *thaw(const struct frozen_form *form, const void *frozen, struct bytes known,
           struct arena **ret_arena)
{
    struct thawer t = {.from = frozen};
    struct head head = {};
    const unsigned char *uuids;
    size_t size;
    void *self;

    get_words(&t.from, (char *)&head, sizeof(head));
    uuids = t.from + head.words;
    size = head.room + known.len + head.texts + head.uuids * (UUID_LEN + 1) + 2 * (size_t)WORD;
    t.arena = form->secret ? arena_new_secret(size) : arena_new(size);
    self = arena_alloc(t.arena, form->fields->size);
    t.texts = join_texts(t.arena, known, uuids + head.uuids * UUID_BYTES, head.texts);
    t.uuids = write_uuids(t.arena, uuids, head.uuids);
    fill_block(&t, form->fields, self, 1);
    *ret_arena = t.arena;
    return self;
}
