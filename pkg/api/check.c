#include "api/check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/object.h"
#include "base/limits.h"
#include "pki/names.h"
#include "store/name.h"

enum { DNS_NAME_MAX = 253, PORT_MAX = 65535 };

/* Problems at places below `path` */

enum { PLACE_MAX = 1024 };

static void add_formatted(struct field_report *report, enum field_problem_kind kind,
                          const char *place, const char *fmt, va_list args)
    __attribute__((format(printf, 4, 0)));

static void add_formatted(struct field_report *report, enum field_problem_kind kind,
                          const char *place, const char *fmt, va_list args)
{
    char text[ERR_TEXT_MAX];

    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut where it is too long */
    field_report_add(report, kind, place, "%s", text);
}

void problem_at_member(struct field_report *report, enum field_problem_kind kind, const char *path,
                       const char *member, const char *fmt, ...)
{
    char place[PLACE_MAX];
    va_list args;

    (void)snprintf(place, sizeof(place), "%s%s%s", path, *path ? "." : "", member);
    va_start(args, fmt);
    add_formatted(report, kind, place, fmt, args);
    va_end(args);
}

void problem_at_index(struct field_report *report, enum field_problem_kind kind, const char *path,
                      size_t i, const char *fmt, ...)
{
    char place[PLACE_MAX];
    va_list args;

    (void)snprintf(place, sizeof(place), "%s[%zu]", path, i);
    va_start(args, fmt);
    add_formatted(report, kind, place, fmt, args);
    va_end(args);
}

void problem_at_key(struct field_report *report, enum field_problem_kind kind, const char *path,
                    const char *key, const char *fmt, ...)
{
    char place[PLACE_MAX];
    va_list args;

    (void)snprintf(place, sizeof(place), "%s[%s]", path, key);
    va_start(args, fmt);
    add_formatted(report, kind, place, fmt, args);
    va_end(args);
}

void problem_with(struct field_report *report, enum field_problem_kind kind, const char *path,
                  const char *value, const char *text)
{
    cleanup(buf_deinit) struct buf excerpt = BUF(LIMIT_EXCERPT * 4);

    str_excerpt(&excerpt, value, strlen(value));
    field_report_add(report, kind, path, "'%s' %s", buf_str(&excerpt), text);
}

static void problem_with_item(struct field_report *report, enum field_problem_kind kind,
                              const char *path, size_t i, const char *value, const char *text)
{
    char place[PLACE_MAX];

    (void)snprintf(place, sizeof(place), "%s[%zu]", path, i);
    problem_with(report, kind, place, value, text);
}

/* Texts */

bool text_has_controls(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

bool text_has_blanks(const char *s)
{
    return strchr(s, ' ') || text_has_controls(s);
}

void check_subdomain(const void *member, const char *path, struct field_report *report)
{
    const char *name = *(const char *const *)member;

    if (!name_is_dns1123_subdomain(name))
        problem_with(report, PROBLEM_INVALID, path, name,
                     "is not a name that Kubernetes accepts: use lower case letters, digits, '-' "
                     "and '.', begin and end with a letter or digit, at most 253 characters");
}

void check_label(const void *member, const char *path, struct field_report *report)
{
    const char *name = *(const char *const *)member;

    if (!name_is_dns1123_label(name))
        problem_with(report, PROBLEM_INVALID, path, name,
                     "is not a name that Kubernetes accepts here: use lower case letters, digits "
                     "and '-', begin and end with a letter or digit, at most 63 characters");
}

void warn_of_unseen(const char *text, const char *path, struct field_report *report)
{
    size_t step;

    for (size_t len = strlen(text); len > 0; text += step, len -= step) {
        uint32_t code;

        step = str_utf8_next(text, len);
        step = step ? step : 1;
        code = str_utf8_code(text, step);
        if (!str_is_unseen(code))
            continue;
        field_report_add(report, PROBLEM_WARNING, path,
                         "has a character that nobody sees, U+%04X; remove it unless it is meant",
                         (unsigned)code);
        return;
    }
}

void check_seen(const void *member, const char *path, struct field_report *report)
{
    warn_of_unseen(*(const char *const *)member, path, report);
}

void check_all_seen(const void *member, const char *path, struct field_report *report)
{
    const struct array_string *texts = member;

    for (size_t i = 0; i < texts->len; i++) {
        char place[PLACE_MAX];

        (void)snprintf(place, sizeof(place), "%s[%zu]", path, i);
        warn_of_unseen(texts->items[i], place, report);
    }
}

void check_printable(const void *member, const char *path, struct field_report *report)
{
    if (text_has_controls(*(const char *const *)member))
        field_report_add(report, PROBLEM_INVALID, path, "must not contain control characters");
    else
        check_seen(member, path, report);
}

static const char bare_email[] = "is not a plain e-mail address such as 'me@example.com'";

void check_email(const void *member, const char *path, struct field_report *report)
{
    const char *email = *(const char *const *)member;

    if (!name_is_email(email))
        problem_with(report, PROBLEM_INVALID, path, email, bare_email);
}

void check_oid(const void *member, const char *path, struct field_report *report)
{
    const char *oid = *(const char *const *)member;

    if (!name_is_oid(oid))
        problem_with(report, PROBLEM_INVALID, path, oid,
                     "is not an object identifier; write numbers with dots, as in '1.2.3', 118 of "
                     "them at most and none above 2147483647");
}

/* Lists of texts */

/* DNS names and URIs are IA5 in a certificate (RFC 5280 4.2.1.6). */
static bool is_ascii(const char *s)
{
    while (*s && (unsigned char)*s < 0x80)
        s++;
    return !*s;
}

/* NULL: none. */
typedef const char *item_problem_fn(const char *item, enum field_problem_kind *ret_kind);

static const char *dns_name_problem(const char *name, enum field_problem_kind *ret_kind)
{
    *ret_kind = PROBLEM_INVALID;
    if (!*name)
        return "must not be empty";
    if (text_has_controls(name))
        return "must not contain control characters";
    if (!is_ascii(name))
        return "is not ASCII; write it in its xn-- form";
    if (strlen(name) > DNS_NAME_MAX)
        return "is longer than 253 characters, which no DNS name is";
    *ret_kind = PROBLEM_WARNING;
    if (name_is_ip(name))
        return "is an IP address, which CAs and clients look for in 'ipAddresses'";
    if (!name_is_dns_san(name))
        return "is not a DNS name that CAs accept: use letters, digits, '-' and '.', '*' only as "
               "the first label, and the xn-- form of international names";
    return NULL;
}

/* A problem with each item for which there is one. */
static void check_items(const struct array_string *items, item_problem_fn *problem_of,
                        const char *path, struct field_report *report)
{
    for (size_t i = 0; i < items->len; i++) {
        enum field_problem_kind kind;
        const char *problem = problem_of(items->items[i], &kind);

        if (problem)
            problem_with_item(report, kind, path, i, items->items[i], problem);
    }
}

void check_dns_names(const void *member, const char *path, struct field_report *report)
{
    check_items(member, dns_name_problem, path, report);
}

/* A problem with each item that does not fit. */
static void check_fitting(const struct array_string *items, bool (*fits)(const char *),
                          const char *text, const char *path, struct field_report *report)
{
    for (size_t i = 0; i < items->len; i++)
        if (!fits(items->items[i]))
            problem_with_item(report, PROBLEM_INVALID, path, i, items->items[i], text);
}

void check_ip_addresses(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, name_is_ip, "is not an IP address such as '192.0.2.1' or '2001:db8::1'",
                  path, report);
}

void check_email_addresses(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, name_is_email, bare_email, path, report);
}

/* Not so where it has no scheme, a blank, or a '%' that stands for itself (RFC 3986). */
static bool is_usual_uri(const char *uri)
{
    if (uri[strcspn(uri, ":/?#")] != ':')
        return false;
    for (const char *c = strpbrk(uri, " %"); c; c = strpbrk(c + 1, " %"))
        if (*c == ' ' || str_hex_digit(c[1]) < 0 || str_hex_digit(c[2]) < 0)
            return false;
    return true;
}

static const char *uri_problem(const char *uri, enum field_problem_kind *ret_kind)
{
    *ret_kind = PROBLEM_INVALID;
    if (!*uri)
        return "must not be empty";
    if (text_has_controls(uri))
        return "must not contain control characters";
    if (!is_ascii(uri))
        return "is not ASCII; write a domain in its xn-- form, and the rest with '%'";
    if (!name_is_uri(uri))
        return "is not a URI, and programs in Go read no certificate with it; write it as in "
               "'spiffe://example.org/web': no dot too many and no blank in the host, digits as "
               "port, and two hexadecimal digits behind each '%'";
    *ret_kind = PROBLEM_WARNING;
    if (!is_usual_uri(uri))
        return "is not a URI such as 'spiffe://example.org/web'; there are programs that cannot "
               "read a certificate with it";
    return NULL;
}

void check_uris(const void *member, const char *path, struct field_report *report)
{
    check_items(member, uri_problem, path, report);
}

static bool is_ip_range(const char *s)
{
    unsigned char range[32];
    size_t len;

    return ip_range_parse(s, range, &len, NULL) == 0;
}

void check_ip_ranges(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, is_ip_range, "is not a range; write it as in '10.0.0.0/8'", path, report);
}

void check_dns_bounds(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, name_is_domain_bound,
                  "is not a domain such as 'example.com': 253 characters of ASCII at most (the "
                  "xn-- form of others) without blanks, no dot at the end, and none beside another",
                  path, report);
}

void check_uri_bounds(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, name_is_uri_bound,
                  "is not a host such as 'example.com' or '.example.com': 253 characters of ASCII "
                  "at most without blanks, no IP address, no dot at the end, and none beside "
                  "another",
                  path, report);
}

void check_email_bounds(const void *member, const char *path, struct field_report *report)
{
    check_fitting(member, name_is_email_bound,
                  "is neither an address such as 'me@example.com' nor a host such as "
                  "'example.com', in ASCII and without blanks",
                  path, report);
}

/* Maps */

static void say_bad_key(const char *key, const char *path, struct field_report *report)
{
    problem_at_key(report, PROBLEM_INVALID, path, key,
                   "is not a key that Kubernetes accepts: [domain/]name, the name with letters, "
                   "digits, '-', '_' and '.', at most 63 characters");
}

void check_labels(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *labels = member;

    for (size_t i = 0; i < labels->len; i++) {
        const struct pair *label = &labels->items[i];

        if (!name_is_qualified(label->key))
            say_bad_key(label->key, path, report);
        else if (!name_is_label_value(label->value))
            problem_at_key(report, PROBLEM_INVALID, path, label->key,
                           "value is not one that Kubernetes accepts: letters, digits, '-', '_' "
                           "and '.', begin and end with a letter or digit, at most 63 characters");
    }
}

void check_annotations(const void *member, const char *path, struct field_report *report)
{
    const struct array_pair *annotations = member;
    size_t total = 0;

    for (size_t i = 0; i < annotations->len; i++) {
        const struct pair *annotation = &annotations->items[i];

        if (!stored_name_is_annotation_key(annotation->key))
            say_bad_key(annotation->key, path, report);
        total += strlen(annotation->key) + strlen(annotation->value);
    }
    if (total > LIMIT_ANNOTATIONS)
        field_report_add(report, PROBLEM_INVALID, path,
                         "must have at most %d bytes in all, has %zu", LIMIT_ANNOTATIONS, total);
}

/* Others */

void check_not_negative(const void *member, const char *path, struct field_report *report)
{
    if (((const struct opt_duration *)member)->ns < 0)
        field_report_add(report, PROBLEM_INVALID, path, "must not be negative");
}

void check_positive(const void *member, const char *path, struct field_report *report)
{
    if (((const struct opt_duration *)member)->ns <= 0)
        field_report_add(report, PROBLEM_INVALID, path, "must be longer than 0");
}

/* Foreign groups have kinds of their own, and controllers of their own (api.md 3). */
void check_issuer_reference(const void *member, const char *path, struct field_report *report)
{
    const struct issuer_reference *ref = member;
    const char *kind = issuer_reference_kind(ref);
    char place[PLACE_MAX];

    if (!streq(issuer_reference_group(ref), "cert-manager.io"))
        return;
    (void)snprintf(place, sizeof(place), "%s.name", path);
    if (!str_empty(ref->name) && !name_is_dns1123_subdomain(ref->name))
        problem_with(report, PROBLEM_WARNING, place, ref->name,
                     "is not a name that an issuer can have, so that there is none");
    if (streq(kind, "Issuer") || streq(kind, "ClusterIssuer"))
        return;
    (void)snprintf(place, sizeof(place), "%s.kind", path);
    problem_with(report, PROBLEM_INVALID, place, kind,
                 "must be 'Issuer' or 'ClusterIssuer', unless 'group' names another controller's");
}

void check_selector_has_key(const void *member, const char *path, struct field_report *report)
{
    const struct secret_key_selector *selector = member;

    if (str_empty(selector->key))
        problem_at_member(report, PROBLEM_REQUIRED, path, "key",
                          "must be set: which key of the Secret is meant");
}

void check_raw(const struct fields *fields, const void *member, const char *path,
               struct field_report *report)
{
    cleanup(arena_free) struct arena *scratch = arena_new(0);
    void *self = arena_alloc(scratch, fields->size);

    /* with a report it cannot fail */
    (void)fields_decode(fields, *(struct json *const *)member, scratch, self, path, report, NULL);
}

/* host[:port] */

static bool is_host(const char *s, size_t len)
{
    cleanup(xfree) char *host = xstrndup(s, len);

    if (len > 1 && host[len - 1] == '.')
        host[len - 1] = '\0';
    return *host != '*' && (name_is_ip(host) || name_is_dns_san(host));
}

static bool is_port(const char *s)
{
    int64_t port;

    return isdigit((unsigned char)*s) && str_parse_int(s, 1, PORT_MAX, &port) == 0;
}

static const char *after_host_problem(const char *s, bool port_required)
{
    if (!*s)
        return port_required ? "needs a port, such as ':53'" : NULL;
    if (*s != ':' || !is_port(s + 1))
        return "must end in a port from 1 to 65535";
    return NULL;
}

static const char *bracketed_problem(const char *s, bool port_required)
{
    const char *end = strchr(s, ']');

    if (!end || !memchr(s, ':', (size_t)(end - s)) || !is_host(s + 1, (size_t)(end - s - 1)))
        return "must have an IPv6 address between the brackets";
    return after_host_problem(end + 1, port_required);
}

const char *host_port_problem(const char *s, bool port_required)
{
    size_t len = strcspn(s, ":");

    if (*s == '[')
        return bracketed_problem(s, port_required);
    if (s[len] && strchr(s + len + 1, ':'))
        return "needs brackets around an IPv6 address, such as '[2001:db8::1]:53'";
    if (!is_host(s, len))
        return "must begin with a host name or an IP address";
    return after_host_problem(s + len, port_required);
}
