#!/usr/bin/env bash
# The public header compiles without a warning as C17 and C++17, with each compiler that there is, at each level of
# optimisation: tests/package/header.c uses all of it.  So does paragram.hpp, as C++17, C++20 and without RTTI.
set -euo pipefail
source=$PARAGRAM_SOURCE/tests/package/header.c
flags=(-Wall -Wextra -pedantic -Wshadow -Wconversion -Werror -I "$PARAGRAM_SOURCE/include" -c -o /dev/null)
tried=0
for level in 0 1 2 3; do
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        "$compiler" -x c -std=c17 -Wstrict-prototypes -O$level "${flags[@]}" "$source"
        "$compiler" -x c++ -std=c++17 -O$level "${flags[@]}" "$source"
        tried=$((tried + 2))
    done
done
for compiler in g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    for flavour in "-std=c++17 -O0" "-std=c++17 -O2" "-std=c++20 -O1 -fno-rtti"; do
        read -ra how <<<"$flavour"
        "$compiler" "${how[@]}" "${flags[@]}" "$PARAGRAM_SOURCE/tests/package/consumer_hpp.cc"
        tried=$((tried + 1))
    done
done
echo "header: compiled $tried times"
((tried > 0))
