// SPDX-License-Identifier: MIT
/*
 * A ring of lines between one producer and one consumer, with a semaphore for each end: neither polls.
 *
 *   ring read          prints lines until the producer has ended
 *   ring write         puts the lines of its standard input into the ring
 *
 * Build: cc ring.c $(pkg-config --cflags --libs segfs) -o ring
 * Run:   ./ring read & seq 1000 | ./ring write; wait
 */
#include <segfs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 16

struct ring {
	struct {
		char text[256]; /* a line with its end; empty = the last one */
	} slots[SLOTS];
};

static int must(const char *name, int result)
{
	char text[512];

	if (result >= 0)
		return result;
	fprintf(stderr, "%s\n", segfs_explain(name, result, text, sizeof(text)));
	exit(1);
}

static struct ring *attach(const char *name)
{
	struct segfs_creation creation = {0};
	struct segfs_segment *segment;
	struct segfs_view *view;

	creation.size = sizeof(struct ring);
	creation.mode = 0600;
	creation.flags = SEGFS_OPEN_EXISTING;
	must(name, segfs_create(name, &creation, &segment));
	must(name, segfs_map(segment, 0, sizeof(struct ring), SEGFS_MAP_WRITE, NULL, &view));
	segfs_close(segment); /* the view stays */
	return segfs_view_data(view);
}

/* A semaphore that counts slots. */
static struct segfs_object *counter(const char *name, unsigned int initial)
{
	struct segfs_object_creation creation = {0};
	struct segfs_object *object;

	creation.mode = 0600;
	creation.flags = SEGFS_OPEN_EXISTING;
	creation.initial = initial;
	creation.maximum = SLOTS;
	must(name, segfs_object_create(name, SEGFS_SEMAPHORE, &creation, &object));
	return object;
}

int main(int argc, char **argv)
{
	const int writes = argc == 2 && strcmp(argv[1], "write") == 0;
	struct segfs_object *empty, *full;
	struct ring *ring;
	unsigned int i;
	int more = 1;

	if (!writes && (argc != 2 || strcmp(argv[1], "read") != 0)) {
		fprintf(stderr, "usage: ring read | ring write\n");
		return 2;
	}
	ring = attach("ring");
	empty = counter("ring-empty", SLOTS);
	full = counter("ring-full", 0);
	for (i = 0; more; i = (i + 1) % SLOTS) {
		char *text = ring->slots[i].text;

		must("ring", segfs_wait(writes ? empty : full, NULL, 0));
		if (writes) {
			more = fgets(text, sizeof(ring->slots[i].text), stdin) != NULL;
			if (!more)
				text[0] = '\0';
		} else {
			more = text[0] != '\0';
			fputs(text, stdout);
		}
		must("ring", segfs_post(writes ? full : empty, 1));
	}
	if (!writes) { /* the next two begin with a new ring */
		must("ring", segfs_remove("ring"));
		must("ring-empty", segfs_remove("ring-empty"));
		must("ring-full", segfs_remove("ring-full"));
	}
	return 0;
}
