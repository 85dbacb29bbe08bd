#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Backups: tools that copy extended attributes carry what is stored, put it back, and end with status 0, as root and as the owner.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"

user=12345
out=$TMPDIR/out
mkdir "$out"
touch "$out/probe"
setfattr -n user.probe -v 1 "$out/probe" 2>/dev/null || tap_skip_all "user attributes on the file system of TMPDIR"

stored=13 # attributes of the source, without that of a user
if kernel_has tmpfs-user-xattr; then stored=14; fi

quiet() { # COMMAND...: succeeds if it does, and prints nothing
	local output status=0
	output=$("$@" 2>&1) || status=$?
	[ -z "$output" ] && return $status
	echo "$output"
	return 1
}
attributes() { (cd "$1" && getfattr -R -d -- * | sort); }
same_attributes() { diff <(attributes "$1") <(attributes "$2"); }
same_bytes() { diff -r "$1" "$2"; }
copied() { # NAME FROM TO
	ok "$1: bytes" same_bytes "$2" "$3"
	ok "$1: attributes and policies" same_attributes "$2" "$3"
}
set_policy() { # FILE NAME=VALUE...
	local file=$1 pair
	shift
	for pair; do
		setfattr -n "user.segfs.${pair%%=*}" -v "${pair#*=}" "$file" || return 1
	done
}

make_source() { # DIRECTORY
	mkdir -p "$1/in/deep" "$1/plain" || return 1
	echo ledger >"$1/all"
	[ "$stored" -lt 14 ] || setfattr -n user.mine -v 1 "$1/all" || return 1
	set_policy "$1/all" lock=mandatory writers=3 commit=yes size-policy=fixed lifetime=ttl:1h || return 1
	truncate -s 1M "$1/sparse"
	set_policy "$1/sparse" size-policy=fixed || return 1
	: >"$1/empty"
	set_policy "$1/empty" size-policy=fixed lock=mandatory || return 1
	echo before >"$1/in/before"
	set_policy "$1/in" size-policy=fixed lock=mandatory lifetime=ttl:2h || return 1
	echo after >"$1/in/after"
	set_policy "$1/in/after" lock=advisory
	echo deep >"$1/in/deep/file"
	echo other >"$1/plain/file"
	chmod 600 "$1/plain/file"
}

copy_all() { # NAME AS...
	local who=$1 from=$mnt/$1/src to=$mnt/$1 b=$out/$1
	shift
	ok "$who: cp -a out" quiet "$@" cp -a "$from" "$b/cp"
	copied "$who: cp -a out" "$from" "$b/cp"
	ok "$who: cp -a in" quiet "$@" cp -a "$b/cp" "$to/cp-in"
	copied "$who: cp -a in" "$from" "$to/cp-in"
	ok "$who: cp -a within" quiet "$@" cp -a "$from" "$to/cp-within"
	copied "$who: cp -a within" "$from" "$to/cp-within"
	ok "$who: cp --preserve=xattr" quiet "$@" cp -r --preserve=xattr "$from" "$to/cp-xattr"
	copied "$who: cp --preserve=xattr" "$from" "$to/cp-xattr"
	ok "$who: tar out" quiet "$@" tar --xattrs --xattrs-include='*' --acls -S -cf "$b/tar" -C "$to" src
	"$@" mkdir "$to/tar-in"
	ok "$who: tar in" quiet "$@" tar --xattrs --xattrs-include='*' --acls -xpf "$b/tar" -C "$to/tar-in"
	copied "$who: tar in" "$from" "$to/tar-in/src"
	ok "$who: mv out" quiet "$@" mv "$to/cp-in" "$b/mv"
	copied "$who: mv out" "$from" "$b/mv"
	ok "$who: mv in" quiet "$@" mv "$b/mv" "$to/mv-in"
	copied "$who: mv in" "$from" "$to/mv-in"
	if ! command -v rsync >/dev/null; then
		tap_skip "$who: rsync" rsync
		return
	fi
	ok "$who: rsync out" quiet "$@" rsync -aHAXS "$from/" "$b/rsync/"
	copied "$who: rsync out" "$from" "$b/rsync"
	ok "$who: rsync in" quiet "$@" rsync -aHAXS "$b/rsync/" "$to/rsync-in/"
	copied "$who: rsync in" "$from" "$to/rsync-in"
	ok "$who: rsync in again" quiet "$@" rsync -aHAXS "$b/rsync/" "$to/rsync-in/"
	ok "$who: rsync within" quiet "$@" rsync -aHAX "$from/" "$to/rsync-within/"
	copied "$who: rsync within" "$from" "$to/rsync-within"
	"$@" setfattr -x user.segfs.lock "$from/all"
	"$@" setfattr -n user.segfs.writers -v 4 "$from/all"
	ok "$who: rsync of changed policies" quiet "$@" rsync -aHAX "$from/" "$to/rsync-within/"
	copied "$who: rsync of changed policies" "$from" "$to/rsync-within"
}

for mode in direct relayed; do
	ok "start $mode" "$SEGFS" -o "io_mode=$mode,mand" "$mnt"
	mkdir "$mnt/root" "$out/root"
	ok "what is backed up" make_source "$mnt/root/src"
	is "only what is stored is listed" "$(attributes "$mnt/root/src" | grep -c '^user')" "$stored"
	is "... also of directories" "$(getfattr -d --absolute-names "$mnt/root/src/in" | grep -c '^user')" 3
	is "... and nothing of what has nothing" "$(getfattr -d --absolute-names "$mnt/root/src/plain/file")" ""
	copy_all root
	if [ "$(id -u)" -eq 0 ]; then
		mkdir "$mnt/owner" "$out/owner"
		make_source "$mnt/owner/src"
		chown -R $user:$user "$mnt/owner" "$out/owner"
		chmod 711 "$TMPDIR"
		copy_all owner setpriv --reuid $user --regid $user --clear-groups
	else
		tap_skip "an ordinary user" "root, to become one"
	fi
	# the first size is the last, whoever gave it
	echo more >>"$mnt/root/tar-in/src/all" 2>/dev/null
	is "a size that was restored stays" "$(cat "$mnt/root/tar-in/src/all")" ledger
	rm -rf "$mnt/root" "$mnt/owner" "${out:?}/root" "${out:?}/owner"
	ok "stop" stop
done
tap_done
