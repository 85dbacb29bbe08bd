// SPDX-License-Identifier: MIT
#include "lib/tool/common/findings.h"
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/daemon.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

void findings_add(struct finding_list *list, enum finding_state state, const char *subject,
		  const char *remedy, const char *format, ...)
{
	struct finding *larger = reallocarray(list->findings, list->n + 1, sizeof(*larger));
	struct finding *finding;
	va_list arguments;

	if (!larger) {
		list->result = -ENOMEM;
		return;
	}
	list->findings = larger;
	finding = &larger[list->n++];
	*finding = (struct finding){
		.state = state, .subject = subject, .remedy = remedy ? strdup(remedy) : NULL};
	va_start(arguments, format);
	if (vasprintf(&finding->text, format, arguments) < 0) {
		finding->text = NULL;
		list->result = -ENOMEM;
	}
	va_end(arguments);
}

void findings_free(struct finding_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->findings[i].text);
		free(list->findings[i].remedy);
	}
	free(list->findings);
	*list = (struct finding_list){0};
}

/* --- the program, and the kernel as it finds it --- */

/*
 * A line of `segfs --features`, which says itself what is done without. is_known: what needs a mount could be
 * tried.
 */
static void add_feature(struct finding_list *list, char *line, bool is_known)
{
	char name[32], has[8];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%31s %7s %n", name, has, &at) != 2 || at == 0)
		return;
	if (strcmp(has, "yes") == 0)
		findings_add(list, FINDING_OK, "kernel", NULL, "%s: %s", name, line + at);
	else if (is_known)
		findings_add(list, FINDING_LIMITED, "kernel", "a newer kernel has it; README says which",
			     "%s: %s", name, line + at);
}

void findings_program(struct finding_list *list)
{
	static const char *const arguments[] = {"segfs", "--features", NULL};
	_cleanup_fclose_ FILE *output = NULL;
	char line[512];
	int fd = memfd_create("features", MFD_CLOEXEC);
	int result = fd < 0 ? -errno : daemon_run(arguments, fd, true);

	if (fd >= 0) {
		output = fdopen(fd, "r");
		if (!output)
			close(fd);
	}
	if (result == -ENOENT) {
		findings_add(list, FINDING_MISSING, "segfs", "install segfs, or add its directory to PATH",
			     "the program is neither beside segctl nor in PATH");
		return;
	}
	if (result != 0)
		findings_add(list, FINDING_LIMITED, "kernel",
			     "look as root, or into .segfs/status of a mount, which has tried",
			     "you may not try what the kernel can do for file systems");
	if (output) {
		rewind(output);
		while (fgets(line, sizeof(line), output))
			add_feature(list, line, result == 0);
	}
}

/* --- mounts --- */

static void add_mount(const char *path, void *context)
{
	struct finding_list *list = context;
	_cleanup_free_ char *quoted = text_quote(path);
	char status_path[PATH_MAX + 16];
	json_error_t error;
	json_t *status;

	snprintf(status_path, sizeof(status_path), "%s/.segfs/status", path);
	status = json_load_file(status_path, 0, &error);
	if (!json_is_object(status))
		findings_add(list, FINDING_MISSING, "mount", "umount it, and start segfs again",
			     "%s: .segfs/status cannot be read: its segfs has ended, or lets nobody in",
			     quoted ? quoted : "?");
	else if (!daemon_truth(status, "passthrough"))
		findings_add(list, FINDING_LIMITED, "mount",
			     daemon_truth(status, "privileged")
				     ? "a kernel with passthrough"
				     : "a mount by root on a kernel with passthrough",
			     "%s: opens are relayed, the daemon copies all bytes", quoted ? quoted : "?");
	else
		findings_add(list, FINDING_OK, "mount", NULL, "%s: the kernel moves the bytes",
			     quoted ? quoted : "?");
	json_decref(status);
}

void findings_mounts(struct finding_list *list)
{
	const size_t before = list->n;

	name_each_mount(add_mount, list);
	if (list->n == before)
		findings_add(list, FINDING_MISSING, "mount", "as root: mkdir -p /mnt/seg && segfs /mnt/seg",
			     "no segfs is mounted by root or by you");
}
