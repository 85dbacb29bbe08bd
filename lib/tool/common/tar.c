// SPDX-License-Identifier: MIT
#include "lib/tool/common/tar.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/extents.h"
#include "lib/tool/common/progress.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RECORD 10240              /* bytes that tar(1) pads an archive to */
#define BLOCK  (100 * RECORD)     /* bytes of a write(2) */
#define ZEROES ((size_t)64 << 20) /* bytes that stand for holes; nothing reads them */
#define LIST   "system.posix_acl_access"

struct tar {
	struct archive *archive;
	bool writes;
	bool is_given_up; /* nothing more is written */
	int fd;
	locale_t utf8, before; /* libarchive converts names to that of the thread */
	void *zeroes;
};

const char *tar_explain(const struct tar *tar)
{
	const char *text = archive_error_string(tar->archive);

	return text ? text : "the archive is damaged";
}

static int error_of(const struct tar *tar)
{
	const int error = archive_errno(tar->archive);

	return error > 0 && error < 4096 ? -error : -EBADMSG;
}

static struct tar *new_tar(bool writes)
{
	struct tar *tar = calloc(1, sizeof(*tar));

	if (!tar)
		return NULL;
	tar->writes = writes;
	tar->archive = writes ? archive_write_new() : archive_read_new();
	tar->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (tar->utf8)
		tar->before = uselocale(tar->utf8);
	if (tar->archive)
		return tar;
	tar_free(tar);
	return NULL;
}

void tar_free(struct tar *tar)
{
	if (!tar)
		return;
	/* what frees an archive completes it otherwise */
	tar->is_given_up = true;
	if (tar->archive)
		archive_free(tar->archive);
	if (tar->utf8) {
		uselocale(tar->before);
		freelocale(tar->utf8);
	}
	if (tar->zeroes)
		munmap(tar->zeroes, ZEROES);
	free(tar);
}

/* A warning is one of a name or attribute that other tools may not understand. */
static int check(const struct tar *tar, int result)
{
	return result == ARCHIVE_OK || result == ARCHIVE_WARN ? 0 : error_of(tar);
}

/* --- writing --- */

static la_ssize_t write_out(struct archive *archive, void *context, const void *data, size_t length)
{
	const struct tar *tar = context;
	ssize_t n;

	if (tar->is_given_up) {
		archive_set_error(archive, EIO, "it was given up");
		return -1;
	}
	do {
		n = write(tar->fd, data, length);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(archive, errno, "write error");
	return n;
}

int tar_create(int fd, struct tar **tar)
{
	struct tar *made = new_tar(true);
	int result;

	if (!made)
		return -ENOMEM;
	made->fd = fd;
	made->zeroes = mmap(NULL, ZEROES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (made->zeroes == MAP_FAILED)
		made->zeroes = NULL;
	result = made->zeroes ? check(made, archive_write_set_format_pax(made->archive)) : -ENOMEM;
	/* tar(1) complains of libarchive's own form of attributes, beside which the usual one is written */
	if (result == 0)
		result = check(made, archive_write_set_options(made->archive, "pax:xattrheader=SCHILY"));
	if (result == 0)
		result = check(made, archive_write_add_filter_none(made->archive));
	if (result == 0)
		result = check(made, archive_write_set_bytes_per_block(made->archive, BLOCK));
	if (result == 0)
		result = check(made, archive_write_set_bytes_in_last_block(made->archive, RECORD));
	if (result == 0)
		result = check(made, archive_write_open(made->archive, made, NULL, write_out, NULL));
	if (result == 0)
		*tar = made;
	else
		tar_free(made);
	return result;
}

/* The list as the kernel has it in an attribute: a version, then entries of tag, rights and id. */
static void add_list(struct archive_entry *entry, const struct property *property)
{
	static const struct {
		uint16_t tag;
		int type;
	} tags[] = {
		{1, ARCHIVE_ENTRY_ACL_USER_OBJ},  {2, ARCHIVE_ENTRY_ACL_USER},
		{4, ARCHIVE_ENTRY_ACL_GROUP_OBJ}, {8, ARCHIVE_ENTRY_ACL_GROUP},
		{16, ARCHIVE_ENTRY_ACL_MASK},     {32, ARCHIVE_ENTRY_ACL_OTHER},
	};
	const char *at = property->value;

	for (size_t place = 4; place + 8 <= property->length; place += 8) {
		uint16_t tag, rights;
		uint32_t id;

		memcpy(&tag, at + place, 2);
		memcpy(&rights, at + place + 2, 2);
		memcpy(&id, at + place + 4, 4);
		for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
			if (tags[i].tag == le16toh(tag))
				archive_entry_acl_add_entry(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
							    le16toh(rights) & 7, tags[i].type,
							    (int)le32toh(id), NULL);
	}
}

static struct archive_entry *make_entry(const char *name, mode_t type, const struct properties *properties)
{
	struct archive_entry *entry = archive_entry_new();

	if (!entry)
		return NULL;
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, properties->mode);
	archive_entry_set_uid(entry, properties->uid);
	archive_entry_set_gid(entry, properties->gid);
	archive_entry_set_uname(entry, properties->user);
	archive_entry_set_gname(entry, properties->group);
	archive_entry_set_mtime(entry, properties->mtime.tv_sec, properties->mtime.tv_nsec);
	for (size_t i = 0; i < properties->n; i++) {
		const struct property *attribute = &properties->attributes[i];

		if (strcmp(attribute->name, LIST) == 0)
			add_list(entry, attribute);
		else if (strncmp(attribute->name, "user.", 5) == 0)
			archive_entry_xattr_add_entry(entry, attribute->name, attribute->value,
						      attribute->length);
	}
	return entry;
}

static int write_header(struct tar *tar, struct archive_entry *entry)
{
	return check(tar, archive_write_header(tar->archive, entry));
}

int tar_add_directory(struct tar *tar, const char *name, const struct properties *properties)
{
	struct archive_entry *entry = make_entry(name, S_IFDIR, properties);
	int result = entry ? write_header(tar, entry) : -ENOMEM;

	archive_entry_free(entry);
	return result;
}

static int put(struct tar *tar, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		const la_ssize_t n = archive_write_data(tar->archive, at, length);

		if (n <= 0)
			return n < 0 ? error_of(tar) : -EIO;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Tells libarchive of a hole, of which it writes nothing. */
static int put_hole(struct tar *tar, uint64_t length)
{
	int result = 0;

	while (length > 0 && result == 0) {
		const size_t n = length < ZEROES ? (size_t)length : ZEROES;

		result = put(tar, tar->zeroes, n);
		length -= n;
	}
	return result;
}

/* The data of a file, which the header of its member lists. */
struct layout {
	struct extent *extents;
	size_t n, max;
};

static int find_layout(int fd, uint64_t size, struct archive_entry *entry, struct layout *layout)
{
	struct extent extent;
	uint64_t from = 0;
	int result;

	for (; (result = extent_next(fd, from, size, &extent)) > 0; from = extent.offset + extent.length) {
		if (layout->n == layout->max) {
			const size_t max = layout->max ? 2 * layout->max : 64;
			struct extent *larger = reallocarray(layout->extents, max, sizeof(*larger));

			if (!larger)
				return -ENOMEM;
			layout->extents = larger;
			layout->max = max;
		}
		layout->extents[layout->n++] = extent;
		archive_entry_sparse_add_entry(entry, (la_int64_t)extent.offset, (la_int64_t)extent.length);
	}
	/* nothing but a hole */
	if (layout->n == 0 && size > 0)
		archive_entry_sparse_add_entry(entry, 0, 0);
	return result;
}

static int put_extent(struct tar *tar, int fd, const struct extent *extent, char *buffer,
		      struct checksum *checksum, struct progress *progress, bool *is_source)
{
	int result = 0;

	for (uint64_t done = 0; done < extent->length && result == 0;) {
		const uint64_t rest = extent->length - done;
		const size_t n = (size_t)(rest < CHECKSUM_BLOCK ? rest : CHECKSUM_BLOCK);

		result = copying_read(fd, buffer, n, extent->offset + done);
		*is_source = result < 0;
		if (result == 0)
			result = checksum_add(checksum, extent->offset + done, buffer, n);
		if (result == 0)
			result = put(tar, buffer, n);
		if (result == 0)
			progress_add(progress, n);
		done += n;
	}
	return result;
}

static int put_file(struct tar *tar, int fd, const struct layout *layout, struct checksum *checksum,
		    struct progress *progress, bool *is_source)
{
	_cleanup_free_ char *buffer = malloc(CHECKSUM_BLOCK);
	uint64_t at = 0;
	int result = buffer ? 0 : -ENOMEM;

	for (size_t i = 0; i < layout->n && result == 0; i++) {
		const struct extent *extent = &layout->extents[i];

		result = put_hole(tar, extent->offset - at);
		if (result == 0)
			result = put_extent(tar, fd, extent, buffer, checksum, progress, is_source);
		at = extent->offset + extent->length;
	}
	/* libarchive knows of a hole at the end */
	return result;
}

int tar_add_file(struct tar *tar, const char *name, const struct properties *properties, int fd,
		 uint64_t size, struct checksum *checksum, struct progress *progress, bool *is_source)
{
	struct archive_entry *entry = make_entry(name, S_IFREG, properties);
	struct layout layout = {0};
	int result = -ENOMEM;

	*is_source = false;
	if (entry) {
		archive_entry_set_size(entry, (la_int64_t)size);
		result = find_layout(fd, size, entry, &layout);
		*is_source = result < 0;
	}
	if (result == 0)
		result = write_header(tar, entry);
	if (result == 0)
		result = put_file(tar, fd, &layout, checksum, progress, is_source);
	if (result == 0)
		result = checksum_finish(checksum, size);
	free(layout.extents);
	archive_entry_free(entry);
	return result;
}

int tar_add_text(struct tar *tar, const char *name, const char *text, size_t length)
{
	const struct properties properties = {
		.mode = 0600,
		.uid = geteuid(),
		.gid = getegid(),
		.mtime.tv_sec = time(NULL),
	};
	struct archive_entry *entry = make_entry(name, S_IFREG, &properties);
	int result = -ENOMEM;

	if (entry) {
		archive_entry_set_size(entry, (la_int64_t)length);
		result = write_header(tar, entry);
	}
	if (result == 0)
		result = put(tar, text, length);
	archive_entry_free(entry);
	return result;
}

int tar_finish(struct tar *tar)
{
	return check(tar, archive_write_close(tar->archive));
}

/* --- reading --- */

int tar_open(int fd, struct tar **tar)
{
	struct tar *made = new_tar(false);
	int result;

	if (!made)
		return -ENOMEM;
	result = check(made, archive_read_support_format_tar(made->archive));
	if (result == 0)
		result = check(made, archive_read_open_fd(made->archive, fd, (size_t)1 << 20));
	if (result == 0)
		*tar = made;
	else
		tar_free(made);
	return result;
}

int tar_next(struct tar *tar, struct tar_member *member)
{
	struct archive_entry *entry;
	const int result = archive_read_next_header(tar->archive, &entry);

	if (result == ARCHIVE_EOF)
		return 0;
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
		return -EBADMSG;
	*member = (struct tar_member){
		.name = archive_entry_pathname(entry),
		.type = archive_entry_hardlink(entry) ? 0 : archive_entry_filetype(entry),
		.size = archive_entry_size(entry) < 0 ? UINT64_MAX : (uint64_t)archive_entry_size(entry),
	};
	return 1;
}

/* A member whose data is read. */
struct reading {
	const struct tar_member *member;
	const struct tar_receiver *receiver;
	struct checksum *checksum;
	uint64_t at; /* the end of what was read */
	bool is_target;
};

static int take_hole(struct reading *reading, uint64_t end)
{
	int result = 0;

	if (reading->receiver && end > reading->at)
		result = reading->receiver->take_hole(reading->receiver->context, reading->at, end);
	reading->is_target = result < 0;
	return result;
}

/* Takes data of a member. Returns 0; -EBADMSG, it is not in its place; a negative errno. */
static int take_data(struct reading *reading, uint64_t offset, const void *data, size_t length)
{
	int result;

	if (offset > reading->member->size || length > reading->member->size - offset)
		return -EBADMSG;
	result = checksum_add(reading->checksum, offset, data, length);
	if (result < 0)
		return result == -EINVAL ? -EBADMSG : result;
	result = take_hole(reading, offset);
	if (result == 0 && reading->receiver) {
		result = reading->receiver->take_data(reading->receiver->context, offset, data, length);
		reading->is_target = result < 0;
	}
	reading->at = offset + length;
	return result;
}

int tar_read(struct tar *tar, const struct tar_member *member, const struct tar_receiver *receiver,
	     struct checksum *checksum, struct progress *progress, bool *is_target)
{
	struct reading reading = {.member = member, .receiver = receiver, .checksum = checksum};
	const void *data;
	la_int64_t offset;
	size_t length;
	int result = 0, got;

	*is_target = false;
	while ((got = archive_read_data_block(tar->archive, &data, &length, &offset)) == ARCHIVE_OK ||
	       got == ARCHIVE_WARN) {
		if (length == 0)
			continue;
		result = offset < 0 ? -EBADMSG : take_data(&reading, (uint64_t)offset, data, length);
		if (result < 0)
			break;
		progress_add(progress, length);
	}
	if (result == 0 && got != ARCHIVE_EOF)
		result = -EBADMSG;
	if (result == 0)
		result = take_hole(&reading, member->size);
	*is_target = reading.is_target;
	return result < 0 ? result : checksum_finish(checksum, member->size);
}

int tar_read_text(struct tar *tar, const struct tar_member *member, size_t max, char **text)
{
	char *read;
	size_t done = 0;

	if (member->size > max)
		return -EFBIG;
	read = malloc(member->size + 1);
	if (!read)
		return -ENOMEM;
	while (done < member->size) {
		const la_ssize_t n = archive_read_data(tar->archive, read + done, member->size - done);

		if (n <= 0) {
			free(read);
			return -EBADMSG;
		}
		done += (size_t)n;
	}
	read[done] = '\0';
	*text = read;
	return 0;
}
