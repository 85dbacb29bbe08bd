# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are the tests'
#
# What tests of segctl share; source it after tap.sh. It sources segfs.sh.
#
#   $segctl                    the program; SEGFS_MOUNT is the test's mount
#   exits NAME STATUS COMMAND...     passes if the command ends with this status
#   says NAME TEXT COMMAND...        passes if its output, errors included, contains the text
#   fits SCHEMA COMMAND...     passes if it prints JSON as tests/tool/schemas/SCHEMA.json has it
#   hostile_names DIRECTORY    makes small segments with names that terminals, shells and parsers can stumble over
#   help_fits COMMAND          passes if the help of a command fits a screen of 80 x 24 and has examples
#   as_user COMMAND...         as a user without rights (nobody)
#   hold WAY PATH              starts a process that uses a segment so, see tests/tool/hold.py; $holder is its pid
#   let_go                     kills it
#
# A terminal of tmux, which is removed when the test ends:
#
#   terminal COLUMNS ROWS COMMAND...   runs the command in a new one, and removes the last one
#   keys KEY...                types, as tmux send-keys
#   screen                     what is on the screen
#   shows TEXT                 waits until the screen contains it
#   resize COLUMNS ROWS
#   ended                      waits until the command has ended
#   close_terminal             ends it, for another one

# shellcheck source=tests/lib/segfs.sh
. "$SEGFS_TOP/tests/lib/segfs.sh"
segctl=$SEGFS_OUT/segctl
export SEGFS_MOUNT=$mnt LC_ALL=C.UTF-8
unset NO_COLOR

exits() { # NAME STATUS COMMAND...
	local output status=0
	output=$("${@:3}" 2>&1 </dev/null) || status=$?
	is "$1" "$status" "$2"
	[ "$status" = "$2" ] || tap_diag "$output"
}

says() { # NAME TEXT COMMAND...
	local output
	output=$("${@:3}" 2>&1 </dev/null)
	case $output in
	*"$2"*) tap_result ok "$1" ;;
	*)
		tap_result "not ok" "$1"
		tap_diag "wanted: $2"
		tap_diag "got:    $output"
		;;
	esac
}

fits() { # SCHEMA COMMAND...
	local output
	if ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
		tap_skip "${*:2}: JSON of the schema $1" python3-jsonschema
		return
	fi
	output=$("${@:2}" 2>/dev/null)
	ok "JSON of the schema $1: ${*:3}" /usr/bin/python3 -c '
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.validate(json.loads(sys.argv[2]), schema)' "$SEGFS_TOP/tests/tool/schemas/$1.json" "$output"
}

hostile_names() { # DIRECTORY
	local name
	for name in $'new\nline' $'escape\e[31mred\e]0;title\a' $'invalid\xff\xfe' 'two words' "quo'te" -dash '*' '\back' \
		$'rtl\u202egnp' 'a=b' '$(id)' 'ümläut' "$(printf 'x%.0s' {1..255})"; do
		printf x >"$1/$name"
	done
}

help_fits() { # COMMAND
	local text
	text=$("$segctl" "$1" --help)
	is "the help of $1 fits a screen" "$(wc -l <<<"$text" | awk '{ print ($1 <= 24) }') $(awk 'length > 80' <<<"$text" | wc -l)" "1 0"
	says "... and has examples" "  segctl $1" printf '%s' "${text#*$'\n'}"
}

as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

terminal() { # COLUMNS ROWS COMMAND...
	[ -z "${tmux_socket-}" ] || tmux -S "$tmux_socket" kill-server 2>/dev/null
	terminals=$((${terminals-0} + 1))
	tmux_socket=$TMPDIR/tmux$terminals
	tmux -S "$tmux_socket" -f /dev/null new-session -d -x "$1" -y "$2" "${*:3}; echo \"status \$?\"; exec sleep 1000"
}
keys() { tmux -S "$tmux_socket" send-keys "$@"; }
screen() { tmux -S "$tmux_socket" capture-pane -p; }
resize() { tmux -S "$tmux_socket" resize-window -x "$1" -y "$2"; }
shows() { until_true screen_has "$1"; }
screen_has() { screen | grep -qF -- "$1"; }
ended() { shows "status "; }
close_terminal() {
	tmux -S "$tmux_socket" kill-server
	until_true no_terminal
}
no_terminal() { ! tmux -S "$tmux_socket" has-session 2>/dev/null; }

hold() {
	rm -f "$TMPDIR/held"
	/usr/bin/python3 "$SEGFS_TOP/tests/tool/hold.py" "$@" >"$TMPDIR/held" &
	holder=$!
	until_true grep -q ready "$TMPDIR/held"
}
let_go() {
	kill -9 "$holder"
	wait "$holder" 2>/dev/null
	holder=
}

segctl_clean_up() {
	[ -z "${holder-}" ] || kill -9 "$holder" 2>/dev/null
	[ -z "${tmux_socket-}" ] || tmux -S "$tmux_socket" kill-server 2>/dev/null
	segfs_clean_up
}
trap segctl_clean_up EXIT
