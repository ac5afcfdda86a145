#include "runtime/clock_watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A time far away: it is the cancelling that we want, never the expiry. */
static int arm(int fd)
{
    const struct itimerspec far_away = {.it_value = {.tv_sec = INT32_MAX}};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far_away, NULL);
}

/* timerfd_create(2): a read says ECANCELED when the clock was set. */
static bool was_set(int fd)
{
    uint64_t count;

    return read(fd, &count, sizeof(count)) < 0 && errno == ECANCELED;
}

void clock_watch_run(struct cancel *cancel, void (*changed)(void *arg), void *arg)
{
    cleanup(fd_close) int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct pollfd fds[] = {
        {.fd = fd, .events = POLLIN},
        {.fd = cancel_fd(cancel), .events = POLLIN},
    };

    if (fd < 0 || fds[1].fd < 0 || arm(fd) < 0)
        return;
    while (!cancel_is_fired(cancel)) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return;
        if (!(fds[0].revents & POLLIN))
            continue;
        if (was_set(fd))
            changed(arg);
        if (arm(fd) < 0)
            return;
    }
}
