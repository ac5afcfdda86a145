/* place.c - see place.h. */
#include "place.h"

#include <unistd.h>

#include "api/kinds.h"
#include "command.h"
#include "store/local.h"

static bool has_store(const char *dir)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", dir);

    return access(path, F_OK) == 0;
}

const char *place_folder(const struct place_flags *flags)
{
    if (flags->dir)
        return flags->dir;
    if (cluster_flags_given(&flags->cluster) || flags->all_namespaces || program_is_plugin())
        return NULL;
    return has_store(".") ? "." : NULL;
}

static int open_folder(struct place *place, bool read_only, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", place->dir);
    struct local_options options = {
        .path = path, .clock = clock_system(), .read_only = read_only, .resources = kind_resources};
    int r;

    if (!has_store(place->dir))
        return err_set(
            err, ERR_NOT_FOUND,
            "'%s' does not exist: run 'certlet run %s' first, or name another folder by --dir",
            path, place->dir);
    r = store_local_open(&options, &place->local, err);
    place->store = place->local;
    return r;
}

static int open_cluster(struct place *place, const struct place_flags *flags, struct err *err)
{
    struct err why = {};
    int r = cluster_open(&flags->cluster, &place->cluster, &why);

    if (r == ERR_NOT_FOUND && !cluster_flags_given(&flags->cluster))
        return err_set(err, r, "%s, or a folder of certlet run by --dir", why.text);
    if (r < 0)
        return err_set(err, r, "%s", why.text);
    place->store = place->cluster.store;
    place->namespace = str_or(flags->namespace, place->cluster.config->namespace);
    if (!flags->all_namespaces)
        place->only_namespace = place->namespace;
    return 0;
}

int place_open(const struct usage *usage, const struct place_flags *flags, bool read_only,
               struct place *ret)
{
    cleanup(place_close) struct place place = {.dir = place_folder(flags),
                                               .namespace = str_or(flags->namespace, "default"),
                                               .only_namespace = flags->namespace};
    struct err err = {};

    if (flags->dir && cluster_flags_given(&flags->cluster))
        return usage_error(usage,
                           "--dir is a folder, --kubeconfig, --context and --master are a cluster: "
                           "give one of them");
    if (flags->namespace && flags->all_namespaces)
        return usage_error(usage, "give --namespace or --all-namespaces, not both");
    if ((place.dir ? open_folder(&place, read_only, &err) : open_cluster(&place, flags, &err)) <
        0) {
        usage_complain(usage, &err);
        return EXIT_STORE;
    }
    *ret = place;
    place = (struct place){};
    return EXIT_OK;
}

void place_close(struct place *place)
{
    store_close(place->local);
    cluster_close(&place->cluster);
    *place = (struct place){};
}

struct key place_key(const struct place *place, char *text)
{
    struct key key = key_parse(text);

    if (!key.namespace[0])
        key.namespace = place->namespace;
    return key;
}

void place_complain(const struct place *place, const struct usage *usage, struct err *err)
{
    if (place->cluster.store)
        cluster_advise(&place->cluster, err);
    usage_complain(usage, err);
}
