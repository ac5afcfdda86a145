/*
 * folder.h - a folder of the test's own, and files in it.
 *
 *     folder_make();
 *     folder_put("token", "one");
 *     ...
 *     folder_remove(names, ARRAY_LEN(names));
 *
 * One at a time. The first and the last give what cmocka wants of a set-up and its end.
 */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "support/testing.h"

static char folder[] = "/tmp/certlet-test-XXXXXX"; /* its path */

static inline int folder_make(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return mkdtemp(folder) ? 0 : -1;
}

static inline char *folder_path(const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

static inline void folder_put(const char *name, const char *text)
{
    cleanup(xfree) char *path = folder_path(name);
    FILE *file = fopen(path, "w");

    ASSERT_TRUE(file != NULL);
    ASSERT_TRUE(fputs(text, file) >= 0);
    ASSERT_EQ(fclose(file), 0);
}

/* What has one of these names goes, and the folder; fails if anything else lies there. */
static inline int folder_remove(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(xfree) char *path = folder_path(names[i]);

        (void)remove(path); /* most are not there */
    }
    return rmdir(folder);
}

#endif
