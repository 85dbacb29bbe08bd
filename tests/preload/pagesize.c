// SPDX-License-Identifier: MIT
/* pagesize.so, for LD_PRELOAD: the daemon is told that pages have 64 KiB, the largest size of arm64. */
#include <dlfcn.h>
#include <unistd.h>

#define EXPORT    __attribute__((visibility("default")))
#define PAGE_SIZE 65536

EXPORT int getpagesize(void)
{
	return PAGE_SIZE;
}

EXPORT long sysconf(int name)
{
	static long (*next)(int name);

	if (name == _SC_PAGESIZE)
		return PAGE_SIZE;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "sysconf");
	return next(name);
}
