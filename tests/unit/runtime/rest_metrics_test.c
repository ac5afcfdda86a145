#include "runtime/rest_metrics.h"

#include "support/testing.h"

TEST(requests_are_counted_by_answer_and_timed_unless_they_are_streams)
{
    static const struct rest_call calls[] = {
        {"GET", "api.test:6443", 200, 4},  {"GET", "api.test:6443", 200, 300},
        {"PUT", "api.test:6443", 409, 6},  {"GET", "api.test:6443", 0, 30001},
        {"GET", "api.test:6443", 200, -1},
    };
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(buf_deinit) struct buf text = BUF(100000);

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        rest_metrics_count(metrics, &calls[i]);
    metrics_print(metrics, &text);
    ASSERT_CONTAINS(
        buf_str(&text),
        "# TYPE rest_client_requests_total counter\n"
        "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"api.test:6443\"} 3\n"
        "rest_client_requests_total{code=\"409\",method=\"PUT\",host=\"api.test:6443\"} 1\n"
        "rest_client_requests_total{code=\"<error>\",method=\"GET\","
        "host=\"api.test:6443\"} 1\n");
    ASSERT_CONTAINS(buf_str(&text), "rest_client_request_duration_seconds_bucket{verb=\"GET\","
                                    "host=\"api.test:6443\",le=\"0.005\"} 1\n");
    ASSERT_CONTAINS(buf_str(&text), "rest_client_request_duration_seconds_bucket{verb=\"GET\","
                                    "host=\"api.test:6443\",le=\"30\"} 2\n");
    ASSERT_CONTAINS(buf_str(&text), "rest_client_request_duration_seconds_count{verb=\"GET\","
                                    "host=\"api.test:6443\"} 3\n");
}

RUN_TESTS(cmocka_unit_test(requests_are_counted_by_answer_and_timed_unless_they_are_streams));
