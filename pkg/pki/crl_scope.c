/*
 * Which certificates of its issuer a CRL is about, as its issuingDistributionPoint says (RFC 5280 5.2.5 and
 * 6.3.3 b). Without one it is about all of them.
 */
#include "pki/openssl.h"

DEFINE_CLEANUP(ISSUING_DIST_POINT, ISSUING_DIST_POINT_free);

/* Each is compared with each of the certificate's; a list has one place, with a mirror or two. */
#define PLACE_NAMES_MAX 64

/* --- is it the same place? --- */

static bool have_one_in_common(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(a); i++)
        for (int k = 0; k < sk_GENERAL_NAME_num(b); k++)
            if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, k)) == 0)
                return true;
    return false;
}

static bool has_directory_name(const GENERAL_NAMES *names, const X509_NAME *directory)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

        if (type == GEN_DIRNAME && X509_NAME_cmp(value, directory) == 0)
            return true;
    }
    return false;
}

static bool is_relative(const DIST_POINT_NAME *place)
{
    return place->type == 1;
}

/* A name that is relative to the issuer's was made a whole one before. */
static bool is_same_place(const DIST_POINT_NAME *a, const DIST_POINT_NAME *b)
{
    if (is_relative(a) && is_relative(b))
        return X509_NAME_cmp(a->dpname, b->dpname) == 0;
    if (is_relative(a))
        return has_directory_name(b->name.fullname, a->dpname);
    if (is_relative(b))
        return has_directory_name(a->name.fullname, b->dpname);
    return have_one_in_common(a->name.fullname, b->name.fullname);
}

static bool make_whole(DIST_POINT_NAME *place, const X509_NAME *issuer)
{
    if (!is_relative(place))
        return sk_GENERAL_NAME_num(place->name.fullname) <= PLACE_NAMES_MAX;
    return DIST_POINT_set_dpname(place, issuer) == 1 && place->dpname;
}

/* A point with a cRLIssuer is somebody else's list: an indirect one. */
static bool is_own_point(const DIST_POINT *point, const DIST_POINT_NAME *place,
                         const X509_NAME *issuer)
{
    return point->distpoint && !point->CRLissuer && make_whole(point->distpoint, issuer) &&
           is_same_place(point->distpoint, place);
}

static int check_place(DIST_POINT_NAME *place, const struct cert *cert, struct err *err)
{
    const X509_NAME *issuer = X509_get_issuer_name(cert_x509(cert)); /* the list's as well */
    cleanup(CRL_DIST_POINTS_free) CRL_DIST_POINTS *points = NULL;
    void *value = NULL;
    int r = extension_get(X509_get0_extensions(cert_x509(cert)), NID_crl_distribution_points,
                          &value, err);

    if (r < 0)
        return r;
    points = value;
    if (make_whole(place, issuer))
        for (int i = 0; i < sk_DIST_POINT_num(points); i++)
            if (is_own_point(sk_DIST_POINT_value(points, i), place, issuer))
                return 0;
    (void)openssl_err(NULL, ERR_INVALID, "no"); /* empties the queue */
    return err_set(err, ERR_UNSUPPORTED,
                   "it does not cover the certificate: it is of another distribution point");
}

/* --- the rest of what it says --- */

static int check_kinds(const ISSUING_DIST_POINT *scope, const struct cert *cert, struct err *err)
{
    const char *only = scope->onlyattr > 0                       ? "attribute certificates"
                       : scope->onlyuser > 0 && cert_is_ca(cert) ? "end certificates"
                       : scope->onlyCA > 0 && !cert_is_ca(cert)  ? "certificates of CAs"
                                                                 : NULL;

    if (scope->indirectCRL > 0)
        return err_set(err, ERR_UNSUPPORTED, "it is a list of several issuers");
    return only ? err_set(err, ERR_UNSUPPORTED,
                          "it does not cover the certificate: it is for %s only", only)
                : 0;
}

static int check_critical(const X509_CRL *crl, struct err *err)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);

        if (X509_EXTENSION_get_critical(extension) &&
            OBJ_obj2nid(X509_EXTENSION_get_object(extension)) != NID_issuing_distribution_point)
            return err_set(err, ERR_UNSUPPORTED, "it has a critical extension that is not known");
    }
    return 0;
}

int crl_check_scope(const X509_CRL *crl, const struct cert *cert, bool *ret_some_reasons,
                    struct err *err)
{
    cleanup(ISSUING_DIST_POINT_free) ISSUING_DIST_POINT *scope = NULL;
    void *value = NULL;
    int r = check_critical(crl, err);

    if (r == 0)
        r = extension_get(X509_CRL_get0_extensions(crl), NID_issuing_distribution_point, &value,
                          err);
    scope = value;
    if (r == 0 && scope)
        r = check_kinds(scope, cert, err);
    if (r == 0 && scope && scope->distpoint)
        r = check_place(scope->distpoint, cert, err);
    if (r == 0)
        *ret_some_reasons = scope && scope->onlysomereasons;
    return r;
}
