/*
 * place.h - where a command finds its objects: the folder of `certlet run`, or a cluster.
 *
 *      --dir DIR                               that folder
 *      --kubeconfig, --context, --master, -A   a cluster
 *      none of them                            this folder when it has a state.db, else a cluster;
 *                                              for kubectl-certlet always a cluster
 *
 * The rule for "none" keeps what scripts do that run in the folder.
 */
#ifndef CERTLET_PLACE_H
#define CERTLET_PLACE_H

#include "cluster.h"

struct place_flags {
    const char *dir; /* NULL: not given */
    struct cluster_flags cluster;
    const char *namespace; /* NULL: not given */
    bool all_namespaces;
};

/* Rows for a table of options. */
#define PLACE_OPTIONS(flags)                                                                       \
    {.name = "dir",                                                                                \
     .letter = 'd',                                                                                \
     .type = OPTION_TEXT,                                                                          \
     .target = &(flags)->dir,                                                                      \
     .value = "DIR",                                                                               \
     .help = "a folder of certlet run, in place of a cluster; the default is this folder when "    \
             "it is one"},                                                                         \
        {.name = "namespace",                                                                      \
         .letter = 'n',                                                                            \
         .type = OPTION_TEXT,                                                                      \
         .target = &(flags)->namespace,                                                            \
         .value = "NAMESPACE",                                                                     \
         .help = "namespace of names that do not say theirs; else the context's, or 'default'"},   \
        {.name = "all-namespaces",                                                                 \
         .letter = 'A',                                                                            \
         .type = OPTION_SWITCH,                                                                    \
         .target = &(flags)->all_namespaces,                                                       \
         .help = "every namespace of the cluster"},                                                \
        CLUSTER_OPTIONS(&(flags)->cluster)

struct place {                  /* zeroed is closed */
    const char *dir;            /* NULL: a cluster */
    const char *namespace;      /* of names that do not say theirs */
    const char *only_namespace; /* what is listed when nothing is named; NULL: all */
    struct cluster cluster;
    struct store *local;
    struct store *store; /* one of the two: lent */
};
/* Returns an exit code; any but EXIT_OK after saying why: the flags contradict each other, the folder was
 * never run, no cluster is known. Flags are lent to the place. */
/* The folder that these flags mean; NULL: a cluster. */
const char *place_folder(const struct place_flags *flags);
int place_open(const struct usage *usage, const struct place_flags *flags, bool read_only,
               struct place *ret);
void place_close(struct place *place);
DEFINE_CLEANUP_VALUE(struct place, place_close);

/* "NAME" or "NAMESPACE/NAME" as key; points into `text`, which it changes. */
struct key place_key(const struct place *place, char *text);
/* Says on standard error what went wrong, and what can be done about it. */
void place_complain(const struct place *place, const struct usage *usage, struct err *err);

#endif
