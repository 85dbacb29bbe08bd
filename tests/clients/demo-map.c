// SPDX-License-Identifier: MIT
/*
 * What `make run` shows: a segment mapped by two processes.
 *
 *   demo-map wait FILE         maps FILE, waits until somebody writes, prints what was written
 *   demo-map write FILE TEXT   maps FILE, writes TEXT, wakes those who wait
 *   demo-map read FILE         maps FILE and prints what is there
 *
 * One text per segment: `written` goes from 0 to 1 once. It is a futex, so that nobody has to poll.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 10

struct note {
	_Atomic uint32_t written; /* 0, then 1 when `text` is complete */
	char text[60];            /* ends with a 0 byte */
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

/* Waits for a change of *word from 0; returns 0 or -errno. */
static int wait_written(_Atomic uint32_t *word)
{
	const struct timespec timeout = {.tv_sec = WAIT_SECONDS};

	while (atomic_load_explicit(word, memory_order_acquire) == 0)
		if (futex(word, FUTEX_WAIT, 0, &timeout) != 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
	return 0;
}

static void write_note(struct note *note, const char *text)
{
	snprintf(note->text, sizeof(note->text), "%s", text);
	atomic_store_explicit(&note->written, 1, memory_order_release);
	futex(&note->written, FUTEX_WAKE, INT32_MAX, NULL);
}

static struct note *map_note(const char *path)
{
	struct note *note = NULL;
	struct stat status;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && status.st_size < (off_t)sizeof(*note))
		errno = EINVAL; /* touching a page past the end of a file is a SIGBUS */
	else
		note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return note == MAP_FAILED ? NULL : note;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct note *note;
	int error;

	if (!(argc == 4 && strcmp(command, "write") == 0) &&
	    !(argc == 3 && (strcmp(command, "wait") == 0 || strcmp(command, "read") == 0))) {
		fprintf(stderr, "usage: demo-map wait FILE | write FILE TEXT | read FILE\n");
		return 2;
	}
	note = map_note(argv[2]);
	if (!note) {
		fprintf(stderr, "demo-map: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	if (strcmp(command, "write") == 0) {
		write_note(note, argv[3]);
		return 0;
	}
	error = strcmp(command, "wait") == 0 ? wait_written(&note->written) : 0;
	if (error) {
		fprintf(stderr, "demo-map: %s: %s\n", argv[2], strerror(-error));
		return 1;
	}
	printf("%.*s\n", (int)sizeof(note->text), note->text);
	return 0;
}
