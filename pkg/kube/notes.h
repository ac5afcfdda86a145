/*
 * notes.h - Events about objects (kubernetes.md 8), sent in the form of core/v1 by a thread of their own.
 *
 * kube_notes_add() only remembers: it never blocks and never fails. The first of a kind is posted at
 * once; the same again within 6 minutes makes it a series: the second is told at once, more are counted
 * and told every half hour, and once when the series has been quiet for 6 minutes. Its message is the latest
 * one: what differs is told after a minute. What cannot be sent is tried 12 times, and dropped when 1000 wait.
 *
 * add: any thread. turn: the thread, or in its place the test that made it `by_hand`.
 */
#ifndef KUBE_NOTES_H
#define KUBE_NOTES_H

#include "kube/client.h"
#include "store/store.h"

struct kube_notes;

struct kube_notes_options {
    struct kube *kube;    /* outlives the notes */
    const char *instance; /* reportingInstance; NULL: "certlet" */
    bool by_hand;
};

int kube_notes_new(const struct kube_notes_options *options, struct kube_notes **ret,
                   struct err *err);
/* Sends what waits, for up to 2 s, or until the time that somebody has said. */
void kube_notes_free(struct kube_notes *self);
void kube_notes_end_by(struct kube_notes *self, int64_t by_ms); /* monotonic */
DEFINE_CLEANUP(struct kube_notes, kube_notes_free);

void kube_notes_add(struct kube_notes *self, const struct store_note *note);
/* Sends what is due; milliseconds until there is more to do. */
int64_t kube_notes_turn(struct kube_notes *self, const struct context *ctx);

#endif
