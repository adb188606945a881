#!/usr/bin/env bash
# install.sh CMAKE BUILD CC CXX [SANITIZER-FLAG] - installs BUILD into a folder of its own and uses it as a stranger
# does: by pkg-config (shared, and --static) and by find_package (shared and static), as C17 and as C++17; and by
# dlopen.
set -euo pipefail
cmake=$1 build=$2 cc=$3 cxx=$4 sanitize=${5:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$cmake" --install "$build" --prefix "$room/usr" >"$room/log"
pc=$(find "$room/usr" -name paragram.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
warnings=(-Wall -Wextra -pedantic -Werror)

# run NAME PROGRAM ARGUMENT...: the consumer says ok.
run() {
    local name=$1 said
    said=$("${@:2}")
    [[ $said == "ok" ]] || { echo "$name: said '$said', not 'ok'" >&2; exit 1; }
    echo "$name: ok"
}

# needs PROGRAM: whether jemalloc is linked, dynamically.
needs() {
    readelf -d "$1" | grep -q 'NEEDED.*jemalloc'
}

# check_allocator PROGRAM: linked with the static library, it has jemalloc if that was chosen, and only then.
check_allocator() {
    local chosen=0 linked=0
    grep -q jemalloc "$pc" && chosen=1
    needs "$1" && linked=1
    [[ $chosen == "$linked" ]] || { echo "$1: jemalloc chosen: $chosen, linked: $linked" >&2; exit 1; }
}

# A guest brings no allocator, and can be loaded by a program that is running already.
shared=$libdir/libparagram.so
needs "$shared" && { echo "the shared library brings jemalloc" >&2; exit 1; }
# (ThreadSanitizer refuses to have a library unloaded that its suppressions name.)
if [[ $sanitize != *thread* ]]; then
    "$cc" -std=c17 "${warnings[@]}" ${sanitize:+"$sanitize"} -o "$room/dlopen" "$here/dlopen.c" -ldl
    run "dlopen" "$room/dlopen" "$shared"
fi

read -ra flags <<<"$(pkg-config --cflags --libs paragram)"
read -ra static_flags <<<"$(pkg-config --static --cflags --libs paragram)"
static_flags=("${static_flags[@]/#-lparagram/-l:libparagram.a}")
for language in c c++; do
    compiler=$cc standard=c17
    [[ $language == c++ ]] && compiler=$cxx standard=c++17
    compile=("$compiler" "-std=$standard" "${warnings[@]}" -x "$language" "$here/consumer.c" -x none)
    [[ -n $sanitize ]] && compile+=("$sanitize")
    "${compile[@]}" -o "$room/shared" "${flags[@]}" "-Wl,-rpath,$libdir"
    run "pkg-config, $standard, shared" "$room/shared"
    "${compile[@]}" -o "$room/static" "${static_flags[@]}"
    run "pkg-config, $standard, static" "$room/static"
    check_allocator "$room/static"
done

for kind in shared static; do
    "$cmake" -G Ninja -S "$here" -B "$room/$kind-build" -DCMAKE_PREFIX_PATH="$room/usr" -DKIND="$kind" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_FLAGS="$sanitize" -DCMAKE_CXX_FLAGS="$sanitize" \
        >"$room/log" || { cat "$room/log"; exit 1; }
    "$cmake" --build "$room/$kind-build" >"$room/log" || { cat "$room/log"; exit 1; }
    run "find_package, C17, $kind" "$room/$kind-build/consumer_c"
    run "find_package, C++17, $kind" "$room/$kind-build/consumer_cxx"
    run "find_package, paragram.hpp, $kind" "$room/$kind-build/consumer_hpp"
    [[ $kind == shared ]] || check_allocator "$room/static-build/consumer_c"
done
