#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How missing packages are installed: by which targets, and what happens while another program holds the locks of apt and dpkg. With a
# dpkg-query that knows no package, and with an apt-get in front of the real one that installs nothing on this machine. Which source
# of libfuse is built.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

grep -q '^ID=debian$' /etc/os-release || tap_skip_all "Debian"
command -v apt-get perl make >/dev/null || tap_skip_all "apt-get, perl and make"
[ "$(id -u)" -eq 0 ] || tap_skip_all root

tree=$TMPDIR/tree
calls=$TMPDIR/calls
mkdir -p "$tree/packaging" "$TMPDIR/bin" "$TMPDIR/apt/lists/partial" "$TMPDIR/apt/archives/partial" "$TMPDIR/apt/parts" "$TMPDIR/apt/dpkg"
cp "$SEGFS_TOP/Makefile" "$tree"
cp "$SEGFS_TOP/packaging/bootstrap" "$SEGFS_TOP/packaging/apt.sh" "$tree/packaging"
: >"$TMPDIR/apt/dpkg/status"
: >"$TMPDIR/apt/sources.list"
: >"$calls"
# an apt with a state of its own, which knows no package and no mirror
cat >"$TMPDIR/apt.conf" <<END
Dir::State "$TMPDIR/apt";
Dir::State::lists "$TMPDIR/apt/lists";
Dir::State::status "$TMPDIR/apt/dpkg/status";
Dir::Cache "$TMPDIR/apt";
Dir::Cache::archives "$TMPDIR/apt/archives";
Dir::Etc::SourceList "$TMPDIR/apt/sources.list";
Dir::Etc::SourceParts "$TMPDIR/apt/parts";
END
real=$(command -v apt-get)
cat >"$TMPDIR/bin/apt-get" <<END
#!/bin/sh
echo "\$*" >>"$calls"
APT_CONFIG="$TMPDIR/apt.conf" exec "$real" "\$@"
END
printf '#!/bin/sh\nexit 1\n' | tee "$TMPDIR/bin/dpkg-query" >"$TMPDIR/bin/pkg-config"
chmod +x "$TMPDIR/bin"/*
export PATH=$TMPDIR/bin:$PATH
unset CI WERROR CROSS

holder=
let_go() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
	holder=
}
trap let_go EXIT

# hold FILE: a process has the lock of it, as dpkg takes it
hold() {
	perl -MFcntl -e '
		open(my $f, ">>", $ARGV[0]) or die;
		my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
		fcntl($f, F_SETLK, $lock) or die "$!";
		open(my $told, ">", $ARGV[1]) and close($told); sleep(300)' "$1" "$TMPDIR/held" &
	holder=$!
	until_true test -e "$TMPDIR/held"
	rm "$TMPDIR/held"
}
until_true() {
	local tries
	for ((tries = 0; tries < 1000; tries++)); do
		if "$@" >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.02
	done
	return 1
}
n_calls() { grep -c "$1" "$calls"; }
is_called_again() { [ "$(n_calls "$1")" -ge 2 ]; }

# --- locks -------------------------------------------------------------------------------------------------------------

bootstrap=$tree/packaging/bootstrap
for lock in lists/lock dpkg/lock-frontend dpkg/lock; do
	call=update
	[ $lock = lists/lock ] || call=install
	hold "$TMPDIR/apt/$lock"
	: >"$calls"
	"$bootstrap" lint 2>"$TMPDIR/said" &
	waiting=$!
	ok "$lock is held: it waits" until_true is_called_again $call
	ok "... and goes on" kill -0 $waiting
	is "... and says so once, and for whom" "$(grep -c "^bootstrap: waiting for process $holder (.*), which holds .*$lock; for 600 seconds" "$TMPDIR/said") $(grep -c waiting "$TMPDIR/said")" "1 1"
	let_go
	wait $waiting
	is "... until it is free" "$? $(grep -c 'Unable to locate package' "$TMPDIR/said" | sed 's/[1-9].*/some/')" "100 some"
done
hold "$TMPDIR/apt/lists/lock"
LOCK_TIMEOUT=1 "$bootstrap" lint 2>"$TMPDIR/said"
is "it gives up after a while" "$?" 1
is "... and says what to do" "$(tail -n 1 "$TMPDIR/said")" \
	"bootstrap: gave up after 1 seconds of waiting for process $holder (perl), which holds $TMPDIR/apt/lists/lock; try again when that has ended"
let_go

# --- targets -----------------------------------------------------------------------------------------------------------

installs() { # TARGET
	: >"$calls"
	rm -rf "$tree/build"
	not_ok "make $1 without what it needs" make -C "$tree" "$1" DESTDIR="$TMPDIR/destination"
	is "... installs it" "$(n_calls install)" 1
}
says() { # TARGET
	: >"$calls"
	rm -rf "$tree/build"
	make -C "$tree" "$1" DESTDIR="$TMPDIR/destination" >"$TMPDIR/said" 2>&1
	is "make $1 without what it needs" "$?" 2
	is "... says so" "$(grep -c '^bootstrap: missing: .*libcap-ng.*(packages: .*libcap-ng-dev' "$TMPDIR/said") $(grep -c '^bootstrap: install what is missing, as root: make deps DEPS=build$' "$TMPDIR/said")" "1 1"
	is "... and calls no apt-get" "$(cat "$calls")" ""
	not_ok "... and installs nothing" test -e "$TMPDIR/destination"
}
for target in deps run check lint; do
	installs $target
done
for target in all install tests bench fuzz stress; do
	says $target
done
: >"$calls"
for target in help clean stop uninstall; do
	make -C "$tree" $target DESTDIR="$TMPDIR/destination" >/dev/null 2>&1
done
is "other targets need nothing" "$(cat "$calls")" ""

# --- another architecture ----------------------------------------------------------------------------------------------

# a dpkg that knows no other architecture yet; what the machine's own is, is not a call that counts
cat >"$TMPDIR/bin/dpkg" <<END
#!/bin/sh
case \$1 in
--print-architecture) echo amd64 ;;
--print-foreign-architectures) ;;
*) echo "dpkg \$*" >>"$calls" ;;
esac
END
chmod +x "$TMPDIR/bin/dpkg"
for target in all check-unit; do
	: >"$calls"
	rm -rf "$tree/build"
	make -C "$tree" CROSS=aarch64-linux-gnu $target >"$TMPDIR/said" 2>&1
	is "make CROSS=aarch64-linux-gnu $target without what it needs" "$?" 2
	is "... says so" "$(grep -c '^bootstrap: missing: .*(packages: gcc-aarch64-linux-gnu .*libcap-ng-dev:arm64' "$TMPDIR/said") $(grep -c '^bootstrap: install what is missing, as root: make deps CROSS=aarch64-linux-gnu DEPS=build$' "$TMPDIR/said")" "1 1"
	is "... and installs nothing" "$(cat "$calls")" ""
done
not_ok "make deps CROSS=aarch64-linux-gnu" make -C "$tree" CROSS=aarch64-linux-gnu deps
is "... lets dpkg have the architecture before it looks for its packages" "$(sed -n '1p;2s/.*update/update/p' "$calls" | tr '\n' ' ')" "dpkg --add-architecture arm64 update "
ok "... and installs them" grep -q 'install .* gcc-aarch64-linux-gnu .* libseccomp-dev:arm64' "$calls"
not_ok "an unknown machine" env CROSS=pdp11-unix "$bootstrap" build
is "... is an error that names those that are known" "$(CROSS=pdp11-unix "$bootstrap" build 2>&1)" "bootstrap: CROSS=pdp11-unix is not known; known: aarch64-linux-gnu"
not_ok "there is no bench for another machine" env CROSS=aarch64-linux-gnu "$bootstrap" bench
rm "$TMPDIR/bin/dpkg"

# --- the source of libfuse ---------------------------------------------------------------------------------------------

# a distribution with an old libfuse and all packages, and a mirror with one source package, whose version is in the file `version`
printf '#!/bin/sh\nexit 0\n' >"$TMPDIR/bin/apt-cache"
printf '#!/bin/sh\neval name=\\$$#; for package in $name; do echo "ii $package"; done\n' >"$TMPDIR/bin/dpkg-query"
printf '#!/bin/sh\necho "$0 $*" >>"%s"\nexit 1\n' "$calls" | tee "$TMPDIR/bin/meson" >"$TMPDIR/bin/dpkg-source"
cat >"$TMPDIR/bin/apt-get" <<END
#!/bin/sh
case "\$*" in
indextargets*) echo file:/nowhere ;;
*" source "*)
	version=\$(cat "$TMPDIR/version")
	case "\$*" in
	*" fuse3=\$version") echo other >"fuse3_\$version.dsc" ;;
	*) echo "E: Can not find a version of that" >&2; exit 100 ;;
	esac
	;;
esac
END
chmod +x "$TMPDIR/bin"/*
wanted=$(sed -n 's/^readonly FUSE_SOURCE=\([^ ]*\).*/\1/p' "$bootstrap")
: >"$calls"
echo "$wanted+other" >"$TMPDIR/version"
not_ok "another version of the source is not taken" "$bootstrap" build
"$bootstrap" build 2>"$TMPDIR/said"
is "... which is said" "$(grep -c "^bootstrap: can't get fuse3 $wanted; " "$TMPDIR/said")" 1
echo "$wanted" >"$TMPDIR/version"
not_ok "nor is another file of that version" "$bootstrap" build
"$bootstrap" build 2>"$TMPDIR/said"
is "... which is said, too" "$(grep -c "^bootstrap: fuse3_$wanted.dsc is not the file whose checksum" "$TMPDIR/said")" 1
is "... and nothing was unpacked or built" "$(cat "$calls")" ""
tap_done
