#!/usr/bin/env bash
# readme_test.sh - what README.md says about the project is so: its quickstart is examples/quickstart.c, and the header's;
# the files, folders and options that it names exist.
set -euo pipefail
cd "$PARAGRAM_SOURCE"
readme=$(mktemp)
trap 'rm -f "$readme"' EXIT
status=0

# The program, without the comment on top of the example.
example=$(sed -n '/^#include/,$p' examples/quickstart.c)
awk '/^```c$/ { inside = ++n == 1; next } /^```$/ { inside = 0 } inside' README.md >"$readme"
if ! diff "$readme" - <<<"$example"; then
    echo "README.md: the quickstart is not examples/quickstart.c"
    status=1
fi
# The header has it in a comment, where a blank line is an asterisk.
if ! diff <(grep . <<<"$example") <(sed -n '/^ \* CONVENTIONS/q; s/^ \*     //p' include/paragram.h | grep .); then
    echo "include/paragram.h: the quickstart is not examples/quickstart.c"
    status=1
fi

while read -r name; do
    [[ -e $name ]] || { echo "README.md: there is no $name"; status=1; }
done < <(grep -oP '(?<![\w/])(examples|tests|benchmarks|tools|include|runtime|sched|cmake)/[a-z0-9_./-]*[a-z0-9_]' README.md | sort -u)
for source in examples/*.c examples/*.cc; do
    grep -qF "\`$source\`" README.md || { echo "README.md: does not name $source"; status=1; }
done
while read -r option; do
    grep -q "$option" tools/cmake/Options.cmake || { echo "README.md: there is no option $option"; status=1; }
done < <(grep -oE 'PARAGRAM_[A-Z]+' README.md | sort -u)
while read -r name; do
    grep -qw "$name" include/paragram.h include/paragram/*.h || { echo "README.md: the header has no $name"; status=1; }
done < <(grep -oE '\b(pg_[a-z_]+|PG_[A-Z]+)\b' README.md | sort -u)
exit $status
