"""The scripts that `flowyd completion` prints: each asks `flowyd complete` at every Tab.

The program that is completed is the one that is asked, so a flowyd of a virtual environment completes itself.
"""

from __future__ import annotations

# bash cuts words at = and :, flowyd puts the = back together; what is left of a word to its last such sign is
# taken off the answers, as bash only replaces what is right of it.
BASH = r"""# bash completion of flowyd:  source <(flowyd completion bash)
_flowyd() {
    local line word cur=${COMP_WORDS[COMP_CWORD]}
    local -a found
    [[ $cur == "=" ]] && cur=""
    COMPREPLY=()
    mapfile -t found < <("${COMP_WORDS[0]}" complete bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${found[0]} == ":files" ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
    fi
    for line in "${found[@]}"; do
        word=${line%%$'\t'*}
        [[ $word == --*=* ]] && word=${word#*=}
        if [[ $cur != [\'\"]* ]]; then
            printf -v word '%q' "$word"
        fi
        COMPREPLY+=("$word")
    done
}
complete -o nosort -F _flowyd flowyd 2>/dev/null || complete -F _flowyd flowyd
"""

ZSH = r"""#compdef flowyd
# zsh completion of flowyd: a file _flowyd in a directory of fpath, or  source <(flowyd completion zsh)
_flowyd() {
    local line
    local -a found values shown
    found=("${(@f)$(${words[1]} complete zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${found[1]} == ":files" ]]; then
        _files
        return
    fi
    for line in $found; do
        [[ -z $line ]] && continue
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    (( $#values )) && compadd -l -d shown -a values
}
if [[ ${funcstack[1]} == _flowyd ]]; then
    _flowyd "$@"
else
    compdef _flowyd flowyd
fi
"""

FISH = r"""# fish completion of flowyd:  flowyd completion fish > ~/.config/fish/completions/flowyd.fish
function __flowyd_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -l found ($program complete fish -- $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c flowyd -f -a '(__flowyd_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
