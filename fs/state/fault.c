// SPDX-License-Identifier: MIT
#include "fs/state/fault.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

#define STACK_SIZE (64u * 1024u) /* bytes: of the stack of signal handlers */

static struct arena_header *arena; /* where stacks are recorded */

static _Unwind_Reason_Code record_frame(struct _Unwind_Context *context, void *argument)
{
	struct stack_record *record = argument;

	record->frames[record->n++] = _Unwind_GetIP(context);
	return record->n < ARENA_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* The unwinder is the compiler's, loaded with the program: unlike backtrace(3) it needs no preparation. */
static void record_stack(void)
{
	uint32_t n = atomic_fetch_add(&arena->n_stacks, 1);

	if (n >= ARENA_STACKS)
		return;
	arena->stacks[n].n = 0;
	_Unwind_Backtrace(record_frame, &arena->stacks[n]);
	atomic_store(&arena->stacks[n].thread, gettid());
}

static void on_request(int signal)
{
	(void)signal;
	record_stack();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* A signal that another process sent is not the fault of this thread's request. */
static void fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code != SI_USER) {
		journal_blame();
		record_stack();
	}
	/* delivered when the handler returns, with the default action */
	raise(signal);
}
#endif

void fault_setup(struct arena_header *header)
{
	struct sigaction action = {.sa_handler = on_request, .sa_flags = SA_ONSTACK | SA_RESTART};

	arena = header;
	sigaction(FAULT_STACK_SIGNAL, &action, NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* sanitizers have reports of their own */
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};

	action = (struct sigaction){.sa_sigaction = fault,
				    .sa_flags = (int)(SA_ONSTACK | SA_SIGINFO | SA_RESETHAND)};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
#endif
}

void *fault_thread_init(void)
{
	stack_t stack = {.ss_size = STACK_SIZE};

	stack.ss_sp = malloc(STACK_SIZE);
	if (stack.ss_sp && sigaltstack(&stack, NULL) < 0) {
		free(stack.ss_sp);
		return NULL;
	}
	return stack.ss_sp;
}

void fault_thread_done(void *stack)
{
	const stack_t none = {.ss_flags = SS_DISABLE};

	if (!stack)
		return;
	sigaltstack(&none, NULL);
	free(stack);
}

void fault_clear(struct arena_header *header)
{
	for (uint32_t i = 0; i < ARENA_STACKS; i++)
		atomic_store(&header->stacks[i].thread, 0);
	atomic_store(&header->n_stacks, 0);
}

/* The worker is a fork of this process, so addresses are the same. */
static void log_frame(uint64_t address)
{
	const void *at = (const void *)(uintptr_t)address;
	Dl_info info;

	if (dladdr(at, &info) && info.dli_fname)
		log_warning("    %s+%#llx%s%s%s", info.dli_fname,
			    (unsigned long long)(address - (uint64_t)(uintptr_t)info.dli_fbase),
			    info.dli_sname ? " (" : "", info.dli_sname ? info.dli_sname : "",
			    info.dli_sname ? ")" : "");
	else
		log_warning("    %#llx", (unsigned long long)address);
}

void fault_log(const struct arena_header *header)
{
	for (uint32_t i = 0; i < ARENA_STACKS; i++) {
		const struct stack_record *record = &header->stacks[i];
		int32_t thread = atomic_load(&record->thread);

		if (!thread)
			continue;
		log_warning("stack of thread %d; addr2line -e FILE ADDRESS shows the lines:", thread);
		for (uint32_t frame = 0; frame < record->n && frame < ARENA_FRAMES; frame++)
			log_frame(record->frames[frame]);
	}
}
