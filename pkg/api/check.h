/*
 * check.h - rules that several kinds share, in the form of json/field.h. Private to this folder.
 */
#ifndef API_CHECK_H
#define API_CHECK_H

#include "json/field.h"

/* A problem at "<path>.<member>", "<path>[<i>]", "<path>[<key>]". */
void problem_at_member(struct field_report *report, enum field_problem_kind kind, const char *path,
                       const char *member, const char *fmt, ...) PRINTF_LIKE(5, 6);
void problem_at_index(struct field_report *report, enum field_problem_kind kind, const char *path,
                      size_t i, const char *fmt, ...) PRINTF_LIKE(5, 6);
void problem_at_key(struct field_report *report, enum field_problem_kind kind, const char *path,
                    const char *key, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* "'<value>' <text>", with what of the value is fit to be shown. */
void problem_with(struct field_report *report, enum field_problem_kind kind, const char *path,
                  const char *value, const char *text);

bool text_has_controls(const char *s);
bool text_has_blanks(const char *s); /* or control characters */
/* What is wrong with "host[:port]", to be put behind it; NULL: nothing. */
const char *host_port_problem(const char *s, bool port_required);

/* A warning of the first character that is none to see (str_is_unseen()): it makes two names look alike. */
void warn_of_unseen(const char *text, const char *path, struct field_report *report);

/* Texts */
field_check_fn check_subdomain, check_label, check_printable, check_seen, check_email, check_oid;
/* Lists of texts */
field_check_fn check_all_seen, check_dns_names, check_ip_addresses, check_email_addresses,
    check_uris;
field_check_fn check_ip_ranges, check_dns_bounds, check_uri_bounds, check_email_bounds;
/* Maps */
field_check_fn check_labels, check_annotations;
/* Durations */
field_check_fn check_not_negative, check_positive;
/* struct issuer_reference, struct secret_key_selector */
field_check_fn check_issuer_reference, check_selector_has_key;

/* A member kept as JSON whose members are known all the same. */
void check_raw(const struct fields *fields, const void *member, const char *path,
               struct field_report *report);
#define DEFINE_RAW_CHECK(name, struct_)                                                            \
    static void name(const void *member, const char *path, struct field_report *report)            \
    {                                                                                              \
        check_raw(&struct_##_fields, member, path, report);                                        \
    }                                                                                              \
    struct base_swallow_semicolon

#endif
