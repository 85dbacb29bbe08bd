# SPDX-License-Identifier: MIT
#
# Completion of segctl for fish: the program itself says what a word can be.

function __segctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command $words[1] --complete $words[2..-1] 2>/dev/null)
    if contains -- \tfiles $found
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $found
    end
end
complete -c segctl -f -a '(__segctl_complete)'
