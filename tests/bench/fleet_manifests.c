/* fleet_manifests.c - DIR/manifests, in the YAML that people write. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bench/fleet.h"

#define PER_FILE 100

static const char issuer_yaml[] = "apiVersion: cert-manager.io/v1\n"
                                  "kind: Issuer\n"
                                  "metadata:\n"
                                  "  name: " FLEET_ISSUER "\n"
                                  "  namespace: " FLEET_NAMESPACE "\n"
                                  "spec:\n"
                                  "  acme:\n"
                                  "    server: https://127.0.0.1:1/dir\n"
                                  "    email: admin@example.com\n"
                                  "    renewalInformationSource: None\n"
                                  "    privateKeySecretRef:\n"
                                  "      name: acme-account\n"
                                  "    solvers:\n"
                                  "    - http01:\n"
                                  "        ingress: {}\n";

static const char certificate_yaml[] = "---\n"
                                       "apiVersion: cert-manager.io/v1\n"
                                       "kind: Certificate\n"
                                       "metadata:\n"
                                       "  name: %s\n"
                                       "  namespace: " FLEET_NAMESPACE "\n"
                                       "spec:\n"
                                       "  secretName: %s-tls\n"
                                       "  dnsNames:\n"
                                       "  - %s.example.com\n"
                                       "  - www.%s.example.com\n"
                                       "  privateKey:\n"
                                       "    algorithm: %s\n"
                                       "    size: %d\n"
                                       "  issuerRef:\n"
                                       "    kind: Issuer\n"
                                       "    name: " FLEET_ISSUER "\n";

void fleet_certificate_name(int i, char to[32])
{
    (void)snprintf(to, 32, "web-%06d", i); /* it fits */
}

static void close_file(FILE *file)
{
    (void)fclose(file); /* errors were looked for before */
}
DEFINE_CLEANUP(FILE, close_file);

static int open_file(const struct fleet_options *options, const char *name, FILE **ret,
                     struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/manifests/%s", options->dir, name);

    *ret = fopen(path, "we");
    return *ret ? 0 : err_set_errno(err, errno, "creating '%s'", path);
}

static int check_written(FILE *file, struct err *err)
{
    if (fflush(file) != 0 || ferror(file))
        return err_set_errno(err, errno, "writing manifests");
    return 0;
}

static int write_issuer(const struct fleet_options *options, struct err *err)
{
    cleanup(close_file) FILE *file = NULL;
    int r = open_file(options, "issuer.yaml", &file, err);

    if (r < 0)
        return r;
    (void)fputs(issuer_yaml, file); /* looked at below */
    return check_written(file, err);
}

static int write_certificates(const struct fleet_options *options, int first, struct err *err)
{
    cleanup(close_file) FILE *file = NULL;
    int last = first + PER_FILE - 1 < options->count ? first + PER_FILE - 1 : options->count;
    char name[40];
    int r;

    (void)snprintf(name, sizeof(name), "certificates-%06d.yaml", first); /* it fits */
    r = open_file(options, name, &file, err);
    if (r < 0)
        return r;
    for (int i = first; i <= last; i++) {
        fleet_certificate_name(i, name);
        (void)fprintf(file, certificate_yaml, name, name, name, name, /* looked at below */
                      options->rsa ? "RSA" : "ECDSA", options->rsa ? 2048 : 256);
    }
    return check_written(file, err);
}

int fleet_write_manifests(const struct fleet_options *options, struct err *err)
{
    cleanup(xfree) char *folder = xasprintf("%s/manifests", options->dir);
    int r;

    if ((mkdir(options->dir, 0700) < 0 && errno != EEXIST) || mkdir(folder, 0700) < 0)
        return err_set_errno(err, errno, "creating '%s'", folder);
    r = write_issuer(options, err);
    for (int first = 1; r == 0 && first <= options->count; first += PER_FILE)
        r = write_certificates(options, first, err);
    return r;
}
