// SPDX-License-Identifier: MIT
#include "lib/tool/common/extents.h"

#include <errno.h>
#include <unistd.h>

int extent_next(int fd, uint64_t from, uint64_t end, struct extent *extent)
{
	off_t data, hole;

	if (from >= end)
		return 0;
	data = lseek(fd, (off_t)from, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
		*extent = (struct extent){.offset = from, .length = end - from};
		return 1;
	}
	if (data < 0)
		return -errno;
	if ((uint64_t)data >= end)
		return 0;
	hole = lseek(fd, data, SEEK_HOLE);
	/* it was cut off or punched meanwhile: reading tells */
	if (hole <= data || (uint64_t)hole > end)
		hole = (off_t)end;
	*extent = (struct extent){.offset = (uint64_t)data, .length = (uint64_t)(hole - data)};
	return 1;
}
