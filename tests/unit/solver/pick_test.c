#include "solver/pick.h"

#include "base/str.h"
#include "support/testing.h"

/* Of one solver: what stands in its stanzas and selector; lists are comma separated. */
struct row {
    const char *kinds; /* "http", "dns", "both", "" */
    bool has_selector;
    const char *names, *zones, *labels; /* labels: "key=value" */
};

#define SOLVERS_MAX 4

struct bed {
    struct acme_solver solvers[SOLVERS_MAX];
    struct acme_selector selectors[SOLVERS_MAX];
    struct strlist names[SOLVERS_MAX], zones[SOLVERS_MAX];
    struct strlist label_texts[SOLVERS_MAX];
    struct pair labels[SOLVERS_MAX][4];
    struct acme_issuer issuer;
};

static struct acme_http01 http01;
static struct acme_dns01 dns01;

/* "key=value" in place. */
static void split_label(char *text, struct pair *ret)
{
    char *equals = strchr(text, '=');

    *equals = '\0';
    *ret = (struct pair){text, equals + 1};
}

static void build(struct bed *bed, size_t i, const struct row *row)
{
    struct acme_solver *solver = &bed->solvers[i];
    struct acme_selector *selector = &bed->selectors[i];

    if (streq(row->kinds, "http") || streq(row->kinds, "both"))
        solver->http01 = &http01;
    if (streq(row->kinds, "dns") || streq(row->kinds, "both"))
        solver->dns01 = &dns01;
    solver->selector = row->has_selector ? selector : NULL;
    strlist_split(&bed->names[i], str_or(row->names, ""), ',');
    strlist_split(&bed->zones[i], str_or(row->zones, ""), ',');
    strlist_split(&bed->label_texts[i], str_or(row->labels, ""), ',');
    selector->dns_names = (struct array_string){(const char **)bed->names[i].items,
                                                bed->names[i].len};
    selector->dns_zones = (struct array_string){(const char **)bed->zones[i].items,
                                                bed->zones[i].len};
    for (size_t l = 0; l < bed->label_texts[i].len; l++)
        split_label(bed->label_texts[i].items[l], &bed->labels[i][l]);
    selector->match_labels = (struct array_pair){bed->labels[i], bed->label_texts[i].len};
}

static void bed_init(struct bed *bed, const struct row *rows)
{
    size_t len = 0;

    *bed = (struct bed){};
    for (; len < SOLVERS_MAX && rows[len].kinds; len++)
        build(bed, len, &rows[len]);
    bed->issuer.solvers.items = bed->solvers;
    bed->issuer.solvers.len = len;
}

static void bed_deinit(struct bed *bed)
{
    for (size_t i = 0; i < SOLVERS_MAX; i++) {
        strlist_deinit(&bed->names[i]);
        strlist_deinit(&bed->zones[i]);
        strlist_deinit(&bed->label_texts[i]);
    }
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static struct pair order_label_items[] = {{"app", "web"}, {"team", "a"}};
static const struct array_pair order_labels = {order_label_items, 2};

/* The index of the solver picked, or a negative code. */
static int pick(const struct bed *bed, const char *identifier, const char *offered, int *ret_type,
                struct err *err)
{
    cleanup(strlist_deinit) struct strlist types = {};
    struct solver_question question = {identifier, &order_labels, &types};
    const struct acme_solver *solver = NULL;
    int r;

    strlist_split(&types, offered, ',');
    r = solver_pick(&bed->issuer, &question, &solver, ret_type, err);
    return r < 0 ? r : (int)(solver - bed->solvers);
}

TEST(the_solver_whose_selector_says_most_is_picked)
{
    static const struct {
        const char *name, *identifier;
        struct row solvers[SOLVERS_MAX];
        int picked;
    } cases[] = {
        {"one without a selector fits everything", "a.example.com", {{"dns"}}, 0},
        {"of several without a selector the first", "a.example.com", {{"dns"}, {"dns"}}, 0},
        {"a matching selector beats none",
         "a.example.com",
         {{"dns"}, {"dns", true, .zones = "example.com"}},
         1},
        {"also when it comes first",
         "a.example.com",
         {{"dns", true, .zones = "example.com"}, {"dns"}},
         0},
        {"an empty selector displaces nothing", "a.example.com", {{"dns"}, {"dns", true}}, 0},
        {"nor is it displaced by none", "a.example.com", {{"dns", true}, {"dns"}}, 0},
        {"an empty selector is displaced as usual",
         "a.example.com",
         {{"dns", true}, {"dns", true, .zones = "com"}},
         1},
        {"dnsNames beat any zone",
         "a.b.example.com",
         {{"dns", true, .zones = "b.example.com"}, {"dns", true, .names = "a.b.example.com"}},
         1},
        {"dnsNames beat any labels",
         "a.example.com",
         {{"dns", true, .labels = "app=web,team=a"}, {"dns", true, .names = "a.example.com"}},
         1},
        {"one mention in dnsNames is as good as two, then zones count",
         "a.example.com",
         {{"dns", true, .names = "a.example.com,a.example.com"},
          {"dns", true, .names = "a.example.com", .zones = "example.com"}},
         1},
        {"more labels of the zone win",
         "a.b.example.com",
         {{"dns", true, .zones = "example.com"},
          {"dns", true, .zones = "b.example.com"},
          {"dns", true, .zones = "com"}},
         1},
        {"the longest zone of a solver counts",
         "a.b.example.com",
         {{"dns", true, .zones = "example.com"},
          {"dns", true, .zones = "com,b.example.com,other.org"}},
         1},
        {"zones beat labels",
         "a.example.com",
         {{"dns", true, .labels = "app=web,team=a"}, {"dns", true, .zones = "com"}},
         1},
        {"more labels win",
         "a.example.com",
         {{"dns", true, .labels = "app=web"}, {"dns", true, .labels = "app=web,team=a"}},
         1},
        {"of equals the first",
         "a.example.com",
         {{"dns", true, .zones = "example.com"}, {"dns", true, .zones = "example.com"}},
         0},
        {"a part that does not match rules it out",
         "a.example.com",
         {{"dns", true, .names = "a.example.com", .labels = "app=mail"}, {"dns"}},
         1},
        {"a label that the Order lacks rules it out",
         "a.example.com",
         {{"dns", true, .labels = "other=web"}, {"dns"}},
         1},
        {"zones match whole labels",
         "badexample.com",
         {{"dns", true, .zones = "example.com"}, {"dns"}},
         1},
        {"a name is in the zone of its own name",
         "example.com",
         {{"dns"}, {"dns", true, .zones = "example.com"}},
         1},
        {"case does not matter",
         "a.example.com",
         {{"dns"}, {"dns", true, .zones = "Example.COM"}},
         1},
        {"a wildcard is in the zone",
         "*.example.com",
         {{"dns"}, {"dns", true, .zones = "example.com"}},
         1},
        {"a wildcard matches dnsNames as it is written",
         "*.example.com",
         {{"dns", true, .names = "example.com"}, {"dns", true, .names = "*.example.com"}},
         1},
        {"a name is not matched by a wildcard in dnsNames",
         "a.example.com",
         {{"dns", true, .names = "*.example.com"}, {"dns"}},
         1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        struct err err = {};
        int type = 0;

        CASE(cases[i].name);
        bed_init(&bed, cases[i].solvers);
        ASSERT_EQ(pick(&bed, cases[i].identifier, "http-01,dns-01", &type, &err), cases[i].picked);
        ASSERT_EQ(type, CHALLENGE_DNS01);
    }
}

TEST(only_what_the_ca_offers_is_picked)
{
    static const struct {
        const char *name, *offered;
        struct row solvers[SOLVERS_MAX];
        int picked, type;
    } cases[] = {
        {"a better selector of a type that is not offered is passed over",
         "dns-01",
         {{"http", true, .names = "a.example.com"}, {"dns"}},
         1,
         CHALLENGE_DNS01},
        {"types that nobody knows are passed over",
         "tls-alpn-01,dns-account-01,http-01",
         {{"http"}},
         0,
         CHALLENGE_HTTP01},
        {"the order of the list decides, not that of the CA",
         "dns-01,http-01",
         {{"http"}, {"dns"}},
         0,
         CHALLENGE_HTTP01},
        {"a solver with both takes what the CA names first",
         "dns-01,http-01",
         {{"both"}},
         0,
         CHALLENGE_DNS01},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        struct err err = {};
        int type = 0;

        CASE(cases[i].name);
        bed_init(&bed, cases[i].solvers);
        ASSERT_EQ(pick(&bed, "a.example.com", cases[i].offered, &type, &err), cases[i].picked);
        ASSERT_EQ(type, cases[i].type);
    }
}

TEST(the_message_says_of_each_solver_why_it_does_not_fit)
{
    static const struct row rows[] = {
        {"http"},
        {"dns", true, .zones = "example.org"},
        {"dns", true, .names = "b.example.com"},
        {"dns", true, .labels = "app=mail"},
    };
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};
    int type = 7;

    bed_init(&bed, rows);
    ASSERT_ERR(ERR_NOT_FOUND, pick(&bed, "*.example.com", "dns-01", &type, &err));
    ASSERT_STREQ(err.text, "no solver of the issuer fits '*.example.com': "
                           "solvers[0]: the CA does not offer http-01 for it; "
                           "solvers[1]: it is in none of selector.dnsZones; "
                           "solvers[2]: selector.dnsNames does not list it; "
                           "solvers[3]: the labels of the Order do not match selector.matchLabels");
    ASSERT_EQ(type, 7);
}

TEST(an_issuer_without_solvers_is_told_where_to_add_one)
{
    static const struct row none[] = {{NULL}};
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};
    int type;

    bed_init(&bed, none);
    ASSERT_ERR(ERR_NOT_FOUND, pick(&bed, "a.example.com", "dns-01", &type, &err));
    ASSERT_CONTAINS(err.text, "add one under spec.acme.solvers");
}

RUN_TESTS(cmocka_unit_test(the_solver_whose_selector_says_most_is_picked),
          cmocka_unit_test(only_what_the_ca_offers_is_picked),
          cmocka_unit_test(the_message_says_of_each_solver_why_it_does_not_fit),
          cmocka_unit_test(an_issuer_without_solvers_is_told_where_to_add_one));
