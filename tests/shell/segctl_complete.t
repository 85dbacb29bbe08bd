#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Completion of segctl in bash, zsh and fish: commands, options, names of segments, files.
set -u
# shellcheck source=tests/lib/tap.sh
. "$SEGFS_TOP/tests/lib/tap.sh"
# shellcheck source=tests/lib/segctl.sh
. "$SEGFS_TOP/tests/lib/segctl.sh"

words() { "$segctl" --complete "$@" | cut -f 1; }
start || tap_skip_all "a mount"
mkdir "$mnt/video"
touch "$mnt/video/ring" "$mnt/video/two words" "$mnt/vector" "$mnt/"$'esc\e[31m'

is "commands" "$(words lo | sort)" "load
lock
locks"
is "... all of them" "$(words "" | wc -l)" "$("$segctl" --help | grep -c '^  [a-z]')"
is "options of all" "$(words --m)" --mount
is "options of a command" "$(words ls --so)" "--sort
--source"
is "each option can be completed" "$(for command in $(words ""); do
	diff <(words "$command" -- | grep -v -e --help) <("$segctl" "$command" --help | sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p')
done)" ""
is "names" "$(words ls v)" "$(find "$mnt" -mindepth 1 -maxdepth 1 -name 'v*' -printf '%f\n' | sed 's|video|video/|')"
is "... in a directory" "$(words stat video/ | sort)" "video/ring
video/two words"
is "... after options" "$(words ls --sort SIZE -J vec)" vector
is "... not with control characters" "$(words ls esc)" ""
is "an argument of an option is no name" "$(words ls --sort v)" ""
is "a second name of a command that takes one" "$(words dump vector v 2>/dev/null)" ""
is "files" "$("$segctl" --complete check x)" $'\tfiles'
is "of another mount" "$(SEGFS_MOUNT='' words --mount "$mnt" ls vec)" vector
is "no mount" "$(SEGFS_MOUNT=/nowhere words ls v)" ""
ok "a line that is no command" "$segctl" --complete
ok "... nor anything" "$segctl" --complete --mount

# --- bash ---

# Prints what bash makes of a line whose last word is completed.
in_bash() { # WORD...
	PATH=$SEGFS_OUT:$PATH bash --norc -c '
. "$SEGFS_TOP/packaging/completion/segctl.bash"
compopt() { :; }
COMP_WORDS=(segctl "$@") COMP_CWORD=$#
_segctl
printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}
is "bash: commands" "$(in_bash atta)" attached
is "bash: names" "$(in_bash ls vi)" video/
is "bash: two words" "$(in_bash ls "video/t")" "video/two words"
is "bash: files" "$(cd "$TMPDIR" && touch some.ini && in_bash check some)" some.ini

in_terminal() { # SHELL..., which is ready when it prompts
	terminal 100 24 env "PATH=$SEGFS_OUT:$PATH" "SEGFS_MOUNT=$mnt" "SEGFS_TOP=$SEGFS_TOP" "$@"
}
if command -v tmux >/dev/null; then
	in_terminal bash --norc -i
	keys "PS1='ready>'" Enter
	shows "ready>"
	keys '. $SEGFS_TOP/packaging/completion/segctl.bash; clear' Enter
	keys "segctl ls video/t" Tab
	ok "bash: typed" shows 'segctl ls video/two\ words'
else
	tap_skip "bash: typed" tmux
fi

# --- zsh ---

if command -v zsh >/dev/null && command -v tmux >/dev/null; then
	mkdir "$TMPDIR/functions"
	cp "$SEGFS_TOP/packaging/completion/segctl.zsh" "$TMPDIR/functions/_segctl"
	in_terminal "TMPDIR=$TMPDIR" zsh -f -i
	keys "PS1='ready>'" Enter
	shows "ready>"
	keys 'fpath=($TMPDIR/functions $fpath); autoload -U compinit; compinit -u -d $TMPDIR/dump; clear; echo lo""aded' Enter
	shows loaded
	keys "segctl atta" Tab
	ok "zsh: a command" shows "segctl attached"
	keys C-u "segctl ls video/t" Tab
	ok "zsh: a name" shows 'segctl ls video/two\ words'
	keys C-u "segctl ls vi" Tab
	ok "zsh: a directory" shows 'segctl ls video/'
	keys C-u "segctl ls --so" Tab Tab
	ok "zsh: what words are" shows "sort by this column"
else
	tap_skip "zsh" zsh
fi

# --- fish ---

in_fish() { # LINE
	HOME=$TMPDIR PATH=$SEGFS_OUT:$PATH fish --no-config -c "source $SEGFS_TOP/packaging/completion/segctl.fish; complete -C '$1'" 2>/dev/null || :
}
if command -v fish >/dev/null; then
	is "fish: a command" "$(in_fish 'segctl atta' | cut -f 1)" attached
	is "fish: a name" "$(in_fish 'segctl ls video/r' | cut -f 1)" video/ring
	is "fish: two words" "$(in_fish 'segctl ls video/tw' | cut -f 1)" "video/two words"
	is "fish: what words are" "$(in_fish 'segctl ls --sor')" $'--sort\tsort by this column'
else
	tap_skip "fish" fish
fi
umount "$mnt"
tap_done
