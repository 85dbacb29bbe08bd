// SPDX-License-Identifier: MIT
#include "fs/fuse/reply.h"

#include <errno.h>

void reply_status(fuse_req_t req, int result)
{
	/* it is the daemon's descriptor table that is full, not the caller's */
	if (result == -EMFILE)
		result = -ENFILE;
	fuse_reply_err(req, -result);
}
