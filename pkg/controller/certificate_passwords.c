/*
 * certificate_passwords.c - passwords of key stores, from the spec or from the Secrets that it names.
 *
 * Nothing is stored without its key stores: while a password cannot be had the issued certificate waits in its
 * request, and what it waits for stands in the Issuing condition. A Secret that is repaired does not wait: all else
 * is put right, and an event says which password is missing. Watches wake the Certificate when that Secret
 * changes (watches.c); what is changed elsewhere, a permission, is found by a timer.
 */
#include "api/live.h"
#include "base/limits.h"
#include "controller/certificate_run.h"

static int read_reference(struct store *store, const struct context *ctx, const char *namespace,
                          const struct secret_key_selector *ref, struct buf *to, struct err *err)
{
    cleanup(object_unref) const struct object *secret = NULL;
    struct key key = {.namespace = namespace};
    int r;

    if (!ref || str_empty(ref->name) || str_empty(ref->key))
        return err_set(err, ERR_INVALID, "needs 'name' and 'key', or 'password' instead of it");
    key.name = ref->name;
    r = live_secret(store, ctx, &key, &secret, err);
    if (r == 0)
        r = secret_value((const struct secret *)secret, ref->key, to, err);
    if (r == 0 && to->len == 0)
        return err_set(err, ERR_INVALID, "key '%s' of secret '%s/%s' is empty", ref->key,
                       key.namespace, key.name);
    return r;
}

int certificate_read_password(struct store *store, const struct context *ctx, const char *namespace,
                              const struct keystore_wish *wish, struct buf *to, struct err *err)
{
    bool is_literal = !str_empty(wish->literal);
    int r;

    if (is_literal) {
        buf_add_str(to, wish->literal);
        r = buf_check(to, "the password", err);
    } else {
        r = read_reference(store, ctx, namespace, wish->ref, to, err);
    }
    if (r == 0)
        r = keystore_check_password(to, err);
    return r < 0 ? err_wrap(err, "%s.%s", wish->path, is_literal ? "password" : "passwordSecretRef")
                 : 0;
}

int certificate_read_passwords(struct certificate_run *run, struct target_secret *target,
                               struct keystore_passwords *ret, struct err *err)
{
    for (int i = 0; i < KEYSTORE_FORMAT_COUNT; i++) {
        enum keystore_format format = (enum keystore_format)i;
        struct keystore_wish wish = keystore_wish_of(&target->crt->spec, format);
        int r;

        ret->of[i] = BUF_SECRET(LIMIT_PASSWORD);
        if (!keystores_need_password(target, format))
            continue;
        r = certificate_read_password(run->self->store, run->ctx, run->key.namespace, &wish,
                                      &ret->of[i], err);
        if (r == 0)
            continue;
        run->failure = "KeystorePasswordSecretNotFound";
        if (!target->may_lack || r == ERR_CANCELED)
            return r;
        target->lacks |= 1U << i;
    }
    return 0;
}
