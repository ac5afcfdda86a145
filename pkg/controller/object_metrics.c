/* object_metrics.c - families and the collector. */
#include "controller/object_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "controller/order_flow.h"

#define CERTIFICATE_LABELS "name", "namespace", "issuer_name", "issuer_kind", "issuer_group"

static const struct metric_family certificate_ready = {
    .name = "certmanager_certificate_ready_status",
    .type = METRIC_GAUGE,
    .help = "Whether the certificate is ready: 1 for the condition that holds.",
    .labels = {"name", "namespace", "condition", "issuer_name", "issuer_kind", "issuer_group"}};
static const struct metric_family issuer_ready = {
    .name = "certmanager_issuer_ready_status",
    .type = METRIC_GAUGE,
    .help = "Whether the Issuer is ready: 1 for the condition that holds.",
    .labels = {"name", "namespace", "condition"}};
static const struct metric_family cluster_issuer_ready = {
    .name = "certmanager_clusterissuer_ready_status",
    .type = METRIC_GAUGE,
    .help = "Whether the ClusterIssuer is ready: 1 for the condition that holds.",
    .labels = {"name", "condition"}};
static const struct metric_family challenge_status = {
    .name = "certmanager_certificate_challenge_status",
    .type = METRIC_GAUGE,
    .help = "State of a Challenge: 1 for the one that holds.",
    .labels = {"status", "domain", "reason", "processing", "name", "namespace", "type"}};
static const struct metric_family clock_time = {.name = "certmanager_clock_time_seconds_gauge",
                                                .type = METRIC_GAUGE,
                                                .help = "Seconds since 1970 by our clock."};
/* cert-manager's older name for the same, which some dashboards still ask for. */
static const struct metric_family clock_time_counter = {
    .name = "certmanager_clock_time_seconds",
    .type = METRIC_COUNTER,
    .help = "Seconds since 1970 by our clock; ask for certmanager_clock_time_seconds_gauge."};
static const struct metric_family acme_requests = {
    .name = "certmanager_http_acme_client_request_count",
    .type = METRIC_COUNTER,
    .help = "Requests made to ACME servers; status 999 when there was no answer.",
    .labels = {"scheme", "host", "action", "method", "status"}};
static const struct metric_family acme_durations = {
    .name = "certmanager_http_acme_client_request_duration_seconds",
    .type = METRIC_SUMMARY,
    .help = "Time that requests to ACME servers took.",
    .labels = {"scheme", "host", "action", "method", "status"}};

static const struct metric_family resident_memory = {.name = "process_resident_memory_bytes",
                                                     .type = METRIC_GAUGE,
                                                     .help = "Resident memory size in bytes."};
static const struct metric_family virtual_memory = {.name = "process_virtual_memory_bytes",
                                                    .type = METRIC_GAUGE,
                                                    .help = "Virtual memory size in bytes."};
static const struct metric_family cpu_time = {.name = "process_cpu_seconds_total",
                                              .type = METRIC_COUNTER,
                                              .help = "User and system CPU time in seconds."};
static const struct metric_family start_time = {
    .name = "process_start_time_seconds",
    .type = METRIC_GAUGE,
    .help = "When the process started, in seconds since 1970."};
static const struct metric_family open_files = {
    .name = "process_open_fds", .type = METRIC_GAUGE, .help = "File descriptors that are open."};
static const struct metric_family most_files = {
    .name = "process_max_fds",
    .type = METRIC_GAUGE,
    .help = "File descriptors that may be open at once."};
static const struct metric_family build_info = {.name = "certlet_build_info",
                                                .type = METRIC_GAUGE,
                                                .help = "Always 1; the label is the version.",
                                                .labels = {"version"}};

/* Times of a Certificate, one family each. */
static const struct {
    struct metric_family family;
    size_t offset; /* in struct certificate_status */
} times[] = {
    {{.name = "certmanager_certificate_expiration_timestamp_seconds",
      .type = METRIC_GAUGE,
      .help = "When the certificate expires, in seconds since 1970; 0: unknown.",
      .labels = {CERTIFICATE_LABELS}},
     offsetof(struct certificate_status, not_after_ms)},
    {{.name = "certmanager_certificate_not_after_timestamp_seconds",
      .type = METRIC_GAUGE,
      .help = "The end of the certificate's validity, in seconds since 1970; 0: unknown.",
      .labels = {CERTIFICATE_LABELS}},
     offsetof(struct certificate_status, not_after_ms)},
    {{.name = "certmanager_certificate_not_before_timestamp_seconds",
      .type = METRIC_GAUGE,
      .help = "The start of the certificate's validity, in seconds since 1970; 0: unknown.",
      .labels = {CERTIFICATE_LABELS}},
     offsetof(struct certificate_status, not_before_ms)},
    {{.name = "certmanager_certificate_renewal_timestamp_seconds",
      .type = METRIC_GAUGE,
      .help = "When the certificate is to be renewed, in seconds since 1970; 0: not planned.",
      .labels = {CERTIFICATE_LABELS}},
     offsetof(struct certificate_status, renewal_time_ms)},
};

static const char *const condition_names[] = {"True", "False", "Unknown"};

static const char *ready_of(const struct conditions *conditions)
{
    const struct condition *ready = condition_find(conditions, "Ready");

    return ready && ready->status ? enum_name(&condition_status_names, ready->status) : "Unknown";
}

/* Certificates are visited once for each family: all of them at once would be too much memory. */
struct writing {
    struct metrics_writer *writer;
    size_t time; /* row of `times` */
};

static void write_ready(void *arg, const void *object)
{
    const struct writing *writing = arg;
    const struct certificate *crt = object;
    const struct metadata *metadata = &crt->object.metadata;
    const struct issuer_reference *ref = &crt->spec.issuer_ref;

    for (size_t c = 0; c < ARRAY_LEN(condition_names); c++) {
        const char *labels[] = {metadata->name,
                                metadata->namespace,
                                condition_names[c],
                                str_or(ref->name, ""),
                                str_or(ref->kind, ""),
                                str_or(ref->group, ""),
                                NULL};

        metrics_write(writing->writer, &certificate_ready, labels,
                      streq(ready_of(&crt->status.conditions), condition_names[c]));
    }
}

static void write_time(void *arg, const void *object)
{
    const struct writing *writing = arg;
    const struct certificate *crt = object;
    const struct issuer_reference *ref = &crt->spec.issuer_ref;
    const char *status = (const char *)&crt->status;
    const int64_t *at_ms = (const int64_t *)(status + times[writing->time].offset);
    const char *labels[] = {crt->object.metadata.name, crt->object.metadata.namespace,
                            str_or(ref->name, ""),     str_or(ref->kind, ""),
                            str_or(ref->group, ""),    NULL};

    metrics_write(writing->writer, &times[writing->time].family, labels, (double)(*at_ms / 1000));
}

static void write_certificates(struct metrics_writer *writer, struct cache *cache)
{
    struct writing writing = {.writer = writer};

    metrics_write_head(writer, &certificate_ready);
    cache_visit(cache, write_ready, &writing);
    for (; writing.time < ARRAY_LEN(times); writing.time++) {
        metrics_write_head(writer, &times[writing.time].family);
        cache_visit(cache, write_time, &writing);
    }
}

static void write_issuers(struct metrics_writer *writer, const struct metric_family *family,
                          struct cache *cache, bool namespaced)
{
    cleanup(cache_refs_deinit) struct cache_refs all = {};

    cache_list(cache, NULL, &all);
    metrics_write_head(writer, family);
    for (size_t i = 0; i < all.len; i++) {
        const struct issuer *issuer = all.items[i];

        for (size_t c = 0; c < ARRAY_LEN(condition_names); c++) {
            const char *with[] = {issuer->object.metadata.name,
                                  str_or(issuer->object.metadata.namespace, ""), condition_names[c],
                                  NULL};
            const char *without[] = {issuer->object.metadata.name, condition_names[c], NULL};

            metrics_write(writer, family, namespaced ? with : without,
                          streq(ready_of(&issuer->status.conditions), condition_names[c]));
        }
    }
}

static void write_challenges(struct metrics_writer *writer, struct cache *cache)
{
    static const char *const states[] = {"ready",   "valid",      "errored", "expired",
                                         "invalid", "processing", "",        "pending"};
    cleanup(cache_refs_deinit) struct cache_refs all = {};

    cache_list(cache, NULL, &all);
    metrics_write_head(writer, &challenge_status);
    for (size_t i = 0; i < all.len; i++) {
        const struct challenge *challenge = all.items[i];
        const char *told = str_or(challenge->status.reason, "");
        /* Without a time that changes: each would be a series of its own. */
        cleanup(xfree) char *reason = xstrndup(told, reason_len_without_time(told));

        for (size_t s = 0; s < ARRAY_LEN(states); s++) {
            const char *labels[] = {states[s],
                                    str_or(challenge->spec.dns_name, ""),
                                    reason,
                                    challenge->status.processing ? "true" : "false",
                                    challenge->object.metadata.name,
                                    challenge->object.metadata.namespace,
                                    enum_name(&challenge_type_names, challenge->spec.type),
                                    NULL};

            metrics_write(writer, &challenge_status, labels,
                          streq(enum_name(&order_state_names, challenge->status.state), states[s]));
        }
    }
}

static void write_single(struct metrics_writer *writer, const struct metric_family *family,
                         double v)
{
    const char *none[] = {NULL};

    metrics_write_head(writer, family);
    metrics_write(writer, family, none, v);
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void write_files(struct metrics_writer *writer)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit = {};
    int count = -3; /* ".", "..", and the one that we read them by */

    while (dir && readdir(dir))
        count++;
    if (dir && closedir(dir) == 0)
        write_single(writer, &open_files, count);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_single(writer, &most_files, (double)limit.rlim_cur);
}

static void write_version(struct metrics_writer *writer)
{
    const char *labels[] = {CERTLET_VERSION, NULL};

    metrics_write(writer, &build_info, labels, 1);
}

/* proc(5): the first two numbers of statm are size and resident, in pages. */
static void write_process(struct metrics_writer *writer, int64_t started_at_ms)
{
    struct rusage usage = {};
    long long size = 0, resident = 0;
    double page = (double)sysconf(_SC_PAGESIZE);
    FILE *statm = fopen("/proc/self/statm", "re");

    if (statm && fscanf(statm, "%lld %lld", &size, &resident) == 2) {
        write_single(writer, &virtual_memory, (double)size * page);
        write_single(writer, &resident_memory, (double)resident * page);
    }
    if (statm)
        (void)fclose(statm); /* it was only read */
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        write_single(writer, &cpu_time, seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
    write_single(writer, &start_time, (double)started_at_ms / 1000);
}

static void collect(void *arg, struct metrics_writer *writer)
{
    struct controllers *self = arg;

    write_certificates(writer, self->caches.certificates);
    write_issuers(writer, &issuer_ready, self->caches.issuers, true);
    write_issuers(writer, &cluster_issuer_ready, self->caches.cluster_issuers, false);
    write_challenges(writer, self->caches.challenges);
    write_single(writer, &clock_time, (double)(clock_wall_ms(self->clock) / 1000));
    write_single(writer, &clock_time_counter, (double)(clock_wall_ms(self->clock) / 1000));
    write_process(writer, self->started_at_ms);
    write_files(writer);
    write_version(writer);
}

void object_metrics_add(struct metrics *metrics, struct controllers *controllers)
{
    metrics_add_collector(metrics, collect, controllers);
}

/* One client makes all calls; these are not to a CA. */
static bool is_acme(const char *action)
{
    static const char *const others[] = {"unnamed_action", "http01_self_check", "kubernetes"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (streq(action, others[i]))
            return false;
    return true;
}

void object_metrics_observe_http(struct metrics *metrics,
                                 const struct http_observation *observation)
{
    char status[16];
    const char *labels[] = {observation->scheme,
                            observation->host,
                            observation->action,
                            observation->method,
                            status,
                            NULL};

    if (!is_acme(observation->action))
        return;
    (void)snprintf(status, sizeof(status), "%d", observation->status);
    metrics_add(metrics, &acme_requests, labels, 1);
    metrics_observe(metrics, &acme_durations, labels, (double)observation->duration_ms / 1000);
}
