/*
 * sim_random.c - the same chance in every run with the same seed. Keys count too: the instant of a
 * renewal is derived from the identifier of the CA's key.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD has no successor that replaces the default */
#include <openssl/rand.h>
#include <string.h>

#include "base/random.h"
#include "support/sim_inside.h"

static uint64_t openssl_state;

/* splitmix64 (Vigna, public domain). */
uint64_t sim_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int give_bytes(unsigned char *to, int len)
{
    for (int i = 0; i < len; i += 8) {
        uint64_t word = sim_random_next(&openssl_state);

        memcpy(to + i, &word, (size_t)(len - i < 8 ? len - i : 8));
    }
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

void sim_seed(uint64_t seed)
{
    static RAND_METHOD method = {
        .bytes = give_bytes, .pseudorand = give_bytes, .status = is_seeded};

    openssl_state = seed;
    (void)RAND_set_rand_method(&method);
    random_seed_for_tests(seed);
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    return sim_random_next(&sim->chance) % below;
}
