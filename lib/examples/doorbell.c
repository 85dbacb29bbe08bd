// SPDX-License-Identifier: MIT
/*
 * A value in a segment, and a doorbell that tells of each change. Those who watch sleep meanwhile.
 *
 *   doorbell watch LAST   prints the value whenever it has changed, until it is LAST
 *   doorbell set VALUE    changes it
 *
 * Values that follow each other quickly may be seen as one change: a doorbell says that there is something
 * new, and the segment says what.
 *
 * Build: cc doorbell.c $(pkg-config --cflags --libs segfs) -o doorbell
 * Run:   ./doorbell watch 3 & ./doorbell set 1; ./doorbell set 2; ./doorbell set 3; wait
 */
#include <segfs.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int must(int result)
{
	char text[512];

	if (result >= 0)
		return result;
	fprintf(stderr, "%s\n", segfs_explain("thermometer", result, text, sizeof(text)));
	exit(1);
}

int main(int argc, char **argv)
{
	const int watches = argc == 3 && strcmp(argv[1], "watch") == 0;
	struct segfs_object_creation bell = {0};
	struct segfs_creation creation = {0};
	struct segfs_segment *segment;
	struct segfs_object *doorbell;
	struct segfs_view *view;
	_Atomic long *value;

	if (!watches && (argc != 3 || strcmp(argv[1], "set") != 0)) {
		fprintf(stderr, "usage: doorbell watch LAST | doorbell set VALUE\n");
		return 2;
	}
	creation.size = sizeof(*value);
	creation.mode = bell.mode = 0600;
	creation.flags = bell.flags = SEGFS_OPEN_EXISTING;
	must(segfs_create("thermometer", &creation, &segment));
	must(segfs_map(segment, 0, sizeof(*value), SEGFS_MAP_WRITE, NULL, &view));
	value = segfs_view_data(view);
	/* before the value is read first: later rings are not missed */
	must(segfs_object_create("thermometer-bell", SEGFS_DOORBELL, &bell, &doorbell));
	if (watches) {
		const long last = strtol(argv[2], NULL, 10);
		long now;

		while ((now = atomic_load(value)) != last) {
			printf("%ld\n", now);
			fflush(stdout);
			must(segfs_wait(doorbell, NULL, 0));
		}
		printf("%ld\n", now);
	} else {
		/* first the change, then the ring */
		atomic_store(value, strtol(argv[2], NULL, 10));
		must(segfs_ring(doorbell));
	}
	segfs_object_close(doorbell);
	segfs_unmap(view);
	segfs_close(segment);
	return 0;
}
