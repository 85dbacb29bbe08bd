# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What tests of segctl save and load share; source it after segctl.sh. It mounts a tmpfs, $ram, which the test unmounts when
# it ends; $out is a directory in it.
#
#   moved CALLS COMMAND...     MiB that these system calls of a command move, standard streams and archives included
#   killed CALL N COMMAND...   kills a command at its Nth call
#   hidden DIRECTORY [DEPTH]   the number of hidden files below
#   make_ring                  makes video/ring on the mount: 4 GiB with 100 MiB of data
#   same_ring FILE FILE        passes if both have the data and holes of one
#   same FILE FILE             passes if both have the same bytes and properties
#   reset                      removes what was saved to $out, and what was loaded to copy*

ram=$TMPDIR/ram
out=$ram/out
mkdir "$ram"
mount -t tmpfs none "$ram"
mkdir "$out"

save() { "$segctl" save "$@"; }
load() { "$segctl" load "$@"; }
# Bytes that a command writes and reads, standard streams and archives included: moved CALLS COMMAND...
moved() {
	local -x ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 # which needs ptrace(2) itself
	strace -f --seccomp-bpf -qq -e trace="$1" -o "$TMPDIR/trace" "${@:2}" >/dev/null 2>&1
	awk '/ = [0-9]+$/ { bytes += $NF } END { printf "%d\n", bytes / 1048576 }' "$TMPDIR/trace"
}
# Kills the command when it has made so many calls: killed CALL N COMMAND...
killed() { { ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -qq -o /dev/null -e trace="$1" -e inject="$1:error=EIO:signal=KILL:when=$2" "${@:3}"; } >/dev/null 2>&1; }
hidden() { find "$1" -maxdepth "${2-9}" -name '.segctl-*.part' 2>/dev/null | wc -l; }
# Whether two copies of video/ring have the same data, and holes
same_ring() { [ "$(ring "$1")" = "$(ring "$2")" ] && [ $(($(blocks "$1") - $(blocks "$2"))) -le 64 ]; }
ring() { stat -c %s "$1" && for at in "2000 60" "4056 40"; do dd if="$1" bs=1M skip="${at% *}" count="${at#* }" status=none; done | md5sum; }
facts() { stat -c '%a %u %g %s %.Y' "$1" && getfattr -h -d -m '^(user|system)\.' --absolute-names "$1" | grep -v '^#' | sort && getfacl -cnp "$1"; }
same() { cmp "$1" "$2" && [ "$(facts "$1")" = "$(facts "$2")" ]; }
blocks() { stat -c %b "$1"; }
make_ring() {
	truncate -s 4G "$mnt/video/ring"
	dd if=/dev/urandom of="$mnt/video/ring" bs=1M count=60 seek=2000 conv=notrunc status=none
	dd if=/dev/urandom of="$mnt/video/ring" bs=1M count=40 seek=4056 conv=notrunc status=none
}
reset() { rm -rf "${out:?}"/* "$out"/.segctl-* "$mnt"/copy* "$mnt"/.segctl-*; }
