/*
 * certificate_check.h - what certificate.c takes from certificate_check.c.
 */
#ifndef API_CERTIFICATE_CHECK_H
#define API_CERTIFICATE_CHECK_H

#include "json/field.h"

enum { COMMON_NAME_MAX = 64 }; /* RFC 5280 ub-common-name */

field_check_fn certificate_spec_check, certificate_private_key_check, certificate_renewal_check;
field_check_fn certificate_other_name_check, name_constraints_check;
field_check_fn check_template_annotations, check_template_labels, check_literal_subject;
field_check_fn check_window_cron, check_window_duration;
field_check_fn jks_keystore_check, pkcs12_keystore_check;

#endif
