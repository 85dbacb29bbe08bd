#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The models of libsegfs's operations: spin looks at all orders of their steps, with a death at each. A wrong variant of
# each model is found to be wrong.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

command -v spin >/dev/null || tap_skip_all "spin"
trap 'rm -rf "$TMPDIR/model"' EXIT
mkdir "$TMPDIR/model" && cd "$TMPDIR/model" || exit 1
cp "$SEGFS_TOP"/lib/client/models/*.pml .

# Prints how many errors a model has; nothing if it cannot be looked at as a whole.
errors_of() { # model [definition...]
	local model=$1
	shift
	spin "$@" -a "$model.pml" >spin.out 2>&1 && "${CC:-cc}" -O2 -DSAFETY -DNOFAIR -o pan pan.c 2>cc.out &&
		./pan -m200000 -w24 >pan.out 2>&1
	grep -q 'max search depth too small\|out of memory' pan.out || sed -n 's/.*, errors: //p' pan.out
}

while read -ra model; do
	is "${model[*]}" "$(errors_of "${model[@]}")" 0
	is "${model[*]}, a wrong variant" "$(errors_of "${model[@]}" -DWRONG)" 1
done <<'END'
semaphore
event
doorbell
mutex
rwlock
rwlock -DTWO_READERS
wait_any
END

tap_done
