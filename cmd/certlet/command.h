/*
 * command.h - subcommands: a row each in main.c, a file each beside it.
 */
#ifndef CERTLET_COMMAND_H
#define CERTLET_COMMAND_H

#include "base/base.h"

/* Exit codes, documented in certlet(1). */
enum exit_code {
    EXIT_OK = 0,
    EXIT_NOT_READY = 1, /* not everything is as the manifests say; or what was asked for failed */
    EXIT_USAGE = 2,
    EXIT_LOCKED = 3,  /* another process works on the folder */
    EXIT_STORE = 4,   /* state.db, the folder or the cluster cannot be read or written */
    EXIT_AGAIN = 130, /* a second signal */
};

typedef int command_fn(int argc, char **argv); /* argv[0] is the subcommand's name */

struct command {
    const char *name;
    const char *help; /* one line */
    command_fn *run;
};

/* How the user called us: "certlet", or "kubectl certlet" for the plugin (the file kubectl-certlet). */
const char *program_name(void);
bool program_is_plugin(void);

command_fn command_run, command_controller, command_status, command_renew, command_approve,
    command_deny, command_check, command_plan, command_inspect, command_version;

#endif
