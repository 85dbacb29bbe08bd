#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl gc: what nobody uses is offered and removed, what somebody uses or may use is left alone.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

object=segfs-gc-$$
objects=()
segments=()
clean_up() {
	local made
	for made in "${objects[@]}"; do rm -f "/dev/shm/$made"; done
	for made in "${segments[@]}"; do ipcrm -m "$made" 2>/dev/null; done
	segctl_clean_up
}
trap clean_up EXIT

make_object() {
	head -c 8192 /dev/zero >"/dev/shm/$object"
	objects+=("$object")
}
make_segment() {
	id=$(ipcmk -M 8192 | awk '{ print $NF }')
	segments+=("$id")
	key=$(ipcs -m | awk -v id="$id" '$2 == id { print $1 }')
}
# Whether a file can be used in a way; otherwise says what is missing.
can_hold() { # way path
	if [[ $1 != map* || $2 != "$mnt"/* ]] || kernel_has mmap-direct-io; then return 0; fi
	tap_skip "$1 of ${2#"$mnt/"}" mmap-direct-io
	return 1
}
offered() { "$segctl" gc --dry-run -n -o NAME "$@" | sed 's/ *$//'; }

exits "no mount" 3 env SEGFS_MOUNT="$TMPDIR" "$segctl" gc
cat >"$TMPDIR/segfs.ini" <<'END'
[segment declared]
size = 4K
END
start --config "$TMPDIR/segfs.ini" || tap_skip_all "a mount"
help_fits gc
exits "a wrong time" 2 "$segctl" gc --older-than long
exits "a wrong source" 2 "$segctl" gc --source disk

# --- each source, each way of use ---

truncate -s 8K "$mnt/left"
make_object
make_segment
is "what nobody uses is offered" "$(offered left "posix/$object" "sysv/$key")" "left
posix/$object
sysv/$key"
is "... with size and why" "$("$segctl" gc --dry-run -n -o SIZE,WHY left | sed 's/  */ /g; s/^ //')" "8K nobody has it open or mapped"
is "what is declared is not" "$(offered declared)" ""
for way in open map map-private flight; do
	hold $way "$mnt/left"
	is "a segment of the store, $way" "$(offered left)" ""
	let_go
	ok "... is offered again" until_true eval '[ "$(offered left)" = left ]'
	for path in "/dev/shm/$object" "$mnt/posix/$object"; do
		can_hold $way "$path" || continue
		hold $way "$path"
		is "a POSIX object, $way, ${path%/*}" "$(offered "posix/$object")" ""
		let_go
		ok "... is offered again" until_true eval "[ \"\$(offered posix/$object)\" = posix/$object ]"
	done
done
hold attach "$id"
is "a System V segment that is attached" "$(offered "sysv/$key")" ""
let_go
is "... is offered again" "$(offered "sysv/$key")" "sysv/$key"
for way in open map flight; do
	can_hold $way "$mnt/sysv/$key" || continue
	hold $way "$mnt/sysv/$key"
	is "a System V segment, $way" "$(offered "sysv/$key")" ""
	let_go
	ok "... is offered again" until_true eval "[ \"\$(offered sysv/$key)\" = sysv/$key ]"
done
exec 5<>"$mnt/left"
kill -9 "$(status worker_pid)"
is "an open segment, after the death of the worker" "$(offered left)" ""
exec 5>&-

# --- what is removed ---

exits "nobody can be asked" 1 "$segctl" gc left
ok "... nothing is removed" test -e "$mnt/left"
exits "not old enough" 0 "$segctl" gc --yes --older-than 1h left
ok "... stays" test -e "$mnt/left"
exits "a dry run" 0 "$segctl" gc --dry-run --yes left
ok "... removes nothing" test -e "$mnt/left"
exits "--yes" 0 "$segctl" gc --yes left "posix/$object" "sysv/$key"
ok "... removes all" eval '[ ! -e "$mnt/left" ] && [ ! -e "/dev/shm/$object" ] && ! ipcs -m | grep -q "^$key "'
touch "$mnt/old"
touch -d '3 days ago' "$mnt/old"
is "the age is that of the last use" "$("$segctl" gc --dry-run --older-than 2d -n -o NAME old)" ""
fits gc "$segctl" gc --json --dry-run
rm "$mnt/old"
mkdir "$mnt/names"
hostile_names "$mnt/names"
exits "odd names" 0 "$segctl" gc --yes names
is "... are removed" "$(find "$mnt/names" -type f | wc -l)" 0

# --- who may ---

chmod 1777 "$mnt"
touch "$mnt/of-root"
as_user touch "$mnt/of-user"
is "an ordinary user is offered his own" "$(as_user "$segctl" gc --dry-run -n -o NAME --source store | sed 's/ *$//')" of-user
exits "... and removes them" 0 as_user "$segctl" gc --yes --source store
ok "... and nothing else" eval '[ -e "$mnt/of-root" ] && [ ! -e "$mnt/of-user" ]'
mkdir -m 755 "$mnt/shut"
touch "$mnt/shut/file"
chown 65534 "$mnt/shut/file"
exits "a name that he may not remove" 4 as_user "$segctl" gc --yes shut
ok "... stays" test -e "$mnt/shut/file"
rm -r "$mnt/shut"

# --- in a terminal ---

if command -v tmux >/dev/null; then
	touch "$mnt/one" "$mnt/two"
	terminal 80 24 "$segctl" gc one two
	ok "it asks" shows "Remove these 2 (0)? [y/N]"
	keys Enter
	ended
	is "no answer is no" "$(screen | grep -c 'nothing was removed')" 1
	terminal 80 24 "$segctl" gc -i one two
	ok "it asks for each" shows "Remove one? [y/N]"
	keys y Enter
	ok "... of them" shows "Remove two? [y/N]"
	keys C-c
	until_true test ! -e "$mnt/one"
	ok "what was confirmed is removed" eval '[ ! -e "$mnt/one" ] && [ -e "$mnt/two" ]'
else
	tap_skip "it asks" tmux
fi
umount "$mnt"
tap_done
