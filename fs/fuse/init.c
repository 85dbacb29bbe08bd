// SPDX-License-Identifier: MIT
#include "fs/fuse/init.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/request.h"
#include "fs/state/message.h"
#include "lib/base/log.h"

_Static_assert(MESSAGE_MAX >= REQUEST_BUFFER_SIZE + 4096, "a buffer has room for a WRITE and its header");

#define CONGESTED     9                                    /* the kernel's default */
#define ALLOW_IDMAP_2 ((uint32_t)(FUSE_ALLOW_IDMAP >> 32)) /* in flags2 */

static bool kernel_offers_idmap(const struct fuse_init_in *in)
{
	return in->flags & FUSE_INIT_EXT && in->flags2 & ALLOW_IDMAP_2;
}

void init_complete(const struct fs *fs, struct fuse_init_out *out, size_t size)
{
	if (!fs->allow_idmap || size < sizeof(*out))
		return;
	out->flags |= FUSE_INIT_EXT;
	out->flags2 |= ALLOW_IDMAP_2;
}

void init_agree(struct fs *fs, const struct fuse_init_in *in, struct fuse_conn_info *connection)
{
	/*
	 * FUSE_CAP_WRITEBACK_CACHE is not among them: the kernel would keep written bytes, sizes and times to
	 * itself for up to 30 s, while others use the backing file, and check no limit before the write
	 * returns
	 */
	static const uint64_t wanted[] = {
		FUSE_CAP_DONT_MASK, /* the backing file system applies umask and default ACL together */
		FUSE_CAP_POSIX_ACL,
		FUSE_CAP_EXPORT_SUPPORT, /* open_by_handle_at(2) on the mount */
		FUSE_CAP_PARALLEL_DIROPS,
		FUSE_CAP_READDIRPLUS,
		FUSE_CAP_READDIRPLUS_AUTO,
		FUSE_CAP_CACHE_SYMLINKS,
		FUSE_CAP_HANDLE_KILLPRIV_V2,   /* otherwise every write requests security.capability first */
		FUSE_CAP_DIRECT_IO_ALLOW_MMAP, /* mmap(2) with FOPEN_DIRECT_IO, without passthrough */
	};

	fs->initialized = true;
	/*
	 * a reload creates names, of which the kernel must be told; before Linux 6.2 a notification would
	 * also unmount what is mounted on an existing name
	 */
	if (fs->options.negative_timeout < 0)
		fs->options.negative_timeout = fuse_get_feature_flag(connection, FUSE_CAP_EXPIRE_ONLY)
						       ? fs->options.entry_timeout
						       : 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!fuse_set_feature_flag(connection, wanted[i]))
			log_debug("the kernel lacks FUSE capability %#llx", (unsigned long long)wanted[i]);
	/* reports when an ACL change clears the set-group-id bit */
	fs->short_setxattr = !fuse_set_feature_flag(connection, FUSE_CAP_SETXATTR_EXT);
	if (fs_keeps_locks(fs)) {
		fuse_set_feature_flag(connection, FUSE_CAP_POSIX_LOCKS);
		fuse_set_feature_flag(connection, FUSE_CAP_FLOCK_LOCKS);
	}
	/*
	 * the header of a request must be in memory (fact K10), and replies are small or copied once anyway
	 */
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_READ);
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_WRITE);
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_MOVE);
	/*
	 * libfuse would take 256 pages as the largest READ and WRITE, and a page may have 64 KiB. The kernel
	 * writes no request into a buffer that is too small for the largest one, and takes a short reply to
	 * READ for the end of the file
	 */
	connection->max_write = REQUEST_BUFFER_SIZE;
	/* libfuse expects the value that it put into the mount options */
	connection->max_read = fs->options.max_read;
	/* max_readahead stays as the kernel offers it: a reply can only lessen it */
	/*
	 * a RELEASE held back by the kernel would keep locks that their owner has dropped, and an open that
	 * its process has closed
	 */
	connection->max_background = UINT16_MAX;
	/*
	 * with so many requests in the background, the kernel writes no more pages back until fsync(2) or the
	 * like. libfuse would allow three quarters of max_background, and pages would go back while a program
	 * still stores into them
	 */
	connection->congestion_threshold = CONGESTED;
	fs->passthrough = fs->privileged && fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH);
	/* a user can't idmap its own mount; and libfuse checks the user of each request for allow_root */
	fs->allow_idmap = fs->privileged && !fs->options.allow_root && kernel_offers_idmap(in) &&
			  identity_can_be_asked();
	if (fs->privileged && !fs->passthrough && atomic_load(&fs->state.arena->header->workers_started) == 1)
		log_notice("the kernel has no FUSE passthrough (Linux 6.9 has it): all opens are relayed");
}
