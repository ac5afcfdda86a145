/*
 * pod_template.h - what of a Kubernetes pod an http01 solver lets one set (api.md 6). Kept as JSON
 * in the objects, because nothing here looks into it. Private to this folder.
 */
#ifndef API_POD_TEMPLATE_H
#define API_POD_TEMPLATE_H

#include "json/field.h"

extern const struct fields pod_template_fields, ingress_template_fields;

#endif
