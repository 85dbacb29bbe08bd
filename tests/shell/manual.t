#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The manual pages describe every option, key, policy and file that the program has, and refer to each other.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

cd "$SEGFS_TOP/packaging/man" || exit 1

# described PAGE WORD: WORD is the tag of an item of a list, or one of several.
described() { sed -n 's/^\.It //p' "$1" | tr -s ' ,' '\n' | grep -qxF -e "$2"; }

# keys SECTION: what a section takes, from the message about a key that none has.
keys() {
	printf '[%s]\nno-such-key-at-all = 1\n' "$1" >"$TMPDIR/unknown.ini"
	"$SEGFS" --check "$TMPDIR/unknown.ini" 2>&1 | sed -n 's/.*known keys: //p' | tr -s ' ,' '\n'
}

"$SEGFS" --help >"$TMPDIR/help"
count=0
for option in $(grep -oE -- ' --[a-z-]+' "$TMPDIR/help" | tr -d ' -' | sort -u); do
	count=$((count + 1))
	ok "segfs(8) describes --$option" bash -c "sed -n 's/^\\.It //p' segfs.8 | tr -d ' -' | grep -q 'FlFl$option'"
done
ok "... and --help has options" test $count -ge 8
for option in $(sed -n 's/^  \([a-z_]*=\)[A-Z]* .*/\1/p' "$TMPDIR/help"); do
	ok "segfs(8) describes -o $option" described segfs.8 "$option"
done

for section in mount "directory x" "segment x"; do
	count=0
	for key in $(keys "$section"); do
		count=$((count + 1))
		ok "segfs.ini(5) describes $key of [$section]" described segfs.ini.5 "$key"
	done
	ok "... and [$section] has keys" test $count -ge 4
done
for key in lock writers commit size-policy lifetime; do
	ok "segfs(7) describes the policy $key" described segfs.7 "user.segfs.$key"
done

if start; then
	for file in "$mnt"/.segfs/*; do
		ok "segfs(8) describes .segfs/${file##*/}" described segfs.8 "MOUNTPOINT/.segfs/${file##*/}"
	done
	stop
	"$SEGFS" --purge "$name"
else
	tap_skip "segfs(8) describes the files in .segfs" "a mount"
fi

# refers PAGE OTHER: PAGE names OTHER among what to read on.
refers() { sed -n '/^.Sh SEE ALSO/,/^.Sh SEC/p' "$1" | grep -q "^.Xr ${2%.*} ${2##*.}\\b"; }

installed=$(make -C "$SEGFS_TOP" -n install)
for page in *; do
	ok "make install installs $page" grep -qF "packaging/man/$page" <<<"$installed"
done
# of the library, one page leads to the others
for page in *.[578]; do
	for other in *.[578]; do
		[ "$page" = "$other" ] || ok "$page refers to $other" refers "$page" "$other"
	done
done
ok "segfs.7 refers to libsegfs.3" refers segfs.7 libsegfs.3
ok "libsegfs.3 refers to segfs.7" refers libsegfs.3 segfs.7
for page in segfs_*.3; do
	ok "libsegfs.3 refers to $page" refers libsegfs.3 "$page"
	ok "$page refers to libsegfs.3" refers "$page" libsegfs.3
done

# --- segctl: each command has a page, which describes its options; one page leads to the others

page_of() { # COMMAND
	local page=segctl-$1.1
	[ -e "$page" ] || page=$(sed -n "s|.*'\.so man1/\(segctl-[a-z]*\.1\)'.*/man1/segctl-$1\.1'.*|\1|p" <<<"$installed")
	echo "$page"
}
for command in $("$SEGFS_OUT/segctl" --complete ""  | cut -f 1); do
	page=$(page_of "$command")
	ok "segctl $command has a page" test -e "$page"
	[ -e "$page" ] || continue
	sed -n 's/^\.It //p' "$page" | sed 's/Fl Fl /--/g; s/Fl -/--/g; s/ , -/ , --/g' >"$TMPDIR/items"
	ok "... that names it" grep -qE "^\.Nm segctl-$command( ,)?$" "$page"
	for option in $("$SEGFS_OUT/segctl" --complete "$command" -- | cut -f 1); do
		[ "$option" = --help ] || ok "... and describes $option" grep -qwF -e "$option" "$TMPDIR/items"
	done
done
for page in segctl-*.1; do
	ok "segctl.1 refers to $page" refers segctl.1 "$page"
	ok "$page refers to segctl.1" refers "$page" segctl.1
done
ok "segfs.7 refers to segctl.1" refers segfs.7 segctl.1
ok "segfs.8 refers to segctl.1" refers segfs.8 segctl.1

tap_done
