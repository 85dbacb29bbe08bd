// SPDX-License-Identifier: MIT
/*
 * A text in a segment.
 *
 *   hello write TEXT   creates the segment "hello", or opens it, and writes a text
 *   hello read         prints the text
 *
 * Build: cc hello.c $(pkg-config --cflags --libs segfs)
 */
#include <segfs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "hello"
#define SIZE 4096

static void fail(int error)
{
	char text[512];

	fprintf(stderr, "%s\n", segfs_explain(NAME, error, text, sizeof(text)));
	exit(1);
}

int main(int argc, char **argv)
{
	const int writes = argc == 3 && strcmp(argv[1], "write") == 0;
	struct segfs_creation creation = {0};
	struct segfs_segment *segment;
	struct segfs_view *view;
	int result;

	if (!writes && (argc != 2 || strcmp(argv[1], "read") != 0)) {
		fprintf(stderr, "usage: hello write TEXT | hello read\n");
		return 2;
	}
	creation.size = SIZE;
	creation.mode = 0600;
	creation.flags = SEGFS_OPEN_EXISTING;
	result = writes ? segfs_create(NAME, &creation, &segment)
			: segfs_open(NAME, SEGFS_SIZE_AT_LEAST, SIZE, &segment);
	if (result < 0)
		fail(result);
	result = segfs_map(segment, 0, SIZE, writes ? SEGFS_MAP_WRITE : 0, NULL, &view);
	if (result < 0)
		fail(result);
	if (writes)
		snprintf(segfs_view_data(view), SIZE, "%s", argv[2]);
	else
		printf("%.*s\n", SIZE, (const char *)segfs_view_data(view));
	segfs_unmap(view);
	segfs_close(segment);
	return 0;
}
