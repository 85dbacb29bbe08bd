#compdef segctl
# SPDX-License-Identifier: MIT
#
# Completion of segctl for zsh: the program itself says what a word can be.

_segctl() {
	local line word
	local -a names directories texts directory_texts given
	given=(${(Q)words[2,CURRENT]})
	for line in ${(f)"$(${(Q)words[1]} --complete "${given[@]}" 2>/dev/null)"}; do
		if [[ $line == $'\tfiles' ]]; then
			_files
			return
		fi
		word=${line%%$'\t'*}
		if [[ $word == */ ]]; then
			directories+=("$word")
			directory_texts+=("$word -- ${line#*$'\t'}")
		else
			names+=("$word")
			texts+=("$word -- ${line#*$'\t'}")
		fi
	done
	compadd -l -d texts -a names
	compadd -l -S '' -d directory_texts -a directories
}

_segctl "$@"
