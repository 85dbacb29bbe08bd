/* SPDX-License-Identifier: MIT */
/*
 * Shared by the programs that test the lifetime `owner`: a process that creates a segment and ends on
 * command.
 */
#ifndef SEGFS_MOUNT_LIFETIME_OWNER_H
#define SEGFS_MOUNT_LIFETIME_OWNER_H

#include "tests/mount/lifetime.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that makes a file and waits. */
struct owner {
	pid_t pid;
	/* 'x' = exit; 'e' = become another program, which ends at the end of file; 'f' = have a child */
	int control;
	pid_t child; /* after 'f': it has the file open, and exits with its owner's command 'x' sent to it */
};

enum making { BY_OPEN, BY_MKNOD, BY_THREAD };

static inline void *make_in_thread(void *argument)
{
	int fd = open(argument, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd >= 0 && close(fd) == 0 ? argument : NULL;
}

static inline int make_by(const char *path, enum making making)
{
	pthread_t thread;
	void *made = NULL;
	int fd = -1;

	switch (making) {
	case BY_OPEN:
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		return fd >= 0 && write(fd, "content", 7) == 7 ? fd : -1;
	case BY_MKNOD:
		return mknod(path, S_IFREG | 0600, 0) == 0 ? 0 : -1;
	case BY_THREAD:
		if (pthread_create(&thread, NULL, make_in_thread, (void *)(uintptr_t)path) == 0)
			pthread_join(thread, &made);
		return made ? 0 : -1;
	}
	return -1;
}

__attribute__((noreturn)) static void own(int control, const char *path, enum making making)
{
	int fd = make_by(path, making);
	char command = fd >= 0 ? 'y' : 'n';
	char bytes[8] = "";
	pid_t child;

	while (write(control, &command, 1) == 1 && read(control, &command, 1) == 1 && command != 'x') {
		if (command == 'e') {
			/* the descriptor that is left is the one to wait on */
			dup2(control, STDIN_FILENO);
			dup2(control, STDOUT_FILENO);
			execlp("cat", "cat", (char *)NULL);
			_exit(1);
		}
		if (command == 'f') {
			child = fork();
			if (child == 0) {
				/* the parent ends first */
				if (read(control, &command, 1) != 1 || command != 'c')
					_exit(2);
				command = pwrite(fd, "C", 1, 0) == 1 && pread(fd, bytes, 7, 0) == 7 &&
							  strcmp(bytes, "Content") == 0
						  ? 'y'
						  : 'n';
				if (write(control, &command, 1) != 1)
					_exit(3);
				_exit(read(control, &command, 1) == 1 ? 0 : 4);
			}
			_exit(child > 0 ? 0 : 1);
		}
	}
	_exit(0);
}

static inline struct owner owner_start(const char *name, enum making making)
{
	char path[PATH_MAX];
	struct owner owner = {0};
	int ends[2];
	char answer = 0;

	snprintf(path, sizeof(path), "%s", at_mount(name));
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fflush(NULL);
	owner.pid = (pid_t)check(fork());
	if (owner.pid == 0) {
		close(ends[0]);
		own(ends[1], path, making);
	}
	close(ends[1]);
	owner.control = ends[0];
	assert_int_equal(read(owner.control, &answer, 1), 1);
	assert_int_equal(answer, 'y');
	return owner;
}

/* It is collected: nothing has its number any more. */
static inline void owner_end(struct owner *owner, int signal)
{
	if (signal)
		check(kill(owner->pid, signal));
	else
		assert_int_equal(write(owner->control, "x", 1), 1);
	check(waitpid(owner->pid, NULL, 0));
	close(owner->control);
}

#endif
