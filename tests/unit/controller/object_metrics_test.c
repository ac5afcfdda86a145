#include "controller/object_metrics.h"

#include "support/testing.h"

TEST(only_requests_to_a_ca_count_as_acme_requests)
{
    static const char *const actions[] = {"get_directory", "unnamed_action", "http01_self_check",
                                          "kubernetes"};
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(buf_deinit) struct buf text = BUF(100000);
    struct http_observation observation = {
        .scheme = "https", .host = "ca.test", .method = "GET", .status = 200, .duration_ms = 250};

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        observation.action = actions[i];
        object_metrics_observe_http(metrics, &observation);
    }
    metrics_print(metrics, &text);
    ASSERT_CONTAINS(buf_str(&text), "certmanager_http_acme_client_request_count{scheme=\"https\","
                                    "host=\"ca.test\",action=\"get_directory\",method=\"GET\","
                                    "status=\"200\"} 1\n");
    for (size_t i = 1; i < ARRAY_LEN(actions); i++)
        ASSERT_NULL(strstr(buf_str(&text), actions[i]));
}

RUN_TESTS(cmocka_unit_test(only_requests_to_a_ca_count_as_acme_requests));
