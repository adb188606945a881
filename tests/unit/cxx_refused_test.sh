#!/usr/bin/env bash
# cxx_refused_test.sh - what paragram.hpp refuses when a program is compiled, and that it says why, in its own words.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
tried=0

# refused REASON, with the body of a process's code on stdin.
refused() {
    {
        echo '#include <paragram.hpp>'
        echo '#include <map>'
        echo 'void code(pg::process &self, int captured)'
        echo '{'
        echo '(void)self, (void)captured;'
        cat
        echo '}'
    } >"$room/program.cc"
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        if "$compiler" -std=c++17 -fsyntax-only -I "$PARAGRAM_SOURCE/include" "$room/program.cc" 2>"$room/said"; then
            echo "$compiler compiles what should be refused: $1"
            cat "$room/program.cc"
            exit 1
        fi
        if ! grep -q "paragram: .*$1" "$room/said"; then
            echo "$compiler does not say '$1', but:"
            cat "$room/said"
            exit 1
        fi
        tried=$((tried + 1))
    done
}

refused "no value of a message is of this type" <<<'pg::send(pg_self(self), std::map<int, int>());'
refused "no value of a message is of this type" <<<'self.receive("a", [](std::map<int, int>) {});'
refused "no value of a message is of this type" <<<'(void)self.recv<std::map<int, int>>();'
refused "no .auto. among its parameters" <<<'self.receive("a", [](auto) {});'
refused "a handler is a lambda" <<<'self.receive("a", 7);'
refused "take it by value or by const reference" <<<'self.receive("a", [](std::string &) {});'
refused "a process is handed on by reference" <<<'self.receive("a", [](const pg::process &) {});'
refused "a target takes a pg::process &, or nothing" <<<'pg::spawn(self, [](int) {});'
refused "a target that captures something cannot begin" <<<'pg::spawn<PG_OS>(self, [captured] { (void)captured; });'
echo "refused $tried times"
((tried > 0))
