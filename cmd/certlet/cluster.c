/* cluster.c - see cluster.h. */
#include "cluster.h"

#include <string.h>

bool cluster_flags_given(const struct cluster_flags *flags)
{
    return !str_empty(flags->kubeconfig) || !str_empty(flags->context) || !str_empty(flags->master);
}

static const char *given(const char *value)
{
    return str_empty(value) ? NULL : value;
}

int cluster_config(const struct cluster_flags *flags, struct kube_config **ret, struct err *err)
{
    struct kube_config_options options = {.kubeconfig = given(flags->kubeconfig),
                                          .context = given(flags->context),
                                          .server = given(flags->master)};
    struct err why = {};
    int r = kube_config_load(&options, ret, &why);

    if (r == ERR_NOT_FOUND && !cluster_flags_given(flags))
        return err_set(err, r, "no cluster: %s; give --kubeconfig FILE or --context NAME",
                       why.text);
    return r < 0 ? err_set(err, r, "%s", why.text) : 0;
}

int cluster_open(const struct cluster_flags *flags, struct cluster *ret, struct err *err)
{
    cleanup(cluster_close) struct cluster cluster = {};
    struct http_options http = {.user_agent = "certlet/" CERTLET_VERSION " (linux)"};
    struct store_kube_options store = {.clock = clock_system(), .lists = true};
    int r = cluster_config(flags, &cluster.config, err);

    if (r == 0)
        r = http_new(&http, &cluster.http, err);
    if (r < 0)
        return r;
    store.config = cluster.config;
    store.http = cluster.http;
    r = store_kube_open(&store, &cluster.store, err);
    if (r < 0)
        return r;
    *ret = cluster;
    cluster = (struct cluster){};
    return 0;
}

void cluster_close(struct cluster *cluster)
{
    store_close(cluster->store);
    http_free(cluster->http);
    kube_config_free(cluster->config);
    *cluster = (struct cluster){};
}

void cluster_advise(const struct cluster *cluster, struct err *err)
{
    char text[ERR_TEXT_MAX];
    const char *advice = NULL;

    switch (err->code) {
    case ERR_UNSUPPORTED:
        advice = "; 'check --cluster' says which CRDs are missing";
        break;
    case ERR_DENIED:
    case ERR_STRANGER:
        advice = "";
        break;
    case ERR_NETWORK:
    case ERR_TIMEOUT:
        advice = "; is the API server up, and the address right?";
        break;
    default:
        break;
    }
    if (!advice)
        return;
    memcpy(text, err->text, sizeof(text));
    (void)err_set(err, err->code, "%s (%s)%s", text, cluster->config->origin, advice);
}
