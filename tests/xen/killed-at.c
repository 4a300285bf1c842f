/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killed-at.c - run a command, and kill -9 it before its Nth call of a kind.
 *
 *	killed-at CALL N COMMAND...
 *
 * CALL is fdatasync, which a journal ends each record with, pidfd or unlink.
 * Ends with 137 if the command was killed, else as it ended; "COUNT calls"
 * is then printed. Its children are let alone.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long long number;
} calls[] = {
	{ "fdatasync", SYS_fdatasync },
	{ "pidfd", SYS_pidfd_open },
	{ "unlink", SYS_unlink },
};

static bool is_call(pid_t pid, unsigned long long number)
{
	struct __ptrace_syscall_info info = { .op = PTRACE_SYSCALL_INFO_NONE };

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == number;
}

/* Status as a shell has it. */
static int follow(pid_t pid, unsigned long long number, long n)
{
	long count = 0;
	int status, sig = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (long)sig) < 0 ||
		    waitpid(pid, &status, 0) < 0)
			return 126;
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80)) {
			sig = 0;
			count += is_call(pid, number);
		} else if (sig == SIGTRAP || sig == SIGSTOP) {
			sig = 0;
		}
		if (count == n) {
			(void)kill(pid, SIGKILL);       /* our own child */
			(void)waitpid(pid, &status, 0); /* our own child */
			return 137;
		}
	}
	fprintf(stderr, "%ld calls\n", count);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const unsigned count = sizeof(calls) / sizeof(calls[0]);
	unsigned c = 0;
	pid_t pid;

	while (argc > 3 && c < count && strcmp(calls[c].name, argv[1]) != 0)
		c++;
	if (argc < 4 || c == count) {
		fprintf(stderr, "killed-at fdatasync|pidfd|unlink N COMMAND\n");
		return 125;
	}
	pid = fork();
	if (!pid) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL); /* seen there */
		(void)raise(SIGSTOP);                        /* cannot fail */
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0) {
		perror("killed-at");
		return 125;
	}
	return follow(pid, calls[c].number, strtol(argv[2], NULL, 10));
}
