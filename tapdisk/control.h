/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.h - what control messages do to the disks of this process.
 *
 * PID, LIST, STATS, HELLO, DISK_INFO and DEBUG are answered at once, in
 * every state.  The others change something: one of them runs at a time,
 * the rest wait in order.  A message that fails has changed nothing.
 */
#ifndef TAPDISK_CONTROL_H
#define TAPDISK_CONTROL_H

#include "tapdisk/control-env.h"

struct control;
struct err;

int control_new(struct control **out, const struct control_env *env,
		struct err *err);

/* Close all disks, let what is in flight end, then env->ended(). */
void control_stop(struct control *ctl);

/* Write to the log what there is. */
void control_dump(struct control *ctl);

/* It has ended. */
void control_free(struct control *ctl);

#endif /* TAPDISK_CONTROL_H */
