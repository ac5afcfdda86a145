/*
 * local_memory.c - SQLite holds the text of each Secret that is read or written, and gives its memory
 * back as it is. With this it is wiped, like that of OpenSSL and jansson.
 */
#include <sqlite3.h>
#include <string.h>

#include "store/local.h"

static struct sqlite3_mem_methods heap; /* SQLite's own; constant after store_local_setup() */

static void wiping_free(void *p)
{
    wipe(p, (size_t)heap.xSize(p));
    heap.xFree(p);
}

/* Not the heap's: that gives the old memory back as it is. */
static void *wiping_realloc(void *p, int size)
{
    int old_size = heap.xSize(p);
    void *moved = heap.xMalloc(size);

    if (!moved)
        return NULL;
    memcpy(moved, p, (size_t)(old_size < size ? old_size : size));
    wiping_free(p);
    return moved;
}

bool store_local_setup(void)
{
    struct sqlite3_mem_methods wiping;

    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &heap) != SQLITE_OK)
        return false;
    wiping = heap;
    wiping.xFree = wiping_free;
    wiping.xRealloc = wiping_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &wiping) == SQLITE_OK;
}
