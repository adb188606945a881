#!/usr/bin/env bash
# symbols.sh NM SHARED STATIC - what the libraries let out: pg_ from the shared one, pg_, pgs_ and pgi_ from the static.
# Names that begin with two underscores belong to the compiler and its sanitizers.
set -euo pipefail
nm=$1 shared=$2 static=$3
status=0

# Prints the names that SYMBOLS defines and PATTERN does not allow; says so and fails if there are any, or none at all.
check() {
    local what=$1 pattern=$2 names strangers
    names=$(awk 'NF == 3 { print $3 }' | sed 's/@.*//' | grep -v '^__' | sort -u || true)
    strangers=$(grep -Ev "$pattern" <<<"$names" || true)
    if [[ -z $names ]]; then
        echo "$what defines no symbol at all" >&2
        status=1
    elif [[ -n $strangers ]]; then
        printf '%s lets these symbols out, which %s does not allow:\n%s\n' "$what" "$pattern" "$strangers" >&2
        status=1
    else
        echo "$what: $(wc -l <<<"$names") symbols, all like $pattern"
    fi
}

check "$shared" '^pg_' < <("$nm" -D --defined-only "$shared")
check "$static" '^(pg|pgs|pgi)_|^DW\.ref\.' < <("$nm" -g --defined-only "$static")
exit $status
