/*
 * left_behind.h - finds secrets in memory that goes back to the heap.
 *
 *     left_behind_look_for("hunter2", 7);
 *     ... what reads and lets go of it ...
 *     ASSERT_EQ(left_behind_count(), 0);
 *
 * The address and the thread checker tell of each block just before it goes. Without one of them
 * nothing is ever found.
 */
#ifndef SUPPORT_LEFT_BEHIND_H
#define SUPPORT_LEFT_BEHIND_H

#include <malloc.h>
#include <string.h>

static const void *left_behind_secret_;
static size_t left_behind_len_;
static unsigned left_behind_count_;

/* Other symbols of a test are hidden from the checker. */
__attribute__((visibility("default"))) void __sanitizer_free_hook(const volatile void *block);

void __sanitizer_free_hook(const volatile void *block)
{
    void *p = (void *)block;

    if (p && left_behind_len_ > 0 &&
        memmem(p, malloc_usable_size(p), left_behind_secret_, left_behind_len_))
        left_behind_count_++;
}

static inline void left_behind_look_for(const void *secret, size_t len)
{
    left_behind_secret_ = secret;
    left_behind_len_ = len;
    left_behind_count_ = 0;
}

/* Ends the search, too. */
static inline unsigned left_behind_count(void)
{
    left_behind_len_ = 0;
    return left_behind_count_;
}

#endif
