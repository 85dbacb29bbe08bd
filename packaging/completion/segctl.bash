# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Completion of segctl for bash: the program itself says what a word can be.

_segctl() {
	local word line words=("${COMP_WORDS[@]:1:COMP_CWORD}")
	COMPREPLY=()
	word=${words[-1]-}
	# names and files are quoted by bash, and directories go on
	compopt -o filenames
	while IFS= read -r line; do
		case $line in
		$'\tfiles')
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			return
			;;
		*) COMPREPLY+=("${line%%$'\t'*}") ;;
		esac
	done < <("${COMP_WORDS[0]}" --complete "${words[@]}" 2>/dev/null)
	if [[ ${COMPREPLY[0]-} == */ && ${#COMPREPLY[@]} -eq 1 ]]; then
		compopt -o nospace
	fi
}
complete -F _segctl segctl
