// SPDX-License-Identifier: MIT
#include "fs/fuse/init.h"
#include "fs/fuse/identity.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "lib/base/log.h"

/* Without those that are carried out past libfuse, op_..._raw(). */
const struct fuse_lowlevel_ops segfs_operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.statfs = op_statfs,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.tmpfile = op_tmpfile,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.ioctl = op_ioctl,
};

static bool kernel_offers_idmap(void)
{
	const struct wire_init_more *more = request_body(sizeof(*more));

	return more && more->in.flags & WIRE_INIT_EXT && more->flags2 & WIRE_INIT_ALLOW_IDMAP;
}

/*
 * Must come to the same answer for every worker of a connection: the kernel hears only the first one's.
 */
void op_init(void *userdata, struct fuse_conn_info *connection)
{
	static const uint64_t wanted[] = {
		FUSE_CAP_DONT_MASK,          /* umask and default ACL are applied together, by the backing file system */
		FUSE_CAP_POSIX_ACL,
		FUSE_CAP_EXPORT_SUPPORT,     /* open_by_handle_at(2) on the mount */
		FUSE_CAP_PARALLEL_DIROPS,
		FUSE_CAP_CACHE_SYMLINKS,
		FUSE_CAP_HANDLE_KILLPRIV_V2, /* else every write asks for security.capability first */
		FUSE_CAP_DIRECT_IO_ALLOW_MMAP, /* views of what is read past the page cache without passthrough */
	};
	struct fs *fs = userdata;

	fs->initialized = true;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!fuse_set_feature_flag(connection, wanted[i]))
			log_debug("the kernel lacks FUSE capability %#llx", (unsigned long long)wanted[i]);
	/* tells when an ACL change takes the set-group-id bit */
	fs->short_setxattr = !fuse_set_feature_flag(connection, FUSE_CAP_SETXATTR_EXT);
	if (!fs->options.local_posix)
		fuse_set_feature_flag(connection, FUSE_CAP_POSIX_LOCKS);
	if (!fs->options.local_flock)
		fuse_set_feature_flag(connection, FUSE_CAP_FLOCK_LOCKS);
	/* the header of a request must be in memory (fact K10), and replies are small or copied once anyway */
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_READ);
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_WRITE);
	fuse_unset_feature_flag(connection, FUSE_CAP_SPLICE_MOVE);
	/* libfuse wants to hear what it has put into the mount options */
	connection->max_read = fs->options.max_read;
	/* a RELEASE that the kernel holds back would keep locks that their owner has given up */
	connection->max_background = UINT16_MAX;
	fs->passthrough = fs->privileged && fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH);
	/* a user can't make an idmapped mount of an own one; and libfuse checks the user of each request for allow_root */
	fs->allow_idmap = fs->privileged && !fs->options.allow_root && kernel_offers_idmap() && identity_can_be_asked();
	if (fs->privileged && !fs->passthrough)
		log_notice("the kernel has no FUSE passthrough (Linux 6.9 has it): all opens are relayed");
}
