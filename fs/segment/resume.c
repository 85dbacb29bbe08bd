// SPDX-License-Identifier: MIT
#include "fs/segment/resume.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/reader.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/parked.h"

static void carry_out(struct thread *thread, const struct parked *parked)
{
	struct request request;

	if (request_begin(&request, thread, parked->message, parked->length) == 0 &&
	    mandatory_admits(&request))
		dispatch(&request, false);
}

void resume_ready(struct thread *thread)
{
	struct fs *fs = thread->fs;
	struct lock_outcome outcome;

	reader_stay(true);
	while (lock_next_outcome(&fs->state, &outcome)) {
		struct parked *parked = outcome.access && outcome.result == 0 ? parked_of(outcome.tag) : NULL;

		if (!parked) {
			parked_reply(fs, &outcome);
			continue;
		}
		carry_out(thread, parked);
		lock_access_end(&fs->state, &outcome);
		parked_free(&fs->state, parked);
	}
	reader_stay(false);
}

void resume_between(struct thread *thread)
{
	if (mandatory_end_stuck(thread))
		resume_ready(thread);
}
