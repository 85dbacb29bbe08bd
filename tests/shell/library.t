#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The installed library: programs are compiled with it and run, it exports what is listed, and every function has a page.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/installed.sh
. "$SEGFS_TOP/tests/lib/installed.sh"

export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
read -ra flags <<<"$(pkg-config --cflags --libs segfs)"
ok "pkg-config knows it" test ${#flags[@]} -ge 2

# --- C, with the shared and the static library ---

compile() { "${CC:-cc}" -std=c99 -Wall -Wextra -pedantic -Werror "$@"; }
ok "a C program" compile -o hello "$examples/hello.c" "${flags[@]}"
is "... is linked with the shared library" "$(ldd hello | grep -c "$root/usr/lib/libsegfs.so.0")" 1
is "... says what is not there" "$(./hello read 2>&1)" "hello: No such file or directory"
ok "... creates a segment" ./hello write "said by C"
is "... and reads it" "$(./hello read)" "said by C"
is "... which is a file of the mount" "$(stat -c '%a %s' directory/hello)" "600 4096"
truncate -s 100 directory/hello
is "... and says what is too small" "$(./hello read 2>&1)" \
	"hello: the size is not as demanded, or the value is too long"
rm directory/hello
ok "the same, linked statically" compile -o hello-static "$examples/hello.c" \
	"-I$root/usr/include" "$root/usr/lib/libsegfs.a"
ok "... creates a segment" env -u LD_LIBRARY_PATH ./hello-static write "said by C"
is "... and reads it" "$(env -u LD_LIBRARY_PATH ./hello-static read)" "said by C"

# --- C++ ---

if command -v "${CXX:-c++}" >/dev/null; then
	cat >list.cc <<'EOF'
#include <segfs.h>
#include <iostream>

static int print(const struct segfs_entry *entry, void *)
{
	std::cout << entry->name << ' ' << entry->size << '\n';
	return 0;
}

int main()
{
	return segfs_list("", print, nullptr);
}
EOF
	ok "a C++ program" "${CXX:-c++}" -std=c++11 -Wall -Wextra -pedantic -Werror -o list list.cc "${flags[@]}"
	is "... lists the segment" "$(./list)" "hello 4096"
else
	tap_skip "a C++ program" "a C++ compiler"
fi

# --- what is in it ---

exported=$(nm -D --defined-only "$root/usr/lib/libsegfs.so.0" | awk '$2 != "A" {sub("@.*", "", $3); print $3}' | sort)
listed=$(sed -n 's/^\t\(segfs_[a-z_]*\);$/\1/p' "$SEGFS_TOP/lib/libsegfs.map" | sort)
declared=$(sed -n 's/^SEGFS_API .*\<\(segfs_[a-z_]*\)(.*/\1/p' "$root/usr/include/segfs.h" | sort)
is "it exports the functions that are listed" "$exported" "$listed"
is "... which are those of the header" "$declared" "$listed"
is "... and nothing else has a name in the static library" \
	"$(nm -g --defined-only "$root/usr/lib/libsegfs.a" | awk 'NF == 3 {print $3}' | sort)" "$listed"
is "it needs nothing but the C library" \
	"$(objdump -p "$root/usr/lib/libsegfs.so.0" | awk '$1 == "NEEDED" {print $2}' | grep -v '^libc\.so')" ""
is "its name has the version of its interface" \
	"$(objdump -p "$root/usr/lib/libsegfs.so.0" | awk '$1 == "SONAME" {print $2}')" "libsegfs.so.0"
is "... and its only state is each thread's own, and by which it ends with the thread" \
	"$(objdump -t "$root/usr/lib/libsegfs.a" | awk '/ (\.data|\.bss|\.tdata|\.tbss|\*COM\*)\t/ && $NF !~ /^\./ {print $NF}' | sort | xargs)" \
	"at_end thread_current"
for function in $listed; do
	ok "a page describes $function" grep -qw "$function" "$(
		page=$root/usr/share/man/man3/$function.3
		target=$(sed -n 's/^\.so //p' "$page")
		echo "${target:+$root/usr/share/man/}${target:-$page}"
	)"
done

tap_done
