/*
 * fill.c - bench_fill [--rsa] DIR COUNT: makes DIR what COUNT issued Certificates leave (fleet.h).
 */
#include <stdio.h>
#include <string.h>

#include "bench/fleet.h"
#include "pki/pki.h"

static int fill(const struct fleet_options *options, struct err *err)
{
    struct context ctx = context_background(clock_system());
    cleanup(fleet_free) struct fleet *fleet = NULL;
    int r = fleet_write_manifests(options, err);

    if (r == 0)
        r = fleet_new(options, &ctx, &fleet, err);
    for (int i = 1; r == 0 && i <= options->count; i++)
        r = fleet_issue(fleet, i, err);
    return r;
}

static int parse(int argc, char **argv, struct fleet_options *ret)
{
    int64_t count;
    int at = 1;

    if (at < argc && streq(argv[at], "--rsa")) {
        ret->rsa = true;
        at++;
    }
    if (argc - at != 2 || str_parse_int(argv[at + 1], 1, 999999, &count) < 0)
        return ERR_INVALID;
    ret->dir = argv[at];
    ret->count = (int)count;
    return 0;
}

int main(int argc, char **argv)
{
    struct fleet_options options = {};
    struct err err = {};

    if (parse(argc, argv, &options) < 0) {
        (void)fprintf(stderr, "usage: bench_fill [--rsa] DIR COUNT\n");
        return 2;
    }
    if (!pki_setup() || fill(&options, &err) < 0) {
        (void)fprintf(stderr, "bench_fill: %s\n", err.text);
        return 1;
    }
    return 0;
}
