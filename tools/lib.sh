# lib.sh - what the tools share; sourced by them, never run.
# shellcheck shell=bash
set -euo pipefail

# The root of the project: where every tool works, whatever folder it is called from.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

heading() {
    printf '\n== %s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# How many jobs at once: as many as this process may use processors.
jobs_at_once() {
    nproc
}

# What configuring is given beside the preset.
definitions=()

# build PRESET [TARGET...]: configures build/PRESET and builds it; quiet unless something fails.
build() {
    local preset=$1 log
    shift
    log=$(mktemp)
    echo "configuring build/$preset"
    if ! cmake --preset "$preset" "${definitions[@]}" >"$log" 2>&1; then
        cat "$log"
        rm -f "$log"
        die "cmake could not configure the preset '$preset'"
    fi
    rm -f "$log"
    echo "building build/$preset"
    cmake --build "build/$preset" --parallel "$(jobs_at_once)" ${1:+--target "$@"}
}
