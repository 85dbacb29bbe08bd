#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What packaging/lint says of the subjects of commits, in a repository of the test's own.
# shellcheck disable=SC2317 # functions are called by ok
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"

command -v git >/dev/null || tap_skip_all git

tree=$TMPDIR/tree
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
unset GIT_DIR GIT_WORK_TREE
mkdir -p "$tree/packaging" "$tree/fs" "$tree/lib" "$tree/tests"
cp "$SEGFS_TOP/packaging/lint" "$tree/packaging"
repeat() { printf "%$1s" '' | tr ' ' "$2"; }
commit() { git -C "$tree" commit -q --allow-empty -m "$1"; }
lint() { "$tree/packaging/lint" subjects 2>&1; }

ok "outside of a repository there is nothing to check" lint
git -C "$tree" init -q -b main
ok "nor in one without a commit" lint

commit "Add $(repeat 68 x)"
ok "72 characters are allowed" lint
commit "Add $(repeat 67 x)$(printf '\303\244')"
ok "... not bytes" lint
commit "Add $(repeat 69 x)"
is "73 are not" "$(lint | sed -n 's/^commit [0-9a-f]*: \(.*\): Add x*$/\1/p')" "the subject has 73 characters, 72 are allowed"
not_ok "... which is a failure" lint
commit "Add a row"
ok "without origin/main it is the last commit that counts" lint
git -C "$tree" update-ref refs/remotes/origin/main HEAD
commit "Add a full stop."
commit "42 is a number"
commit "Add another row"
is "otherwise all that it does not have" "$(lint | sed -n 's/^commit [0-9a-f]*: //p')" \
	"the subject does not start with a letter: 42 is a number
the subject ends with a full stop: Add a full stop."
is "only the check that is named runs" "$(lint | grep -c '^  ')" 1

tap_done
