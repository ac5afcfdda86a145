/* installed_signing.c - does the controller sign CertificateSigningRequests, and may it? */
#include <string.h>

#include "controller/installed.h"

#define ABOUT     "CertificateSigningRequests"
#define COMPONENT "kubectl apply -k deploy/signing_requests"
#define REMOVE    "kubectl delete clusterrole,clusterrolebinding " SIGNING_ROLE

/* --- the gate --- */

struct arguments {
    struct strlist gates;
    bool has_file; /* it may have gates too */
};

/* As the program reads them: --flag=value, or the value behind it. */
static void read_arguments(const struct json *list, struct arguments *to)
{
    const char *flag = "--feature-gates";
    bool is_value = false;

    json_for_each_item (item, list) {
        const char *text = str_or(json_as_text(item), "");

        if (is_value)
            strlist_split(&to->gates, text, ',');
        else if (str_starts(text, flag) && text[strlen(flag)] == '=')
            strlist_split(&to->gates, text + strlen(flag) + 1, ',');
        else if (streq(text, "--config") || str_starts(text, "--config="))
            to->has_file = true;
        is_value = streq(text, flag);
    }
}

static enum signing_gate gate_of_pods(const struct json *containers,
                                      const struct installed_options *options)
{
    struct arguments arguments = {};
    bool is_on;

    json_for_each_item (container, containers) {
        read_arguments(json_get(container, "command"), &arguments);
        read_arguments(json_get(container, "args"), &arguments);
    }
    is_on = options->signing_gate_is_on(&arguments.gates);
    strlist_deinit(&arguments.gates);
    return is_on ? SIGNING_ON : arguments.has_file ? SIGNING_UNKNOWN : SIGNING_OFF;
}

enum signing_gate signing_gate_of(const struct json *deployments,
                                  const struct installed_options *options)
{
    enum signing_gate gate = SIGNING_UNKNOWN;

    json_for_each_item (deployment, deployments) {
        const struct json *pods = json_path(deployment, "spec.template.spec");

        if (streq(json_get_text(pods, "serviceAccountName"), options->service_account.name))
            gate = gate_of_pods(json_get(pods, "containers"), options);
        if (gate == SIGNING_ON)
            break;
    }
    return gate;
}

/* --- what to say --- */

static void say_off(const struct signing_setup *setup, struct findings *to)
{
    const char *why = setup->gate == SIGNING_OFF ? "the gate is off"
                                                 : "deploy/signing_requests is not installed";

    if (setup->has_role || setup->has_binding)
        findings_add(to, FINDING_WARNING, ABOUT, COMPONENT ", or " REMOVE,
                     "are not signed: %s " SIGNING_ROLE " is there, but the gate is off",
                     setup->has_role ? "ClusterRole" : "ClusterRoleBinding");
    else
        findings_add(to, FINDING_OK, ABOUT, NULL, "are not signed: %s", why);
}

static void say_on(const struct signing_setup *setup, struct findings *to)
{
    const char *why = setup->gate == SIGNING_ON ? "the gate is on"
                      : setup->has_role         ? "ClusterRole " SIGNING_ROLE " is there"
                                                : "ClusterRoleBinding " SIGNING_ROLE " is there";
    cleanup(xfree) char *missing = setup->missing ? strlist_join(setup->missing, "; ") : NULL;

    if (!missing)
        findings_add(to, FINDING_WARNING, ABOUT, NULL,
                     "%s; whether the controller has the permissions is not known", why);
    else if (*missing)
        findings_add(to, FINDING_PROBLEM, ABOUT, COMPONENT, "%s, but the controller may not %s",
                     why, missing);
    else
        findings_add(to, FINDING_OK, ABOUT, NULL, "%s, and the controller has the permissions",
                     why);
}

bool signing_is_meant(const struct signing_setup *setup)
{
    return setup->gate == SIGNING_ON ||
           (setup->gate == SIGNING_UNKNOWN && (setup->has_role || setup->has_binding));
}

void judge_signing(const struct signing_setup *setup, struct findings *to)
{
    if (signing_is_meant(setup))
        say_on(setup, to);
    else
        say_off(setup, to);
}
