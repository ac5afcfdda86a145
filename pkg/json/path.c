/*
 * path.c - the place of a value in its document, as text; yaml_line() reads the same form.
 */
#include <string.h>

#include "json/member.h"

static void path_add(const struct path *path, struct buf *to)
{
    if (!path->up) {
        buf_add_str(to, path->name);
        return;
    }
    path_add(path->up, to);
    if (!path->name)
        buf_addf(to, "[%zu]", path->index);
    else if (path->is_key || strpbrk(path->name, ".[]"))
        buf_addf(to, "[%s]", path->name);
    else
        buf_addf(to, "%s%s", to->len > 0 ? "." : "", path->name);
}

char *path_text(const struct path *path)
{
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX); /* as long as the document's names are */

    path_add(path, &text);
    return buf_take(&text);
}
