#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool repeatable; /* only ever set by one-threaded tests */
static uint64_t state;

/* splitmix64 (Vigna, public domain): enough for a test that wants the same run again. */
static uint64_t repeatable_next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void repeatable_bytes(uint8_t *to, size_t len)
{
    uint64_t word;

    for (size_t step; len > 0; to += step, len -= step) {
        word = repeatable_next();
        step = len < sizeof(word) ? len : sizeof(word);
        memcpy(to, &word, step);
    }
}

static void kernel_bytes(uint8_t *to, size_t len)
{
    ssize_t got;

    while (len > 0) {
        got = getrandom(to, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* a kernel without it runs nothing of ours */
        to += got;
        len -= (size_t)got;
    }
}

void random_bytes(void *to, size_t len)
{
    if (repeatable)
        repeatable_bytes(to, len);
    else
        kernel_bytes(to, len);
}

uint64_t random_below(uint64_t limit)
{
    /* Values under this would make the lower results a little more likely. */
    uint64_t skip = (UINT64_MAX - limit + 1) % limit, value;

    do
        random_bytes(&value, sizeof(value));
    while (value < skip);
    return value % limit;
}

void random_uuid(char text[UUID_TEXT_MAX])
{
    uint8_t b[16];

    random_bytes(b, sizeof(b));
    b[6] = (b[6] & 0x0f) | 0x40; /* RFC 9562 5.4: version 4 */
    b[8] = (b[8] & 0x3f) | 0x80;
    (void)snprintf(text, UUID_TEXT_MAX,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]); /* always 36 characters */
}

void random_seed_for_tests(uint64_t seed)
{
    repeatable = true;
    state = seed;
}
