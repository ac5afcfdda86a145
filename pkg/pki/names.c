#include "pki/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LABEL_MAX     63
#define SUBDOMAIN_MAX 253
#define LOWER         "abcdefghijklmnopqrstuvwxyz"
#define UPPER         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS        "0123456789"
#define LOWER_DIGITS  LOWER DIGITS
#define ALNUM         LOWER_DIGITS UPPER
#define IPV6_GROUPS   8

/* 1 to `max` bytes of `inner`, the first and the last of them of `edge`. */
static bool part_fits(const char *s, size_t len, size_t max, const char *edge, const char *inner)
{
    if (len == 0 || len > max || !strchr(edge, s[0]) || !strchr(edge, s[len - 1]))
        return false;
    return strspn(s, inner) >= len;
}

/* Dotted labels of at most `max` bytes each, none empty. */
static bool labels_fit(const char *s, size_t max, const char *edge, const char *inner)
{
    size_t len = strlen(s);

    if (len == 0 || len > SUBDOMAIN_MAX)
        return false;
    for (;;) {
        size_t label = strcspn(s, ".");

        if (!part_fits(s, label, max, edge, inner))
            return false;
        if (!s[label])
            return true;
        s += label + 1;
    }
}

bool name_is_dns1123_label(const char *s)
{
    return part_fits(s, strlen(s), LABEL_MAX, LOWER_DIGITS, LOWER_DIGITS "-");
}

/* Kubernetes bounds the whole and not the labels of a subdomain. */
bool name_is_dns1123_subdomain(const char *s)
{
    return labels_fit(s, SUBDOMAIN_MAX, LOWER_DIGITS, LOWER_DIGITS "-");
}

bool name_is_secret_key(const char *s)
{
    size_t len = strlen(s);

    if (len == 0 || len > SUBDOMAIN_MAX || strspn(s, ALNUM "-._") != len)
        return false;
    return !streq(s, ".") && !str_starts(s, "..");
}

static bool is_qualified_part(const char *s)
{
    return part_fits(s, strlen(s), LABEL_MAX, ALNUM, ALNUM "-_.");
}

bool name_is_qualified(const char *s)
{
    const char *slash = strchr(s, '/');
    char prefix[SUBDOMAIN_MAX + 1];

    if (!slash)
        return is_qualified_part(s);
    if ((size_t)(slash - s) > SUBDOMAIN_MAX)
        return false;
    memcpy(prefix, s, (size_t)(slash - s));
    prefix[slash - s] = '\0';
    return name_is_dns1123_subdomain(prefix) && is_qualified_part(slash + 1);
}

bool name_is_label_value(const char *s)
{
    return !*s || is_qualified_part(s);
}

bool name_is_dns_san(const char *s)
{
    if (strlen(s) > SUBDOMAIN_MAX)
        return false;
    return labels_fit(str_starts(s, "*.") ? s + 2 : s, LABEL_MAX, ALNUM "_", ALNUM "-_");
}

/*
 * IP addresses.
 */

static bool is_v4_mapped(const unsigned char ip[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static bool ip_read(const char *text, unsigned char to[16], size_t *ret_len)
{
    if (inet_pton(AF_INET, text, to) == 1) {
        *ret_len = 4;
        return true;
    }
    if (inet_pton(AF_INET6, text, to) != 1)
        return false;
    *ret_len = 16;
    if (is_v4_mapped(to)) {
        memmove(to, to + 12, 4);
        *ret_len = 4;
    }
    return true;
}

int ip_parse(const char *text, unsigned char to[16], size_t *ret_len, struct err *err)
{
    if (!ip_read(text, to, ret_len))
        return err_set(err, ERR_INVALID, "'%s' is not an IP address", text);
    return 0;
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952 4.2). */
static void find_zeros(const unsigned groups[IPV6_GROUPS], int *ret_start, int *ret_end)
{
    *ret_start = *ret_end = -1;
    for (int i = 0; i < IPV6_GROUPS; i++) {
        int end = i;

        while (end < IPV6_GROUPS && groups[end] == 0)
            end++;
        if (end - i >= 2 && end - i > *ret_end - *ret_start) {
            *ret_start = i;
            *ret_end = end;
        }
        if (end > i)
            i = end - 1;
    }
}

/* Not inet_ntop(): that writes the last four bytes of some addresses with dots. */
static void format_v6(const unsigned char *ip, char to[IP_TEXT_MAX])
{
    unsigned groups[IPV6_GROUPS];
    int start, end, len = 0;

    for (int i = 0; i < IPV6_GROUPS; i++)
        groups[i] = (unsigned)(ip[2 * i] << 8 | ip[2 * i + 1]);
    find_zeros(groups, &start, &end);
    to[0] = '\0';
    for (int i = 0; i < IPV6_GROUPS; i++) {
        if (i == start) {
            len += snprintf(to + len, (size_t)(IP_TEXT_MAX - len), "::");
            i = end - 1;
            continue;
        }
        len += snprintf(to + len, (size_t)(IP_TEXT_MAX - len), "%s%x", i > 0 && i != end ? ":" : "",
                        groups[i]);
    }
}

static void format_v4(const unsigned char *ip, char to[IP_TEXT_MAX])
{
    snprintf(to, IP_TEXT_MAX, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

void ip_format(const unsigned char *ip, size_t len, char to[IP_TEXT_MAX])
{
    if (len == 16 && is_v4_mapped(ip)) {
        ip += 12;
        len = 4;
    }
    if (len == 4)
        format_v4(ip, to);
    else
        format_v6(ip, to);
}

int ip_canonical(const char *text, char to[IP_TEXT_MAX], struct err *err)
{
    unsigned char ip[16];
    size_t len;
    int r;

    r = ip_parse(text, ip, &len, err);
    if (r < 0)
        return r;
    ip_format(ip, len, to);
    return 0;
}

bool name_is_ip(const char *s)
{
    unsigned char ip[16];
    size_t len;

    return ip_read(s, ip, &len);
}

/* Decimal digits as a machine writes them: no sign, no zeros in front. */
static bool read_number(const char *s, size_t len, int64_t max, int64_t *ret)
{
    char text[12];

    if (len == 0 || len >= sizeof(text) || strspn(s, DIGITS) < len || (*s == '0' && len > 1))
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    return str_parse_int(text, 0, max, ret) == 0;
}

/* Both halves: the address with the host's bits off, and the mask. */
static void apply_prefix(unsigned char *range, size_t ip_len, int64_t prefix)
{
    for (size_t i = 0; i < ip_len; i++) {
        int64_t bits = prefix - (int64_t)i * 8;

        range[ip_len + i] = bits >= 8 ? 0xff : bits <= 0 ? 0 : (unsigned char)(0xff00 >> bits);
        range[i] &= range[ip_len + i];
    }
}

int ip_range_parse(const char *text, unsigned char to[32], size_t *ret_len, struct err *err)
{
    const char *slash = strchr(text, '/');
    char address[IP_TEXT_MAX];
    size_t ip_len = 0;
    int64_t prefix = 0;

    if (slash && (size_t)(slash - text) < sizeof(address)) {
        memcpy(address, text, (size_t)(slash - text));
        address[slash - text] = '\0';
        if (ip_read(address, to, &ip_len) && (ip_len == 4) == !strchr(address, ':') &&
            read_number(slash + 1, strlen(slash + 1), (int64_t)ip_len * 8, &prefix)) {
            apply_prefix(to, ip_len, prefix);
            *ret_len = 2 * ip_len;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "'%s' is not a range of IP addresses such as '192.0.2.0/24'",
                   text);
}

/* -1: there is a one behind a zero. */
static int prefix_of(const unsigned char *mask, size_t len)
{
    int ones = 0;

    while ((size_t)ones < len * 8 && mask[ones / 8] & 0x80 >> ones % 8)
        ones++;
    for (size_t bit = (size_t)ones; bit < len * 8; bit++)
        if (mask[bit / 8] & 0x80 >> bit % 8)
            return -1;
    return ones;
}

void ip_range_format(const unsigned char *range, size_t len, char to[IP_RANGE_TEXT_MAX])
{
    size_t ip_len = len / 2;
    void (*format)(const unsigned char *ip, char *to) = ip_len == 4 ? format_v4 : format_v6;
    int prefix = prefix_of(range + ip_len, ip_len);
    char address[IP_TEXT_MAX], mask[IP_TEXT_MAX];

    format(range, address);
    format(range + ip_len, mask);
    if (prefix < 0)
        snprintf(to, IP_RANGE_TEXT_MAX, "%s/%s", address, mask);
    else
        snprintf(to, IP_RANGE_TEXT_MAX, "%s/%d", address, prefix);
}

bool name_is_oid(const char *s)
{
    int64_t first = 0, arc;
    size_t arcs = 0;

    for (;; s++) {
        size_t len = strcspn(s, ".");

        if (!read_number(s, len, INT32_MAX, &arc) || (arcs == 0 && arc > 2) ||
            (arcs == 1 && first < 2 && arc >= 40)) /* X.660 7.6 */
            return false;
        first = arcs++ == 0 ? arc : first;
        s += len;
        if (!*s || arcs == NAME_OID_ARCS)
            return !*s && arcs > 1;
    }
}

bool name_is_printable_string(const char *s)
{
    static const char printable[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    " '()+,-./:=?";

    return strspn(s, printable) == strlen(s);
}

bool name_is_url_text(const char *s)
{
    while ((unsigned char)*s > ' ' && (unsigned char)*s <= '~')
        s++;
    return !*s;
}

static bool is_dot_atom(const char *s, size_t len)
{
    if (len == 0 || s[0] == '.' || s[len - 1] == '.' ||
        strspn(s, ALNUM "!#$%&'*+-/=?^_`{|}~.") < len)
        return false;
    return !memmem(s, len, "..", 2);
}

bool name_is_email(const char *s)
{
    const char *at = strrchr(s, '@');

    return at && is_dot_atom(s, (size_t)(at - s)) && is_dot_atom(at + 1, strlen(at + 1));
}

/*
 * URIs. A part ends where the next one begins: at a byte that it cannot have, or with the text.
 */

/* Dotted labels, none empty. */
static bool are_labels(const char *s, const char *end, const char *inner)
{
    for (;; s++) {
        size_t label = strspn(s, inner);

        s += label;
        if (label == 0 || s >= end || *s != '.')
            return label > 0 && s == end;
    }
}

/* 0: there is none. */
static size_t scheme_len(const char *s)
{
    size_t len = strspn(s, ALNUM "+-.");

    return len > 0 && strchr(LOWER UPPER, *s) && s[len] == ':' ? len + 1 : 0;
}

static bool escapes_fit(const char *s, const char *end)
{
    for (; s < end; s++)
        if (*s == '%' && (str_hex_digit(s[1]) < 0 || str_hex_digit(s[2]) < 0))
            return false;
    return true;
}

/* The zone is an interface of some machine (RFC 6874). */
static bool is_ip_literal(const char *s, const char *end)
{
    const char *zone = memmem(s, (size_t)(end - s), "%25", 3);
    size_t len = (size_t)((zone ? zone : end) - s);
    char ip[IP_TEXT_MAX];

    if (len >= sizeof(ip) || (zone && !are_labels(zone + 3, end, ALNUM "_~-")))
        return false;
    memcpy(ip, s, len);
    ip[len] = '\0';
    return strchr(ip, ':') && name_is_ip(ip);
}

static bool is_port(const char *s, const char *end)
{
    return s == end || (*s == ':' && s + 1 + strspn(s + 1, DIGITS) == end);
}

static bool is_uri_host(const char *s, const char *end)
{
    const char *literal_end = s + strcspn(s, "]/?#");
    const char *port = s + strcspn(s, ":/?#");

    if (end - s > SUBDOMAIN_MAX)
        return false;
    if (*s == '[')
        return *literal_end == ']' && is_ip_literal(s + 1, literal_end) &&
               is_port(literal_end + 1, end);
    return (port == s || are_labels(s, port, ALNUM "_~!$&'()*+,;=<>\"-")) && is_port(port, end);
}

/* [user@]host[:port] */
static bool is_authority(const char *s, const char *end)
{
    const char *at = memrchr(s, '@', (size_t)(end - s));

    if (!at)
        return is_uri_host(s, end);
    return s + strspn(s, ALNUM "._:~!$&'()*+,;=%@-") >= at && escapes_fit(s, at) &&
           is_uri_host(at + 1, end);
}

static bool is_printable(const char *s)
{
    while (*s >= ' ' && *s <= '~')
        s++;
    return !*s;
}

bool name_is_uri(const char *s)
{
    size_t scheme = scheme_len(s);
    const char *fragment = s + strcspn(s, "#");

    if (!is_printable(s) || !escapes_fit(fragment, fragment + strlen(fragment)))
        return false;
    s += scheme;
    if (scheme > 0 && *s != '/')
        return true; /* RFC 3986 has a path without a root here; nobody looks into it */
    if (s[strcspn(s, ":/?#")] == ':')
        return false;
    if (str_starts(s, "//")) {
        const char *end = s + 2 + strcspn(s + 2, "/?#");

        if (!is_authority(s + 2, end))
            return false;
        s = end;
    }
    return escapes_fit(s, s + strcspn(s, "?#"));
}

/*
 * Name constraints.
 */

bool name_is_domain_bound(const char *s)
{
    size_t len = strlen(s);

    return len == 0 ||
           (len <= SUBDOMAIN_MAX && name_is_url_text(s) && s[len - 1] != '.' && !strstr(s, ".."));
}

bool name_is_uri_bound(const char *s)
{
    return name_is_domain_bound(s) && !name_is_ip(s);
}

bool name_is_email_bound(const char *s)
{
    return strchr(s, '@') ? name_is_email(s) : name_is_domain_bound(s);
}
