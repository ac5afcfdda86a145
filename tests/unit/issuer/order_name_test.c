#include "issuer/order.h"
#include "support/testing.h"

/* The first is what cert-manager 1.21.1 called it; the second is the hash of what it would write for that. */
TEST(an_order_has_the_name_that_cert_manager_gives_it)
{
    static const struct {
        const char *request, *host, *common_name, *order;
    } rows[] = {
        {"web-1", "web.cert-manager-carries-on-where-certlet-wa-1bd6bfd8.example.test", NULL,
         "web-1-2917423077"},
        {"a-name-of-a-request-that-is-longer-than-51-characters-1", "a.example.test",
         "a.example.test", "a-name-of-a-request-that-is-longer-than-51-character-3618431094"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct object request = {.metadata.name = rows[i].request};
        const char *hosts[] = {rows[i].host};
        struct order_spec spec = {
            .request = {.data = (const unsigned char *)"signed anew each time", .len = 21},
            .issuer_ref = {.name = "acme", .kind = "Issuer"},
            .common_name = rows[i].common_name,
            .dns_names = {hosts, 1},
        };
        cleanup(xfree) char *name = order_name(&request, &spec);

        ASSERT_STREQ(name, rows[i].order);
    }
}

RUN_TESTS(cmocka_unit_test(an_order_has_the_name_that_cert_manager_gives_it));
