/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * work.c - a few threads for what may block.
 */
#include "lib/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/err.h"

struct work {
	struct loop *loop;
	pthread_mutex_t lock; /* of queue and stop */
	pthread_cond_t more;
	struct list queue;
	bool stop;
	unsigned threads;
	pthread_t thread[];
};

static void back(struct deferred *d)
{
	struct job *job = container_of(d, struct job, back);

	job->done(job);
}

/* The next job; NULL when the thread shall end. */
static struct job *next_job(struct work *work)
{
	struct list *link;

	(void)pthread_mutex_lock(&work->lock); /* only fails if misused */
	while (list_empty(&work->queue) && !work->stop)
		(void)pthread_cond_wait(&work->more,
					&work->lock); /* likewise */
	link = list_pop(&work->queue);
	(void)pthread_mutex_unlock(&work->lock); /* only fails if misused */
	return link ? container_of(link, struct job, link) : NULL;
}

static void *worker(void *arg)
{
	struct work *work = arg;
	struct job *job;

	while ((job = next_job(work))) {
		job->run(job);
		loop_post(work->loop, &job->back);
	}
	return NULL;
}

int work_new(struct work **out, struct loop *loop, unsigned threads,
	     struct err *err)
{
	struct work *work =
		calloc(1, sizeof(*work) + threads * sizeof(work->thread[0]));
	sigset_t all, before;
	int code = 0;

	if (!work)
		return err_set(err, -ENOMEM, "work: no memory");
	work->loop = loop;
	list_init(&work->queue);
	(void)pthread_mutex_init(&work->lock, NULL); /* cannot fail */
	(void)pthread_cond_init(&work->more, NULL);  /* cannot fail */
	(void)sigfillset(&all);                      /* cannot fail */
	/* Signals are the main thread's. */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail */
	while (!code && work->threads < threads) {
		code = pthread_create(&work->thread[work->threads], NULL,
				      worker, work);
		work->threads += !code;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* cannot fail */
	if (code) {
		work_free(work);
		errno = code;
		return err_sys(err, "work: thread");
	}
	*out = work;
	return 0;
}

void work_free(struct work *work)
{
	unsigned i;

	if (!work)
		return;
	(void)pthread_mutex_lock(&work->lock); /* only fails if misused */
	work->stop = true;
	(void)pthread_cond_broadcast(&work->more); /* cannot fail */
	(void)pthread_mutex_unlock(&work->lock);   /* only fails if misused */
	for (i = 0; i < work->threads; i++)
		(void)pthread_join(work->thread[i], NULL); /* they are ours */
	(void)pthread_cond_destroy(&work->more);           /* nobody waits */
	(void)pthread_mutex_destroy(&work->lock);          /* nobody holds it */
	free(work);
}

void work_submit(struct work *work, struct job *job)
{
	job->work = work;
	job->back.run = back;
	(void)pthread_mutex_lock(&work->lock); /* only fails if misused */
	list_add_tail(&work->queue, &job->link);
	(void)pthread_cond_signal(&work->more);  /* cannot fail */
	(void)pthread_mutex_unlock(&work->lock); /* only fails if misused */
}
