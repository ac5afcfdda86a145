/* store_of.c - see store_of.h. */
#include "store_of.h"

#include <unistd.h>

#include "api/kinds.h"

int store_of(const char *dir, bool read_only, struct store **ret, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", dir);
    struct local_options options = {
        .path = path, .clock = clock_system(), .read_only = read_only, .resources = kind_resources};

    if (access(path, F_OK) < 0)
        return err_set(
            err, ERR_NOT_FOUND,
            "'%s' does not exist: run 'certlet run %s' first, or name another folder by --dir",
            path, dir);
    return store_local_open(&options, ret, err);
}
