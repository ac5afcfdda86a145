/*
 * exec.h - credential plugins: a program that prints how to authenticate (kubernetes.md 1).
 *
 * It is started without a shell, with KUBERNETES_EXEC_INFO in its environment and nothing to read,
 * unless the user's kubeconfig lets it ask on a terminal; what it says on standard error goes to ours.
 * It is ended with its deadline or the context's cancel.
 *
 * Blocks. Any thread; whoever calls sees to it that only one runs (credentials.c).
 */
#ifndef KUBE_EXEC_H
#define KUBE_EXEC_H

#include "base/context.h"
#include "kube/config.h"

struct kube_exec_reply { /* all of it owned, and wiped */
    char *token;
    char *cert_pem, *key_pem; /* both or neither */
    int64_t expires_ms;       /* wall clock; 0: holds as long as we run */
};
void kube_exec_reply_deinit(struct kube_exec_reply *reply);
DEFINE_CLEANUP_VALUE(struct kube_exec_reply, kube_exec_reply_deinit);

/* ERR_NOT_FOUND: there is no such program, with the hint how to install it. ERR_PROTOCOL: what it
 * printed is no ExecCredential of the version asked for. ERR_DENIED: it failed. */
int kube_exec_run(const struct kube_config *config, const struct context *ctx,
                  struct kube_exec_reply *ret, struct err *err);

/* Reads what it printed: ERR_PROTOCOL, without a word of it. Apart for the fuzzer. */
int kube_exec_read(const struct kube_exec *exec, const struct buf *output,
                   struct kube_exec_reply *ret, struct err *err);

#endif
