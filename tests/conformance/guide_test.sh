#!/usr/bin/env bash
# guide_test.sh - each program of docs/GUIDE.md, which the build has cut out of it, prints what stands below it there.
set -euo pipefail
export LC_ALL=C
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
status=0 tried=0
while read -r name; do
    # The first block of text behind the program.
    awk -v head="/* guide/$name.c */" '
        $0 == head { found = 1 }
        found && /^```text$/ { inside = 1; next }
        inside && /^```$/ { exit }
        inside' "$PARAGRAM_SOURCE/docs/GUIDE.md" >"$room/wanted"
    if ! timeout 60 "$PARAGRAM_BUILD/tests/guide.$name" >"$room/out" 2>"$room/err"; then
        echo "guide/$name.c: it fails"
        cat "$room/err"
        status=1
    elif ! diff "$room/wanted" "$room/out"; then
        echo "guide/$name.c: prints something else ('>' is what it does)"
        status=1
    fi
    tried=$((tried + 1))
done < <(sed -n 's,^/\* guide/\([a-z]*\)\.c \*/$,\1,p' "$PARAGRAM_SOURCE/docs/GUIDE.md")
echo "$tried programs"
((tried > 0))
exit $status
