#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/run: alone: changes the number of huge pages of the machine
#
# A directory on hugetlbfs: the kernel refuses its files for passthrough, so they are relayed, and written through a mapping.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

work=${TMPDIR:-/tmp}
name=$(basename "$work")
mnt=$work/mnt
pages=/proc/sys/vm/nr_hugepages
before=$(cat "$pages" 2>/dev/null)
map=$SEGFS_OUT/tests/clients/demo-map

cleanup() {
	umount -l "$mnt" 2>/dev/null
	"$SEGFS" --purge "$name" 2>/dev/null
	umount "$work/huge" 2>/dev/null
	[ -z "$before" ] || echo "$before" >"$pages"
}
trap cleanup EXIT

[ "$(id -u)" -eq 0 ] || tap_skip_all root
[ -n "$before" ] || tap_skip_all "huge pages"
echo $((before + 4)) >"$pages"
[ "$(awk '/HugePages_Free/ {print $2}' /proc/meminfo)" -ge 4 ] || tap_skip_all "memory for four huge pages"
mkdir -p "$mnt" "$work/huge"
mount -t hugetlbfs none "$work/huge" || tap_skip_all hugetlbfs
size=$(stat -f -c %S "$work/huge") # of a page, bytes

printf '[directory huge]\nmedium = %s\n' "$work/huge" >"$work/config"
ok "it mounts" "$SEGFS" --config "$work/config" --name "$name" "$mnt"
file=$mnt/huge/segment

ok "a segment of two pages is made" truncate -s $((2 * size)) "$file"
exec 5<"$file"
is "an open of it is relayed" "$(getfattr --absolute-names --only-values -n user.segfs.io-mode "$file" 2>&1)" relayed
exec 5<&-
not_ok "a size that is not of whole pages is refused" truncate -s 1000 "$file"

# across the border of two pages, by a descriptor that can't be read
printf 'over the border' | dd of="$file" bs=15 seek=$((size - 7)) oflag=seek_bytes conv=notrunc status=none
is "what write(2) wrote is there" "$(dd if="$file" bs=15 count=1 skip=$((size - 7)) iflag=skip_bytes status=none)" \
	"over the border"
is "it is in the backing file" "$(tail -c +$((size - 6)) "$work/huge/segment" | head -c 15)" "over the border"
out=$(printf 'x' | LC_ALL=C dd of="$file" bs=1 seek=$((2 * size)) oflag=seek_bytes conv=notrunc status=none 2>&1)
is "a write behind the end is EFBIG" "${out##*: }" "File too large"

ok "a view writes" "$map" write "$file" "through a view"
is "the backing file has it" "$(tail -c +5 "$work/huge/segment" | head -c 14)" "through a view"
ok "it unmounts" umount "$mnt"
tap_done
