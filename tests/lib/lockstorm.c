// SPDX-License-Identifier: MIT
#include "tests/lib/lockstorm.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define RECORDS 6 /* byte N of the file stands for record N; the last record is guarded by flock(2) */
#define RANGES  (RECORDS - 1)

/* The data that a lock guards, in the file. */
struct record {
	atomic_int readers;
	atomic_int writers;
	unsigned long first; /* all equal, except during a write */
	unsigned long second;
};

struct storm_job {
	const char *path;
	unsigned int number;
	bool interrupts;
};

struct storming {
	struct job *job;
	int fd;
	struct record *records;
	unsigned int random;
	bool interrupts; /* interrupts are expected */
};

static unsigned int pick(struct storming *self, unsigned int n)
{
	self->random = self->random * 1103515245 + 12345;
	return (self->random >> 16) % n;
}

static void enter(struct storming *self, int type, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last; i++) {
		struct record *record = &self->records[i];

		if (type == F_WRLCK) {
			job_must(self->job, atomic_fetch_add(&record->writers, 1) == 0);
			job_must(self->job, atomic_load(&record->readers) == 0);
			job_must(self->job, record->first == record->second);
			record->first++;
		} else {
			atomic_fetch_add(&record->readers, 1);
			job_must(self->job, atomic_load(&record->writers) == 0);
			job_must(self->job, record->first == record->second);
		}
	}
}

static void leave(struct storming *self, int type, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last; i++) {
		struct record *record = &self->records[i];

		if (type == F_WRLCK) {
			record->second++;
			job_must(self->job, record->first == record->second);
			job_must(self->job, atomic_load(&record->readers) == 0);
			job_must(self->job, atomic_fetch_sub(&record->writers, 1) == 1);
		} else {
			job_must(self->job, record->first == record->second);
			job_must(self->job, atomic_load(&record->writers) == 0);
			atomic_fetch_sub(&record->readers, 1);
		}
	}
}

static int set(const struct storming *self, int command, int type, unsigned int first, unsigned int last)
{
	struct flock lock = {
		.l_type = (short)type,
		.l_whence = SEEK_SET,
		.l_start = first,
		.l_len = (off_t)(last - first + 1),
	};

	return fcntl(self->fd, command, &lock);
}

/* Whether a waiting call got its lock; otherwise it was interrupted, and must hold none. */
static bool has_got(const struct storming *self, int result)
{
	bool interrupted = result < 0 && errno == EINTR && self->interrupts;

	job_must(self->job, result == 0 || interrupted);
	return !interrupted;
}

static void lock_ranges(struct storming *self)
{
	const bool of_process = pick(self, 4) != 0;
	const int command = of_process ? F_SETLKW : F_OFD_SETLKW;
	unsigned int first = pick(self, RANGES);
	unsigned int last = first + pick(self, RANGES - first);
	int type = pick(self, 3) ? F_RDLCK : F_WRLCK;

	if (!has_got(self, set(self, command, type, first, last)))
		return;
	enter(self, type, first, last);
	leave(self, type, first, last);
	/* an upgrade without waiting, and a downgrade */
	if (type == F_RDLCK && pick(self, 4) == 0) {
		if (set(self, of_process ? F_SETLK : F_OFD_SETLK, F_WRLCK, first, last) == 0) {
			enter(self, F_WRLCK, first, last);
			leave(self, F_WRLCK, first, last);
			job_must(self->job,
				 set(self, of_process ? F_SETLK : F_OFD_SETLK, F_RDLCK, first, last) == 0);
		} else {
			job_must(self->job, errno == EAGAIN);
		}
		enter(self, F_RDLCK, first, last);
		leave(self, F_RDLCK, first, last);
	}
	job_must(self->job, set(self, of_process ? F_SETLK : F_OFD_SETLK, F_UNLCK, first, last) == 0);
}

/* Conversions release the old lock, whether they succeed or not. */
static void lock_all(struct storming *self)
{
	int type;

	do {
		type = pick(self, 3) ? F_RDLCK : F_WRLCK;
		if (!has_got(self, flock(self->fd, type == F_RDLCK ? LOCK_SH : LOCK_EX)))
			continue;
		enter(self, type, RANGES, RANGES);
		leave(self, type, RANGES, RANGES);
	} while (pick(self, 3) == 0);
	job_must(self->job, flock(self->fd, LOCK_UN) == 0);
}

static void do_nothing(int number)
{
	(void)number;
}

static void interrupt_often(struct storming *self)
{
	const struct sigaction action = {.sa_handler = do_nothing};
	const struct itimerval often = {.it_interval.tv_usec = 1500, .it_value.tv_usec = 1500};

	self->interrupts = true;
	job_must(self->job, sigaction(SIGALRM, &action, NULL) == 0);
	job_must(self->job, setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void storm(struct job *job, void *context)
{
	const struct storm_job *given = context;
	struct storming self = {
		.job = job, .fd = open(given->path, O_RDWR | O_CLOEXEC), .random = given->number};

	job_must(job, self.fd >= 0);
	self.records =
		mmap(NULL, RECORDS * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, self.fd, 0);
	job_must(job, self.records != MAP_FAILED);
	if (given->interrupts)
		interrupt_often(&self);
	while (!atomic_load(&job->stop)) {
		if (pick(&self, 3))
			lock_ranges(&self);
		else
			lock_all(&self);
		atomic_fetch_add(&job->steps, 1);
	}
}

int lockstorm_start(struct lockstorm *storm_of, const char *path, bool interrupts)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(storm_of, 0, sizeof(*storm_of));
	if (fd < 0 || ftruncate(fd, RECORDS * sizeof(struct record)) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	snprintf(storm_of->path, sizeof(storm_of->path), "%s", path);
	for (unsigned int i = 0; i < STORM_JOBS; i++) {
		struct storm_job context = {
			.path = storm_of->path, .number = i + 1, .interrupts = interrupts};

		storm_of->jobs[i] = job_start(storm, &context);
		if (!storm_of->jobs[i])
			return -1;
	}
	return 0;
}

bool lockstorm_goes_on(const struct lockstorm *storm_of, unsigned long steps)
{
	unsigned long wanted[STORM_JOBS];

	for (int i = 0; i < STORM_JOBS; i++)
		wanted[i] = atomic_load(&storm_of->jobs[i]->steps) + steps;
	for (int i = 0; i < STORM_JOBS; i++) {
		const struct job *job = storm_of->jobs[i];

		if (!wait_for(atomic_load(&job->steps) >= wanted[i] || atomic_load(&job->failed)))
			return false;
		if (atomic_load(&job->failed))
			return false;
	}
	return true;
}

int lockstorm_end(struct lockstorm *storm_of)
{
	int result = 0;

	for (int i = 0; i < STORM_JOBS; i++)
		if (storm_of->jobs[i])
			atomic_store(&storm_of->jobs[i]->stop, true);
	for (int i = 0; i < STORM_JOBS; i++)
		if (job_end(&storm_of->jobs[i]) < 0)
			result = -1;
	if (*storm_of->path && unlink(storm_of->path) < 0)
		result = -1;
	*storm_of->path = '\0';
	return result;
}
