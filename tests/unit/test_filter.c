// SPDX-License-Identifier: MIT
/*
 * The generated system-call filters, as the kernel would run them: numbers, architecture and arguments are
 * those of the machine that this program is built for, wherever the filters were generated.
 */
#include "fs/daemon/filter_programs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#endif

#define FCHMODAT2 452 /* newer than the C library's names */
#define UNKNOWN   599 /* a number that no kernel uses yet */

static bool jumps(const struct sock_filter *instruction, uint32_t value)
{
	switch (BPF_OP(instruction->code)) {
	case BPF_JEQ:
		return value == instruction->k;
	case BPF_JGT:
		return value > instruction->k;
	case BPF_JGE:
		return value >= instruction->k;
	case BPF_JSET:
		return (value & instruction->k) != 0;
	default:
		fail_msg("unknown jump %#x", instruction->code);
		return false;
	}
}

/* Runs a filter with the instructions that libseccomp generates. Returns SECCOMP_RET_... */
static uint32_t run(const struct filter_program *filter, const struct seccomp_data *data)
{
	uint32_t value = 0;

	for (unsigned int at = 0; at < filter->program.len; at++) {
		const struct sock_filter *instruction = &filter->program.filter[at];

		switch (instruction->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(instruction->k <= sizeof(*data) - sizeof(value));
			memcpy(&value, (const char *)data + instruction->k, sizeof(value));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			value &= instruction->k;
			break;
		case BPF_JMP | BPF_JA:
			at += instruction->k;
			break;
		case BPF_RET | BPF_K:
			return instruction->k;
		default:
			at += jumps(instruction, value) ? instruction->jt : instruction->jf;
			break;
		}
	}
	fail_msg("a filter without an end");
	return 0;
}

#ifdef ARCHITECTURE

static uint32_t worker_call(long number, uint64_t first, uint64_t second, uint64_t third)
{
	const struct seccomp_data data = {
		.nr = (int)number,
		.arch = ARCHITECTURE,
		.args = {first, second, third},
	};

	return run(&filter_for_worker, &data);
}

static uint32_t supervisor_call(long number)
{
	const struct seccomp_data data = {.nr = (int)number, .arch = ARCHITECTURE};

	return run(&filter_for_supervisor, &data);
}

static void allows_what_a_worker_needs(void **state)
{
	static const long numbers[] = {SYS_read,    SYS_writev,    SYS_openat, SYS_close,     SYS_statx,
				       SYS_fstat,   SYS_renameat2, SYS_futex,  SYS_setresuid, SYS_shmat,
				       SYS_munmap,  SYS_fallocate, SYS_ioctl,  SYS_exit,      SYS_newfstatat,
				       SYS_openat2, SYS_unlinkat,  SYS_lseek,  SYS_fcntl,     FCHMODAT2};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(worker_call(numbers[i], 0, 0, 0), SECCOMP_RET_ALLOW);
}

static void forbids_the_rest(void **state)
{
	static const long numbers[] = {SYS_chroot, SYS_bpf, SYS_mount, SYS_reboot, SYS_keyctl, SYS_seccomp};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(worker_call(numbers[i], 0, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(supervisor_call(SYS_chroot), SECCOMP_RET_TRAP);
	assert_int_equal(supervisor_call(SYS_bpf), SECCOMP_RET_TRAP);
	assert_int_equal(supervisor_call(SYS_openat), SECCOMP_RET_ALLOW);
	assert_int_equal(supervisor_call(SYS_execve), SECCOMP_RET_ALLOW);
}

static void looks_at_arguments(void **state)
{
	(void)state;
	assert_int_equal(worker_call(SYS_rt_sigaction, SIGTERM, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(worker_call(SYS_rt_sigaction, SIGSYS, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(worker_call(SYS_rt_sigaction, UINT64_C(1) << 32 | SIGSYS, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(worker_call(SYS_socket, AF_UNIX, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(worker_call(SYS_socket, AF_INET, 0, 0), SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	assert_int_equal(worker_call(SYS_unshare, CLONE_FS, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(worker_call(SYS_unshare, CLONE_NEWUSER, 0, 0), SECCOMP_RET_TRAP);
	if (SANITIZED)
		return;
	assert_int_equal(worker_call(SYS_mmap, 0, 0, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
	assert_int_equal(worker_call(SYS_mmap, 0, 0, PROT_WRITE | PROT_EXEC), SECCOMP_RET_TRAP);
	assert_int_equal(worker_call(SYS_clone, CLONE_VM | CLONE_FILES, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(worker_call(SYS_clone, CLONE_NEWUSER, 0, 0), SECCOMP_RET_TRAP);
}

/* Callers fall back to an older call. */
static void newer_calls_do_not_exist(void **state)
{
	(void)state;
	assert_int_equal(worker_call(SYS_clone3, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(worker_call(UNKNOWN, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

static void kills_for_calls_of_other_architectures(void **state)
{
	static const uint32_t others[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, AUDIT_ARCH_I386,
					  AUDIT_ARCH_ARM};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct seccomp_data data = {.nr = (int)SYS_read, .arch = others[i]};
		const bool is_other = others[i] != ARCHITECTURE;

		assert_int_equal(run(&filter_for_worker, &data),
				 is_other ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW);
		assert_int_equal(run(&filter_for_supervisor, &data),
				 is_other ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW);
	}
#ifdef __x86_64__
	/* x32 */
	assert_int_equal(worker_call(0x40000000 + SYS_read, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

static void knows_their_names(void **state)
{
	static const struct {
		long number;
		const char *name;
	} calls[] = {
		{SYS_read, "read"}, {SYS_openat, "openat"}, {SYS_chroot, "chroot"}, {SYS_statx, "statx"}};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		assert_true((size_t)calls[i].number < filter_n_call_names);
		assert_string_equal(filter_call_names[calls[i].number], calls[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allows_what_a_worker_needs),
		cmocka_unit_test(forbids_the_rest),
		cmocka_unit_test(looks_at_arguments),
		cmocka_unit_test(newer_calls_do_not_exist),
		cmocka_unit_test(kills_for_calls_of_other_architectures),
		cmocka_unit_test(knows_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	(void)run;
	print_message("1..0 # SKIP missing: a number of this architecture in the test\n");
	return 0;
}

#endif
