#!/bin/bash
# SPDX-License-Identifier: MIT
#
# segctl status, reload, upgrade, check, purge and doctor; and mounts that only pretend to be of segfs.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

clean_up() {
	local directory
	for directory in "$TMPDIR"/pretended*; do
		if is_mounted "$directory"; then umount -l "$directory"; fi
	done
	[ -z "${victim-}" ] || kill -9 "$victim" 2>/dev/null
	segctl_clean_up
}
trap clean_up EXIT

for command in status reload upgrade check purge doctor; do
	help_fits $command
done
for command in status reload upgrade; do
	exits "$command without a mount" 3 env SEGFS_MOUNT="$TMPDIR" "$segctl" $command
	exits "$command with an argument" 2 "$segctl" $command now
done

# --- status ---

config=$TMPDIR/segfs.ini
printf '[directory small]\nmedium = memory\nsize = 1M\n' >"$config"
start --config "$config" || tap_skip_all "a mount"
says "status" "segfs $("$segctl" --version | cut -d ' ' -f 2) on $mnt, instance $name" "$segctl" status
says "... of the stores" "store small          0 of 1M (0 %)" "$segctl" status
fits status "$segctl" status --json
wrong=0
[ "$usual_mode" = direct ] || wrong=1 # that the kernel has no passthrough
is "nothing is wrong" "$("$segctl" status --json | jq '.problems | length')" $wrong
exits "... and that can be asked" $wrong "$segctl" status --check
head -c 1000000 /dev/zero >"$mnt/small/fill"
is "a store that is nearly full" "$("$segctl" status | head -n 1 | cut -d ' ' -f 1-8)" "! store small: 95 % of its bytes"
exits "... is wrong" 1 "$segctl" status --check
rm "$mnt/small/fill"
kill -9 "$(status worker_pid)"
says "a worker that has died" "its worker has ended 1 times" "$segctl" status
says "an ordinary user may ask" "instance $name" as_user "$segctl" status

# --- reload and upgrade ---

printf '[directory small]\nmedium = memory\nsize = 2M\n' >"$config"
exits "reload" 0 "$segctl" reload
is "... is done when it returns" "$(df --output=size "$mnt/small" | tail -n 1 | tr -d ' ')" 2048
printf '[directory small]\nmedium = memory\nsizes = 2M\n' >"$config"
exits "a refused one" 1 "$segctl" reload
says "... says why" "refused: $config:3: unknown key 'sizes'" "$segctl" reload
says "... also later" "!! the last reload was refused: $config:3" "$segctl" status
is "... as JSON" "$("$segctl" status --json | jq -r .reload_error | cut -d ';' -f 1)" "$config:3: unknown key 'sizes' in [directory small], perhaps 'size'"
printf '[directory small]\nmedium = memory\nsize = 3M\n' >"$config"
exits "check of a configuration" 0 "$segctl" check "$config"
exits "reload again" 0 "$segctl" reload
is "... the reason is gone" "$("$segctl" status --json | jq .reload_error)" null
pids=$(status worker_pid)
exec 5<>"$mnt/small/open"
exits "upgrade" 0 "$segctl" upgrade
ok "... is done when it returns" test "$(status worker_pid)" != "$pids"
is "... and files stay open" "$(echo hello >&5; cat "$mnt/small/open")" hello
exec 5>&-
is "it is counted" "$(status upgrades)" 1
exits "an ordinary user may not" 4 as_user "$segctl" upgrade
exits "... nor this" 4 as_user "$segctl" reload
is "... nothing has happened" "$(status upgrades)" 1
# a program that cannot take over
cp "$SEGFS" "$TMPDIR/segfs-copy"
mkdir "$TMPDIR/pretended-none" "$TMPDIR/second"
"$TMPDIR/segfs-copy" "$TMPDIR/second"
printf '#!/bin/sh\nexit 1\n' >"$TMPDIR/segfs-new"
chmod +x "$TMPDIR/segfs-new"
mv "$TMPDIR/segfs-new" "$TMPDIR/segfs-copy"
exits "an upgrade that is refused" 1 "$segctl" --mount "$TMPDIR/second" upgrade
says "... says why" "the program file has not passed its check" "$segctl" --mount "$TMPDIR/second" upgrade
exits "... the old one continues" 0 "$segctl" --mount "$TMPDIR/second" ls

# --- check and purge ---

printf '[segment a]\nsize = much\n' >"$TMPDIR/bad.ini"
exits "a wrong configuration" 1 "$segctl" check "$TMPDIR/bad.ini"
says "... says why" "bad.ini:2" "$segctl" check "$TMPDIR/bad.ini"
second=$(sed 's|^/||; s|/|-|g' <<<"$TMPDIR/second")
exits "purge of what is mounted" 1 "$segctl" purge --yes "$second"
umount "$TMPDIR/second"
exits "nobody can be asked" 1 "$segctl" purge "$second"
ok "... nothing is removed" test -d "/run/segfs/$second"
exits "purge" 0 "$segctl" purge --yes "$second"
not_ok "... removes it" test -d "/run/segfs/$second"

# --- doctor ---

exits "doctor" 0 "$segctl" doctor
needs passthrough says "... says how it is" "$mnt: the kernel moves the bytes" "$segctl" doctor --all
fits doctor "$segctl" doctor --json
fits doctor as_user "$segctl" doctor --json
is "what is missing has a remedy" "$("$segctl" doctor --json | jq '[.findings[] | select(.state == "missing" and .remedy == null)] | length')" 0
is "... also for an ordinary user" "$(as_user "$segctl" doctor --json | jq '[.findings[] | select(.state != "ok" and .remedy == null)] | length')" 0

# --- mounts that pretend ---

# Mounts one until unpretend.
pretend() { # NAME USER [PID]
	mkdir -p "$TMPDIR/pretended$1"
	rm -f "$TMPDIR/pretending"
	/usr/bin/python3 "$SEGFS_TOP/tests/tool/pretend.py" "$TMPDIR/pretended$1" "${@:2}" >"$TMPDIR/pretending" &
	pretender=$!
	until_true grep -q ready "$TMPDIR/pretending"
}
unpretend() {
	umount -l "$TMPDIR/pretended$1"
	kill -9 $pretender
	wait $pretender 2>/dev/null
}
limit=$(wait_seconds 10)
others=$(findmnt --noheadings --types fuse.segfs -o TARGET | grep -cv "^$TMPDIR")
pretend 1 1000
if [ "$others" -eq 0 ]; then
	exits "somebody else's mount is not the only one" 0 timeout "$limit" env -u SEGFS_MOUNT "$segctl" ls
	in_python() { timeout "$limit" env -u SEGFS_MOUNT PYTHONPATH="$SEGFS_TOP/lib/python" LD_LIBRARY_PATH="$SEGFS_OUT" /usr/bin/python3 -c "$1"; }
	if in_python 'import segfs' 2>/dev/null; then
		in_python 'import segfs; segfs.SharedMemory("made", create=True, size=10)'
		ok "... the library does not take it either" test -e "$mnt/made"
	else
		tap_skip "... the library does not take it either" "Python 3.11"
	fi
else
	tap_skip "somebody else's mount is not the only one" "a machine without other mounts"
fi
unpretend 1
sleep 1000 &
victim=$!
pretend 2 1000 $victim
exits "root does not signal whom somebody else's mount names" 4 timeout "$limit" "$segctl" --mount "$TMPDIR/pretended2" upgrade
ok "... who lives" kill -0 $victim
unpretend 2
kill $victim
wait $victim 2>/dev/null
victim=
umount "$mnt"
tap_done
