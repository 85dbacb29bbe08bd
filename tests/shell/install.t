#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make install puts a program that runs where it should, and make uninstall leaves nothing.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

destination=$TMPDIR/destination
trap 'rm -rf "$destination"' EXIT
# the pages of the library are those that library.t looks at, and manual.t looks at those of segctl
files() { (cd "$destination" && find . ! -type d ! -name '*.[13]' -printf '%m %P\n' | sort -k 2); }
leftovers() { find "$destination" ! -type d; }

ok "make install" make install DESTDIR="$destination" PREFIX=/usr
is "what is installed, with its modes" "$(files)" "755 usr/bin/segctl
755 usr/bin/segfs
644 usr/include/segfs.h
644 usr/include/segfs.hpp
644 usr/include/segfs/error.hpp
644 usr/include/segfs/lock.hpp
644 usr/include/segfs/object.hpp
644 usr/include/segfs/segment.hpp
644 usr/include/segfs/time.hpp
644 usr/lib/libsegfs.a
777 usr/lib/libsegfs.so
755 usr/lib/libsegfs.so.0
644 usr/lib/pkgconfig/segfs.pc
644 usr/lib/python3/dist-packages/segfs.py
644 usr/lib/systemd/system/segfs@.service
644 usr/share/bash-completion/completions/segctl
644 usr/share/doc/segfs/segfs.ini.example
644 usr/share/fish/vendor_completions.d/segctl.fish
644 usr/share/man/man5/segfs.ini.5
644 usr/share/man/man7/segfs.7
644 usr/share/man/man8/segfs.8
644 usr/share/zsh/site-functions/_segctl"
ok "the installed program runs" "$destination/usr/bin/segfs" --version

echo kept >"$destination/usr/bin/other"
mkdir "$destination/usr/lib/python3/dist-packages/__pycache__"
touch "$destination/usr/lib/python3/dist-packages/__pycache__/segfs.cpython-311.pyc"
ok "make uninstall" make uninstall DESTDIR="$destination" PREFIX=/usr
is "nothing of ours is left, what others put there stays" "$(leftovers)" "$destination/usr/bin/other"
not_ok "nor a folder of ours" test -e "$destination/usr/share/doc/segfs" -o -e "$destination/usr/include/segfs"
ok "make uninstall again" make uninstall DESTDIR="$destination" PREFIX=/usr

ok "make install below another prefix" make install DESTDIR="$destination" PREFIX=/opt/segfs
ok "... leads there" test -x "$destination/opt/segfs/bin/segfs"
ok "... and uninstall removes it" make uninstall DESTDIR="$destination" PREFIX=/opt/segfs
is "... all of it" "$(leftovers)" "$destination/usr/bin/other"

tap_done
