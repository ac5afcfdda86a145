/*
 * random.h - randomness that is not key material (that is OpenSSL's): identifiers and jitter.
 *
 * random_seed_for_tests() makes everything after it repeatable in a one-threaded test.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/base.h"

void random_bytes(void *to, size_t len);
uint64_t random_below(uint64_t limit); /* uniform in [0, limit); limit > 0 */
#define UUID_TEXT_MAX 37
void random_uuid(char text[UUID_TEXT_MAX]); /* version 4 */
void random_seed_for_tests(uint64_t seed);

#endif
