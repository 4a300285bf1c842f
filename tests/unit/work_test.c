/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work_test.c - jobs run elsewhere and come back to the loop.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "lib/err.h"
#include "lib/work.h"
#include "tests/lib/test.h"

struct task {
	struct job job;
	struct loop *loop;
	pthread_t ran_by;
	bool signals_blocked;
	int number;
	int *done; /* how many are */
	int stop_at;
	sem_t *wait;
	sem_t *post;
};

static void run(struct job *job)
{
	struct task *t = container_of(job, struct task, job);
	sigset_t set;

	t->ran_by = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	t->signals_blocked = sigismember(&set, SIGTERM) == 1;
	if (t->post)
		sem_post(t->post);
	if (t->wait)
		sem_wait(t->wait);
}

static void done(struct job *job)
{
	struct task *t = container_of(job, struct task, job);

	assert_true(loop_owned(t->loop));
	++*t->done;
	if (*t->done == t->stop_at)
		loop_stop(t->loop);
}

static void jobs_run_elsewhere_and_end_on_the_loop(void **state)
{
	static struct task tasks[100];
	struct loop *loop;
	struct work *work;
	struct err err;
	int n = 0, i;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(work_new(&work, loop, 2, &err), 0);
	for (i = 0; i < 100; i++) {
		tasks[i] = (struct task){ .job = { .run = run, .done = done },
					  .loop = loop,
					  .done = &n,
					  .stop_at = 100 };
		work_submit(work, &tasks[i].job);
	}
	loop_run(loop);
	assert_int_equal(n, 100);
	for (i = 0; i < 100; i++) {
		assert_false(pthread_equal(tasks[i].ran_by, pthread_self()));
		assert_true(tasks[i].signals_blocked);
	}
	work_free(work);
	loop_free(loop);
}

static void two_threads_run_two_jobs_at_once(void **state)
{
	struct task a = { .job = { .run = run, .done = done } };
	struct task b = { .job = { .run = run, .done = done } };
	struct loop *loop;
	struct work *work;
	struct err err;
	sem_t one, two;
	int n = 0;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(work_new(&work, loop, 2, &err), 0);
	sem_init(&one, 0, 0);
	sem_init(&two, 0, 0);
	/* Each waits until the other runs: one thread would wait for ever. */
	a.post = b.wait = &one;
	b.post = a.wait = &two;
	a.loop = b.loop = loop;
	a.done = b.done = &n;
	a.stop_at = b.stop_at = 2;
	work_submit(work, &a.job);
	work_submit(work, &b.job);
	loop_run(loop);
	assert_int_equal(n, 2);
	work_free(work);
	loop_free(loop);
	sem_destroy(&one);
	sem_destroy(&two);
}

static void freeing_waits_for_the_job_that_runs(void **state)
{
	struct task a = { .job = { .run = run, .done = done } };
	struct loop *loop;
	struct work *work;
	struct err err;
	sem_t go;
	int n = 0;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(work_new(&work, loop, 1, &err), 0);
	sem_init(&go, 0, 0);
	a.post = &go;
	a.loop = loop;
	a.done = &n;
	work_submit(work, &a.job);
	sem_wait(&go);
	work_free(work);
	/* Its end is still the loop's to tell. */
	assert_int_equal(n, 0);
	assert_true(loop_turn(loop));
	assert_int_equal(n, 1);
	loop_free(loop);
	sem_destroy(&go);
	work_free(NULL);
	loop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_elsewhere_and_end_on_the_loop),
		cmocka_unit_test(two_threads_run_two_jobs_at_once),
		cmocka_unit_test(freeing_waits_for_the_job_that_runs),
	};

	return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
