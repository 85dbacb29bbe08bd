#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A PostgreSQL server that keeps its memory in all three ways: a System V segment, POSIX objects, and shared_buffers in an anonymous
# mapping. All of it is seen and read through the mount while the server works, and gone when it has stopped.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/segfs.sh
. "$(dirname "$0")/../lib/segfs.sh"

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
data=$TMPDIR/data
user=nobody

cleanup() {
	[ ! -e "$data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1
	for object in ${objects-}; do rm -f "/dev/shm/${object#posix/}"; done
	segfs_clean_up
}
trap cleanup EXIT

as() { (cd / && setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups env HOME="$data" PGHOST="$data" "$@"); }
[ -x "$bin/postgres" ] || tap_skip_all PostgreSQL

chmod 711 "$TMPDIR"
install -d -o $user -m 700 "$data"
as "$bin/initdb" -D "$data" --auth=trust --username=tester --locale=C --no-sync >"$TMPDIR/initdb.log" 2>&1 ||
	tap_diag "$(tail -n 5 "$TMPDIR/initdb.log")"
cat >>"$data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$data'
shared_memory_type = mmap
dynamic_shared_memory_type = posix
min_dynamic_shared_memory = 4MB
shared_buffers = 32MB
huge_pages = off
fsync = off
END
ok "segfs mounts" start
ok "the server starts" as "$bin/pg_ctl" -D "$data" -w -t "$(wait_seconds 30)" -l "$data/log" start
server=$(head -n 1 "$data/postmaster.pid")
key=$(awk 'NR == 7 { printf "0x%08x", $1 }' "$data/postmaster.pid")
id=$(awk 'NR == 7 { print $2 }' "$data/postmaster.pid")
attribute() { getfattr --absolute-names --only-values -n "user.segfs.$1" "$2" 2>/dev/null; }
magic() { od -An -td4 -N4 "$1" | tr -d ' '; }

# --- the System V segment
segment=$mnt/sysv/$key
is "its System V segment" "$(stat -c %U:%a "$segment")" $user:600
is "... by its id" "$(attribute shmid "$segment")" "$id"
is "... made by the server" "$(attribute creator-pid "$segment")" "$server"
is "... is no orphan" "$(attribute orphan "$segment")" no
is "... begins as PostgreSQL's do" "$(magic "$segment")" 679834894

# --- POSIX objects
posix_names() { find "$1" -maxdepth 1 -user $user -name 'PostgreSQL.*' -printf '%f %s\n' | sort; }
is "its POSIX objects" "$(posix_names "$mnt/posix")" "$(posix_names /dev/shm)"
object=$(posix_names "$mnt/posix" | awk '{ print $1; exit }')
ok "... there is one" test -n "$object"
ok "... which the server has mapped" grep -qw "$server" <<<"$(attribute mapped-pids "$mnt/posix/$object")"
is "... and which is no orphan" "$(attribute orphan "$mnt/posix/$object")" no

# --- shared_buffers
buffers=$(find "$mnt/process/$server" -name 'anon-*' -size +32M | head -n 1)
ok "its shared_buffers" test -n "$buffers"
is "... belong to the server's user" "$(stat -c %U "$buffers")" $user
is "... begin as PostgreSQL's do" "$(magic "$buffers")" 679834894
other=$(pgrep -P "$server" | head -n 1)
ok "... are shared by its processes" grep -qw "$other" <<<"$(attribute users "$buffers")"
as head -c 4 "$buffers" >"$TMPDIR/own"
is "... can be read by its own user" "$(magic "$TMPDIR/own")" 679834894
not_ok "... and by no other" setpriv --reuid=12345 --regid=12345 --clear-groups head -c 1 "$buffers"

# --- segctl
offered() { SEGFS_MOUNT=$mnt "$SEGFS_OUT/segctl" gc --dry-run -n -o NAME --source sysv,posix "sysv/$key" "posix/PostgreSQL.*" | sed 's/ *$//' | sort; }
is "segctl lists its memory" "$(SEGFS_MOUNT=$mnt "$SEGFS_OUT/segctl" ls -n -o OWNER,ORPHAN "sysv/$key" "posix/$object" | sort -u | sed 's/  */ /g')" \
	"$user no"
is "... and leaves it alone" "$(offered)" ""

# --- work goes on meanwhile
ok "a database is made" as "$bin/pgbench" -i -q -s 1 -U tester postgres
as "$bin/pgbench" -n -c 2 -t 300 -U tester postgres >"$TMPDIR/pgbench" 2>&1 &
bench=$!
reads=0
while kill -0 $bench 2>/dev/null; do
	cat "$segment" "$mnt/posix/$object" "$buffers" >"$TMPDIR/copy" && reads=$((reads + 1))
done
ok "pgbench runs" wait $bench
is "... all its transactions" "$(sed -n 's/^number of transactions actually processed: //p' "$TMPDIR/pgbench")" 600/600
ok "... while all of its memory is read" test $reads -gt 0
as "$bin/psql" -q -U tester -c "create table t as select 'a text that nobody else writes' as c" -c "select * from t" postgres >/dev/null
ok "what a table holds is in shared_buffers" grep -qa "a text that nobody else writes" "$buffers"

# --- what a killed server leaves behind
objects=$(posix_names "$mnt/posix" | awk '{ print "posix/" $1 }')
pids=$(pgrep -P "$server")
kill -9 "$server"
for pid in $server $pids; do until_true gone "$pid"; done
rm "$data/postmaster.pid" "$data"/.s.PGSQL.*.lock
ok "it is killed: segctl offers what it left" until_true eval '[ "$(offered)" = "$(sort <<<"$objects
sysv/$key")" ]'
ok "the server starts again" as "$bin/pg_ctl" -D "$data" -w -t "$(wait_seconds 30)" -l "$data/log" start
is "... and its memory is left alone" "$(offered)" ""
key=$(awk 'NR == 7 { printf "0x%08x", $1 }' "$data/postmaster.pid")
segment=$mnt/sysv/$key
buffers=$(find "$mnt/process/$(head -n 1 "$data/postmaster.pid")" -name 'anon-*' -size +32M | head -n 1)

ok "the server stops" as "$bin/pg_ctl" -D "$data" -m fast -w stop
not_ok "the segment is gone" test -e "$segment"
is "the objects are gone" "$(posix_names "$mnt/posix")" ""
not_ok "shared_buffers are gone" test -e "$buffers"
ok "it unmounts" stop
tap_done
