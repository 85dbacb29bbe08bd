// SPDX-License-Identifier: MIT
#include "fs/segment/resume.h"
#include "fs/fuse/dispatch.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/segment/mandatory.h"
#include "fs/segment/parked.h"

void resume_reply(struct fs *fs, const struct lock_outcome *outcome)
{
	struct parked *parked = outcome->access ? parked_of(outcome->tag) : NULL;

	request_answer_tag(fs, parked ? parked_unique(parked) : outcome->tag, outcome->result);
	parked_free(&fs->state, parked);
}

void resume_ready(struct fs *fs)
{
	struct lock_outcome outcome;

	reader_stay(true);
	while (lock_next_outcome(&fs->state, &outcome)) {
		struct parked *parked = outcome.access && outcome.result == 0 ? parked_of(outcome.tag) : NULL;

		if (!parked) {
			resume_reply(fs, &outcome);
			continue;
		}
		request_begin(parked->message, parked->length);
		if (mandatory_admits(fs))
			dispatch(fs, parked->message, parked->length, false);
		lock_access_end(&fs->state, &outcome);
		request_end();
		parked_free(&fs->state, parked);
	}
	reader_stay(false);
}
