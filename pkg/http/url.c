#include "http/url.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http/http.h"

DEFINE_CLEANUP(CURLU, curl_url_cleanup);

void url_parts_deinit(struct url_parts *parts)
{
    xfree(parts->scheme);
    xfree(parts->host);
    xfree(parts->port);
    xfree(parts->authority);
    xfree(parts->origin);
    *parts = (struct url_parts){};
}

/* curl trims and repairs; a URL of ours has nothing to repair. */
static bool has_blank_or_control(const char *url)
{
    for (; *url; url++) {
        if ((unsigned char)*url <= ' ' || *url == 0x7f)
            return true;
    }
    return false;
}

static int url_parse(const char *url, CURLU **ret, struct err *err)
{
    cleanup(curl_url_cleanup) CURLU *parsed = curl_url();
    CURLUcode code;

    if (!parsed)
        return err_set(err, ERR_NOMEM, "no memory to parse a URL");
    if (str_empty(url))
        return err_set(err, ERR_INVALID, "URL is empty");
    if (has_blank_or_control(url))
        return err_set(err, ERR_INVALID, "URL contains a space or control character");
    code = curl_url_set(parsed, CURLUPART_URL, url, 0);
    if (code)
        return err_set(err, ERR_INVALID, "URL is not valid: %s", curl_url_strerror(code));
    *ret = take(parsed);
    return 0;
}

/* NULL when the URL has no such part. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(url, part, &text, flags))
        return NULL;
    copy = xstrdup(text);
    curl_free(text);
    return copy;
}

/* curl takes one slash or three for two, and "https:///dir" for the host dir. */
static int url_check_start(const char *url, struct err *err)
{
    size_t scheme_len = strcspn(url, ":");
    bool is_http = (scheme_len == 4 && strncasecmp(url, "http", 4) == 0) ||
                   (scheme_len == 5 && strncasecmp(url, "https", 5) == 0);

    if (!is_http || strncmp(url + scheme_len, "://", 3) != 0)
        return err_set(err, ERR_INVALID, "URL does not start with http:// or https://");
    if (strchr("/?#", url[scheme_len + 3])) /* also when nothing follows */
        return err_set(err, ERR_INVALID, "URL has no host");
    return 0;
}

int url_split(const char *url, struct url_parts *ret, struct err *err)
{
    cleanup(curl_url_cleanup) CURLU *parsed = NULL;
    cleanup(url_parts_deinit) struct url_parts parts = {};
    cleanup(xfree) char *own_port = NULL;
    int r;

    r = url_check_start(url, err);
    if (r == 0)
        r = url_parse(url, &parsed, err);
    if (r < 0)
        return r;
    parts.scheme = url_part(parsed, CURLUPART_SCHEME, 0);
    parts.host = url_part(parsed, CURLUPART_HOST, 0);
    parts.port = url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    own_port = url_part(parsed, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    if (str_empty(parts.scheme) || str_empty(parts.host))
        return err_set(err, ERR_INVALID, "URL has no host");
    str_lower(parts.host);
    parts.authority = own_port ? xasprintf("%s:%s", parts.host, own_port) : xstrdup(parts.host);
    parts.origin = xasprintf("%s://%s:%s", parts.scheme, parts.host, parts.port);
    *ret = parts;
    parts = (struct url_parts){};
    return 0;
}

int url_with_host(const char *url, const char *host, char **ret, struct err *err)
{
    cleanup(curl_url_cleanup) CURLU *parsed = NULL;
    CURLUcode code;
    int r;

    r = url_parse(url, &parsed, err);
    if (r < 0)
        return r;
    code = curl_url_set(parsed, CURLUPART_HOST, host, 0);
    if (code)
        return err_set(err, ERR_INVALID, "server name '%s' is not valid", host);
    *ret = url_part(parsed, CURLUPART_URL, 0);
    return *ret ? 0 : err_set(err, ERR_NOMEM, "no memory to build a URL");
}

int http_url_host(const char *url, char **ret, struct err *err)
{
    cleanup(url_parts_deinit) struct url_parts parts = {};
    size_t len;
    int r;

    r = url_split(url, &parts, err);
    if (r < 0)
        return r;
    len = strlen(parts.host);
    *ret = parts.host[0] == '[' ? xstrndup(parts.host + 1, len - 2) : take(parts.host);
    return 0;
}

bool http_url_same_origin(const char *a, const char *b)
{
    cleanup(url_parts_deinit) struct url_parts parts_a = {}, parts_b = {};

    return url_split(a, &parts_a, NULL) == 0 && url_split(b, &parts_b, NULL) == 0 &&
           streq(parts_a.origin, parts_b.origin);
}

int http_url_check_https(const char *url, struct err *err)
{
    cleanup(curl_url_cleanup) CURLU *parsed = NULL;
    cleanup(url_parts_deinit) struct url_parts parts = {};
    cleanup(xfree) char *user = NULL, *password = NULL;
    int r;

    r = url_split(url, &parts, err);
    if (r < 0)
        return r;
    if (!streq(parts.scheme, "https"))
        return err_set(err, ERR_INVALID, "URL does not start with https://");
    r = url_parse(url, &parsed, err);
    if (r < 0)
        return r;
    user = url_part(parsed, CURLUPART_USER, 0);
    password = url_part(parsed, CURLUPART_PASSWORD, 0);
    if (user || password)
        return err_set(err, ERR_INVALID, "URL contains a user name or password");
    return 0;
}

int http_url_resolve(const char *base, const char *reference, char **ret, struct err *err)
{
    cleanup(curl_url_cleanup) CURLU *parsed = NULL;
    cleanup(url_parts_deinit) struct url_parts parts = {};
    cleanup(xfree) char *url = NULL;
    CURLUcode code;
    int r;

    r = url_parse(base, &parsed, err);
    if (r < 0)
        return r;
    if (has_blank_or_control(reference))
        return err_set(err, ERR_INVALID, "URL contains a space or control character");
    code = curl_url_set(parsed, CURLUPART_URL, reference, 0);
    if (code)
        return err_set(err, ERR_INVALID, "URL is not valid: %s", curl_url_strerror(code));
    url = url_part(parsed, CURLUPART_URL, 0);
    r = url_split(url, &parts, err);
    if (r < 0)
        return r;
    *ret = take(url);
    return 0;
}
