# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are the tests'
#
# What shell tests of the installed library share; source it after tap.sh. It installs, and changes to $TMPDIR.
#
#   $root                      where it is installed, with the prefix /usr
#   $examples                  programs that use the library
#   SEGFS_MOUNT                an empty directory
#   on_a_mount FUNCTION        calls a function with a mount of segfs as SEGFS_MOUNT, then ends the test

# other programs cannot load it
! nm -D "$SEGFS_OUT/libsegfs.so.0" | grep -q '__[at]san_' || tap_skip_all "a library without a sanitizer"

root=$TMPDIR/root
examples=$SEGFS_TOP/lib/examples
trap 'rm -rf "$root"' EXIT
ok "make install" make install DESTDIR="$root" PREFIX=/usr
cd "$TMPDIR" || exit 1
mkdir directory
export LD_LIBRARY_PATH=$root/usr/lib SEGFS_MOUNT=$TMPDIR/directory

on_a_mount() { # FUNCTION
	if [ "$(id -u)" -ne 0 ]; then
		tap_skip "the same on a mount" root
		tap_done
	fi
	# shellcheck source=tests/lib/segfs.sh
	. "$SEGFS_TOP/tests/lib/segfs.sh"
	start || tap_skip "the same on a mount" "a mount"
	if is_mounted; then
		export SEGFS_MOUNT=$mnt
		"$1"
		ok "... is unmounted" stop
		"$SEGFS" --purge "$name" >/dev/null 2>&1
	fi
	tap_done
}
