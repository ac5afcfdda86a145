/* inspect.c - certlet inspect: a certificate, a chain, a key or a Secret in words. */
#include "inspect.h"

#include <stdio.h>
#include <string.h>

#include "api/kinds.h"
#include "api/live.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "command.h"
#include "options.h"
#include "place.h"

/* --- what was read --- */

void contents_deinit(struct contents *contents)
{
    for (size_t i = 0; i < contents->answer_count; i++)
        xfree(contents->answers[i].url);
    xfree(contents->answers);
    for (size_t i = 0; i < contents->key_count; i++) {
        pkey_unref_ptr(&contents->keys[i].key);
        xfree(contents->keys[i].problem);
    }
    xfree(contents->keys);
    xfree(contents->chain_problem);
    chain_deinit(&contents->chain);
    chain_deinit(&contents->ca);
    strlist_deinit(&contents->findings);
    if (contents->secret)
        object_unref(&contents->secret->object);
    *contents = (struct contents){};
}

bool contents_key_fits(const struct contents *contents, const struct private_key *key)
{
    return key->key && contents->chain.len > 0 &&
           pkey_equal_public(key->key, cert_public_key(contents->chain.certs[0]));
}

static bool keys_are_good(const struct contents *contents)
{
    for (size_t i = 0; i < contents->key_count; i++)
        if (contents->keys[i].problem ||
            (contents->chain.len > 0 && !contents_key_fits(contents, &contents->keys[i])))
            return false;
    return true;
}

static bool is_revoked(const struct contents *contents)
{
    for (size_t i = 0; i < contents->answer_count; i++)
        if (contents->answers[i].err.code == 0 &&
            contents->answers[i].found.state == REVOCATION_REVOKED)
            return true;
    return false;
}

static bool is_known_good(const struct contents *contents, size_t certificate)
{
    for (size_t i = 0; i < contents->answer_count; i++) {
        const struct revocation_answer *answer = &contents->answers[i];

        if (answer->certificate == certificate && answer->err.code == 0 &&
            answer->found.state == REVOCATION_GOOD)
            return true;
    }
    return false;
}

/* A certificate that says where to ask needs one answer: who keeps them from us must not pass for the CA. */
static bool lacks_answer(const struct contents *contents)
{
    for (size_t i = 0; i < contents->answer_count; i++)
        if (!is_known_good(contents, contents->answers[i].certificate))
            return true;
    return false;
}

bool contents_are_good(const struct contents *contents)
{
    return keys_are_good(contents) && !contents->chain_problem && contents->findings.len == 0 &&
           !is_revoked(contents) && !lacks_answer(contents);
}

/* --- keys --- */

static struct private_key *add_key(struct contents *contents)
{
    contents->keys = xrealloc(contents->keys, (contents->key_count + 1) * sizeof(*contents->keys));
    contents->keys[contents->key_count] = (struct private_key){};
    return &contents->keys[contents->key_count++];
}

/* `entry`: of a Secret, "tls.key: "; or "". */
static int read_key(const char *entry, const char *pem, size_t len, struct contents *contents,
                    struct err *err)
{
    struct private_key *key = add_key(contents);
    struct err why = {};

    if (pkey_from_pem(pem, len, &key->key, &why) == 0)
        return 0;
    key->problem = xasprintf("%s%s", entry, why.text);
    return err_pass(err, &why);
}

static bool is_private(const struct pem_block *block)
{
    return str_ends(block->label, "PRIVATE KEY");
}

/* Of those behind the first one a problem is told beside what there is. */
static int read_key_block(const char *entry, const struct pem_block *block,
                          struct contents *contents, struct err *err)
{
    bool is_first = contents->key_count == 0;
    int r = read_key(entry, block->start, (size_t)(block->end - block->start), contents, err);

    return is_first ? r : 0;
}

/* --- a file --- */

/* A file may hold key and chain together (tls-combined.pem). */
static int read_blocks(const struct buf *text, struct contents *ret, struct buf *certificates,
                       struct err *err)
{
    const char *at = buf_str(text), *end = at + text->len;
    int r;

    for (;;) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        r = pem_next(&at, end, &block, err);
        if (r == 0 && is_private(&block))
            r = read_key_block("", &block, ret, err);
        else if (r == 0 && streq(block.label, "CERTIFICATE"))
            buf_add(certificates, block.start, (size_t)(block.end - block.start));
        if (r < 0)
            return r == ERR_NOT_FOUND ? buf_check(certificates, "the chain", err) : r;
    }
}

/* What is there in place of what we look for. */
static int nothing_found(const struct buf *text, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = buf_str(text);

    if (pem_next(&at, at + text->len, &block, NULL) == 0)
        return err_set(err, ERR_INVALID,
                       "there is a PEM block '%s', but no certificate and no private key",
                       block.label);
    if (str_starts(buf_str(text), "\xef\xbb\xbf"))
        return err_set(err, ERR_INVALID,
                       "it begins with a byte order mark (U+FEFF), which hides the first line");
    if (*buf_str(text) == 0x30) /* a SEQUENCE */
        return err_set(err, ERR_INVALID,
                       "it looks like DER, and only PEM is read; 'openssl x509 -inform DER' "
                       "makes it of a certificate, 'openssl pkcs12' of a PKCS#12 file");
    return err_set(err, ERR_INVALID, "there is no PEM block, so no certificate");
}

static int read_contents(const struct buf *text, struct contents *ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_BUNDLE_PEM + 16 * LIMIT_CHAIN_CERTS);
    int r = read_blocks(text, ret, &pem, err);

    if (r < 0)
        return r;
    if (pem.len > 0)
        return chain_from_pem(buf_str(&pem), pem.len, &ret->chain, err);
    return ret->key_count > 0 ? 0 : nothing_found(text, err);
}

static int read_path(const char *path, struct contents *ret)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(LIMIT_BUNDLE_PEM);
    struct err err = {};

    if (file_read(streq(path, "-") ? "/dev/stdin" : path, &text, &err) < 0) {
        (void)fprintf(stderr, "certlet inspect: %s\n", err.text);
        return EXIT_STORE;
    }
    if (read_contents(&text, ret, &err) < 0) {
        (void)fprintf(stderr, "certlet inspect: '%s': %s\n", path, err.text);
        return EXIT_NOT_READY;
    }
    return EXIT_OK;
}

/* --- a Secret --- */

/* A problem is kept with its key. */
static void read_key_blocks(const char *entry, const struct buf *pem, struct contents *contents)
{
    const char *at = buf_str(pem), *end = at + pem->len;

    for (;;) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        if (pem_next(&at, end, &block, NULL) < 0)
            return;
        if (is_private(&block))
            (void)read_key_block(entry, &block, contents, NULL);
    }
}

static void read_keys(struct contents *contents)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    struct err err = {};
    int r = secret_value(contents->secret, "tls.key", &pem, &err);

    if (r < 0) {
        add_key(contents)->problem = xasprintf("tls.key: %s", err.text);
        return;
    }
    read_key_blocks("tls.key: ", &pem, contents);
    if (contents->key_count == 0) /* which says what is there instead */
        (void)read_key("tls.key: ", buf_str(&pem), pem.len, contents, NULL);
}

static void read_chain(struct contents *contents, const char *entry, struct chain *to)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    struct err err = {};
    int r = secret_value(contents->secret, entry, &pem, &err);

    if (r == 0)
        r = chain_from_pem(buf_str(&pem), pem.len, to, &err);
    if (r < 0 && !contents->chain_problem)
        contents->chain_problem = xasprintf("%s: %s", entry, err.text);
}

static int load_secret(const struct place *place, const char *name, struct contents *ret,
                       struct err *err)
{
    struct context ctx = context_background(clock_system());
    cleanup(xfree) char *text = xstrdup(name);
    struct key key = place_key(place, text);
    const struct object *object = NULL;
    int r = live_secret(place->store, &ctx, &key, &object, err);

    if (r < 0)
        return r;
    ret->secret = (const struct secret *)object;
    read_keys(ret);
    read_chain(ret, "tls.crt", &ret->chain);
    if (secret_has(ret->secret, "ca.crt"))
        read_chain(ret, "ca.crt", &ret->ca);
    return 0;
}

static int read_secret(const struct usage *usage, const struct place_flags *flags, const char *name,
                       struct contents *ret)
{
    cleanup(place_close) struct place place = {};
    struct err err = {};
    int code = place_open(usage, flags, true, &place);

    if (code != EXIT_OK)
        return code;
    if (load_secret(&place, name, ret, &err) == 0)
        return EXIT_OK;
    place_complain(&place, usage, &err);
    return err.code == ERR_NOT_FOUND ? EXIT_NOT_READY : EXIT_STORE;
}

/* --- the command --- */

static int ask_and_show(struct contents *contents, const struct usage *usage, const char *format,
                        bool ask)
{
    struct context ctx = context_background(clock_system());
    struct err err = {};

    if (ask && contents_ask_revocation(contents, &ctx, &err) < 0) {
        usage_complain(usage, &err);
        return EXIT_STORE;
    }
    contents_judge(contents, context_now_ms(&ctx));
    if (streq(format, "json"))
        contents_print_json(contents, context_now_ms(&ctx));
    else
        contents_print(contents, context_now_ms(&ctx));
    return contents_are_good(contents) ? EXIT_OK : EXIT_NOT_READY;
}

int command_inspect(int argc, char **argv)
{
    struct place_flags flags = {};
    const char *format;
    bool is_secret = false, ask = false;
    const struct option options[] = {
        {.name = "secret",
         .type = OPTION_SWITCH,
         .target = &is_secret,
         .help = "NAME is a Secret of a folder or cluster, or NAMESPACE/NAME"},
        {.name = "revocation",
         .type = OPTION_SWITCH,
         .target = &ask,
         .help =
             "ask the CRLs and OCSP responders that the certificates name; one of them has to answer"},
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &format,
         .choices = "text|json",
         .default_text = "text",
         .help = "how to print it"},
        PLACE_OPTIONS(&flags),
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet inspect [flags] FILE|-|NAME",
        .about =
            "Says what a PEM file of certificates holds, leaf first, or with --secret what a Secret does: names,\n"
            "validity, who signed, what names a CA may sign, whether each certificate signs the one before it, the\n"
            "key is the first one's, and clients would take the chain: its CAs may sign what they have signed, and\n"
            "no critical extension is unknown (RFC 5280 6.1). Of a private key only the kind is said.\n"
            "Exit code 0: all of it is in order, 1: it is not, or was not found, 4: it cannot be read.",
        .options = options,
    };
    cleanup(xfree) const char **names = NULL;
    cleanup(contents_deinit) struct contents contents = {};
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &names, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count != 1)
        return usage_error(&usage, "give one FILE, - for standard input, or with --secret a NAME");
    code = is_secret ? read_secret(&usage, &flags, names[0], &contents)
                     : read_path(names[0], &contents);
    return code == EXIT_OK ? ask_and_show(&contents, &usage, format, ask) : code;
}
