#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What make builds again: what depends on a compiler or a flag that changed, and nothing else.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

out=$TMPDIR/out
program=$out/tests/clients/demo-map
unset CC CFLAGS CPPFLAGS LDFLAGS CI WERROR FLAVOUR CROSS

# Makes the program with these variables; what was done for it, by the words that make says.
made() { make OUT="$out" "$@" "$program" 2>&1 | awk '/^  [A-Z]+ / { print $1 }' | tr '\n' ' '; }

quoted="-O1 -DQUOTED='\"it\"'"
is "a program is compiled and linked" "$(made)" "CC LINK "
is "... once" "$(made)" ""
is "again with other CFLAGS" "$(made CFLAGS="$quoted")" "CC LINK "
is "... once" "$(made CFLAGS="$quoted")" ""
is "... as with those from the environment" "$(CFLAGS=-O0 made)" "CC LINK "
is "again with the first ones" "$(made)" "CC LINK "
is "with other CPPFLAGS" "$(made CPPFLAGS=-DNOTHING)" "CC LINK "
is "with other LDFLAGS it is linked alone" "$(made CPPFLAGS=-DNOTHING LDFLAGS=-Wl,-O1)" "LINK "
is "with warnings as errors" "$(made CPPFLAGS=-DNOTHING LDFLAGS=-Wl,-O1 WERROR=1)" "CC LINK "
ln -s "$(command -v cc)" "$TMPDIR/cc"
is "with another compiler" "$(made CC="$TMPDIR/cc")" "CC LINK "

tap_done
