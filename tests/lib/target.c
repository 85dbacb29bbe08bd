// SPDX-License-Identifier: MIT
#include "tests/lib/target.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* For the target process, which can't report failures otherwise. */
#define must(condition) ((condition) ? (void)0 : _exit(__LINE__ & 0x7f))

static int make_memfd(const char *title, int seals)
{
	int fd = memfd_create(title, MFD_ALLOW_SEALING);

	must(fd >= 0 && ftruncate(fd, TARGET_SIZE) == 0);
	must(pwrite(fd, TARGET_TEXT_MEMFD, sizeof(TARGET_TEXT_MEMFD), 0) > 0);
	must(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static char *map(int fd, int flags)
{
	char *view = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	must(view != MAP_FAILED);
	return view;
}

static void make_memory(struct target *target)
{
	char path[32];
	int fd;

	target->memfd = make_memfd("plain", 0);
	target->sealed = make_memfd("sealed", F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	target->future = make_memfd("future", F_SEAL_FUTURE_WRITE);
	fd = make_memfd("read-only", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	target->read_only = open(path, O_RDONLY);
	must(target->read_only >= 0);
	close(fd);
	target->anonymous = map(-1, MAP_ANONYMOUS);
	memcpy(target->anonymous, TARGET_TEXT_ANONYMOUS, sizeof(TARGET_TEXT_ANONYMOUS));
	snprintf(target->deleted_title, sizeof(target->deleted_title), "segfs-test %d", getpid());
	fd = shm_open(target->deleted_title, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && ftruncate(fd, TARGET_SIZE) == 0);
	target->deleted = map(fd, 0);
	memcpy(target->deleted, TARGET_TEXT_DELETED, sizeof(TARGET_TEXT_DELETED));
	must(shm_unlink(target->deleted_title) == 0);
	close(fd);
}

/* Ends with the test as well: then the pipe has no writer. */
static void be_target(struct target *target, uid_t uid, unsigned int flags, int report, int control)
{
	char command;

	signal(SIGTERM, SIG_DFL);
	must(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
	must(prctl(PR_SET_DUMPABLE, !(flags & TARGET_NOT_DUMPABLE)) == 0);
	prctl(PR_SET_NAME, "segfs target");
	target->pid = getpid();
	make_memory(target);
	must(write(report, target, sizeof(*target)) == (ssize_t)sizeof(*target));
	close(report);
	if (read(control, &command, 1) == 1) {
		must(dup2(control, 0) == 0);
		execlp("cat", "cat", NULL);
	}
	_exit(0);
}

void target_start(struct target *target, uid_t uid, unsigned int flags)
{
	int report[2];
	int control[2];
	pid_t pid;

	memset(target, 0, sizeof(*target));
	check(pipe2(report, O_CLOEXEC));
	check(pipe2(control, O_CLOEXEC));
	fflush(NULL);
	pid = (pid_t)check(fork());
	if (pid == 0) {
		close(report[0]);
		close(control[1]);
		be_target(target, uid, flags, report[1], control[0]);
	}
	close(report[1]);
	close(control[0]);
	assert_int_equal(read(report[0], target, sizeof(*target)), sizeof(*target));
	close(report[0]);
	target->control = control[1];
	assert_int_equal(target->pid, pid);
}

static bool is_called(pid_t pid, const char *name)
{
	char text[64] = "";

	return read_text(path_of("/proc/%d/comm", pid), text, sizeof(text)) > 0 &&
	       strncmp(text, name, strlen(name)) == 0;
}

void target_exec(struct target *target)
{
	assert_int_equal(write(target->control, "x", 1), 1);
	assert_true(wait_for(is_called(target->pid, "cat\n")));
}

void target_end(struct target *target)
{
	if (target->pid <= 0)
		return;
	close(target->control);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	target->pid = 0;
}

const char *target_path(const struct mount *mount, const struct target *target, const char *name)
{
	return path_of("%s/process/%d%s%s", mount->path, (int)target->pid, *name ? "/" : "", name);
}

const char *target_memfd(const struct mount *mount, const struct target *target, int fd, const char *title)
{
	return path_of("%s/process/%d/memfd-%d-%s", mount->path, (int)target->pid, fd, title);
}

const char *target_anonymous(const struct mount *mount, const struct target *target)
{
	return path_of("%s/process/%d/anon-%08lx-%08lx", mount->path, (int)target->pid,
		       (unsigned long)target->anonymous, (unsigned long)(target->anonymous + TARGET_SIZE));
}

const char *target_deleted(const struct mount *mount, const struct target *target)
{
	return path_of("%s/process/%d/deleted-%08lx-%s", mount->path, (int)target->pid,
		       (unsigned long)target->deleted, target->deleted_title);
}
