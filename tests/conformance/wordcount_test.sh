#!/usr/bin/env bash
# wordcount_test.sh - examples/wordcount against tr, sort and uniq, over real text and over files made to be awkward.
set -euo pipefail
export LC_ALL=C
program=$PARAGRAM_BUILD/examples/wordcount
if [[ ! -x $program ]]; then
    echo "the examples are not built: nothing to test"
    exit 0
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
    echo "wordcount_test: $*" >&2
    exit 1
}

# expected FOLDER...: every word with its count, most frequent first.  sed ends each file with a newline, so that the
# last word of one and the first of the next stay two.
expected() {
    find "$@" -type f ! -name '*.gz' ! -name '*.bz2' ! -name '*.xz' ! -name '*.zst' ! -name '*.lz' ! -name '*.Z' -print0 |
        xargs -0 -r sed -s '$a\' -- | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | sed '/^$/d' | sort | uniq -c |
        sort -k1,1nr -k2,2 | awk '{ print $1, $2 }'
}

# compare NAME OPTION... FOLDER: all words and counts, and the totals.
compare() {
    local name=$1 folder=${*: -1}
    shift
    "$program" -n 2000000000 "$@" >"$room/out" 2>"$room/err" || fail "$name: ended with $?: $(head -3 "$room/err")"
    [[ ! -s $room/err ]] || fail "$name: said on stderr: $(head -3 "$room/err")"
    expected "$folder" >"$room/expected"
    awk 'NR > 4 && NF == 0 { exit } NR > 4 { print $1, $2 }' "$room/out" >"$room/counted"
    cmp -s "$room/expected" "$room/counted" || fail "$name: $(diff "$room/expected" "$room/counted" | head -5)"
    local totals
    totals=$(awk '{ n += $1 } END { printf "%d words %d distinct", n, NR }' "$room/expected")
    [[ $(awk 'NR == 2 || NR == 3 { printf "%s%s %s", s, $1, $2; s = " " }' "$room/out") == "$totals" ]] ||
        fail "$name: not $totals: $(head -3 "$room/out")"
    echo "$name: $(head -1 "$room/out" | xargs), $totals"
}

# skipped NAME COUNT REASON: what the last run says that it skipped.
skipped() {
    grep -qE "^ *$2 $3\$" "$room/out" || fail "$1: not '$2 $3' but: $(sed -n '/ skipped$/,$p' "$room/out" | head -20)"
}

# ----------------------------------------------------------------------------------------------------- real text
text=/usr/share/common-licenses
compare "licences" "$text"
for folder in /usr/share/perl /usr/share/perl5 /usr/share/doc/git; do
    if [[ -d $folder ]]; then compare "$folder" "$folder"; fi
done

# ------------------------------------------------------------------------------------------------- awkward files
tree=$room/tree
mkdir -p "$tree/deep/er/and/deeper" "$tree/-j" "$tree/many"
: >"$tree/empty"
printf 'no newline at the END' >"$tree/unterminated"
printf 'no newline at the END' >"$tree/unterminated too"
printf '\n\n123 !?\n' >"$tree/no words"
printf 'a\0b\377c\0\0Zebra\r\nzebra\tZEBRA \303\251t\303\251' >"$tree/binary"
head -c 300000 /dev/urandom >"$tree/random"
printf 'spaces' >"$tree/a name with spaces "
printf 'newline' >"$tree"/$'a name\nwith a newline'
printf 'dash' >"$tree/-n"
printf 'option' >"$tree/-j/-j"
printf 'bottom' >"$tree/deep/er/and/deeper/bottom"
printf 'not words' | gzip >"$tree/text.gz"
head -c 3000000 /dev/zero | tr '\0' 'Q' >"$tree/one word"
# Words that the edges of a read of 32 KiB cut: at every position around one.
for shift in 0 1 2 3 4 5 6 7; do
    { head -c $((32768 - 4 + shift)) /dev/zero | tr '\0' '.'; printf 'cutword'; } >"$tree/edge $shift"
done
for ((i = 0; i < 1000; i++)); do
    echo "file number $i of the Many: common$((i % 7))x and w${i}y" >"$tree/many/$i"
done
ln -s ../tree "$tree/loop"
ln -s nowhere "$tree/dangling"
ln -s empty "$tree/link"
mkfifo "$tree/fifo"
before=$(ls -l /proc/$$/fd | wc -l)

compare "awkward files" "$tree"
skipped "awkward files" 3 "symbolic link"
skipped "awkward files" 1 FIFO
skipped "awkward files" 1 compressed
[[ $(head -1 "$room/out" | xargs) == "$(find "$tree" -type f ! -name '*.gz' -printf x | wc -c) files" ]] || fail "not all files"
cp "$room/counted" "$room/first"
compare "one at a time" -j 1 "$tree"
cmp -s "$room/first" "$room/counted" || fail "-j 1 counts otherwise"
(ulimit -n 48 && compare "8 at a time, 48 descriptors" -j 8 "$tree")
compare "a link to the tree" "$tree/loop/"

# A large file, of many words and of many different ones.
mkdir "$room/large"
{
    for ((i = 0; i < 40; i++)); do cat "$text"/GPL-3 "$text"/LGPL-2.1 "$text"/Apache-2.0; done
    head -c 3000000 /dev/urandom | base64 -w 0
} >"$room/large/part"
while (($(stat -c %s "$room/large/part") < 20000000)); do
    cat "$room/large/part" "$room/large/part" >"$room/large/twice"
    mv "$room/large/twice" "$room/large/part"
done
compare "a large file" "$room/large"

# --------------------------------------------------------------------------------- an operating-system process for each
isolated=$room/isolated
mkdir -p "$isolated/deep"
cp "$text"/GPL-[23] "$tree"/edge* "$tree/binary" "$tree/empty" "$isolated"
cp "$room/large/part" "$isolated/deep/crash me"
compare "isolated" --isolate "$isolated"
cp "$room/counted" "$room/first"
(ulimit -n 64 && compare "isolated, 4 at a time, 64 descriptors" -i -j 4 "$isolated")
cmp -s "$room/first" "$room/counted" || fail "-i -j 4 counts otherwise"

# One crashes half-way, and has sent most of what it had counted: the counts of the others are right.
"$program" -i --crash-on "crash me" -n 2000000000 "$isolated" >"$room/out" 2>"$room/err" ||
    fail "a crash: ended with $?: $(head -3 "$room/err")"
[[ ! -s $room/err || -n ${ASAN_OPTIONS-} ]] || fail "a crash: said on stderr: $(head -3 "$room/err")" # sanitizers do
skipped "a crash" 1 "operating-system process [0-9]+ \"[^\"]*\": (killed by signal 11 .*at address 0x0 in .*count_file.*|exited with code .*)"
grep -qx " *$isolated/deep/crash me" "$room/out" || fail "the one that crashed is not named: $(cat "$room/out")"
sed -n 's/^ *1 \(operating-system process [0-9]*\)\(.*\)/a crash: \1\2/p' "$room/out" | cut -c 1-150
awk 'NR > 4 && NF == 0 { exit } NR > 4 { print $1, $2 }' "$room/out" >"$room/first"
rm "$isolated/deep/crash me"
compare "those that did not crash" "$isolated"
cmp -s "$room/first" "$room/counted" || fail "the crash of one changed the counts of others"
if pgrep -f "$program" >/dev/null; then fail "processes are left: $(pgrep -fa "$program")"; fi

# ------------------------------------------------------------------------------------------- what cannot be read
# /proc/self/mem is a regular file that opens, for root too, and fails when it is read.
status=0
"$program" -v "$tree/deep" /proc/self/mem /dev/null "$room/nowhere" "$tree/dangling" "$tree/unterminated" \
    >"$room/out" 2>"$room/err" || status=$?
((status == 0)) || fail "unreadable files: ended with $status: $(cat "$room/err")"
skipped "unreadable files" 1 "Input/output error"
skipped "unreadable files" 1 "No such file or directory"
skipped "unreadable files" 1 "device"
skipped "unreadable files" 1 "symbolic link"
grep -qx ' *2 files' "$room/out" || fail "the readable ones were not read: $(cat "$room/out")"
grep -qx ' *1 bottom' "$room/out" || fail "the readable ones were not read: $(cat "$room/out")"
grep -qx ' */proc/self/mem' "$room/out" || fail "the unreadable one is not named: $(cat "$room/out")"
if "$program" "$room/nowhere" >"$room/out" 2>&1; then fail "a missing folder alone: ended with 0"; fi
skipped "a missing folder" 1 "No such file or directory"
if ((EUID != 0)); then
    printf 'secret' >"$room/secret"
    chmod 000 "$room/secret"
    "$program" "$room/secret" "$tree/unterminated" >"$room/out"
    skipped "no permission" 1 "Permission denied"
fi
for arguments in "" "-j 0 $tree" "-j 1x $tree" "-n -1 $tree" "-j 99999 $tree" "-x $tree" "-j"; do
    status=0
    # shellcheck disable=SC2086
    "$program" $arguments >"$room/out" 2>&1 || status=$?
    ((status == 2)) || fail "'wordcount $arguments' ended with $status"
done

# --------------------------------------------------------------------------------------------------- the terminal
# Progress is for terminals; `compare` has seen that it is for nothing else.
if command -v script >/dev/null; then
    script -qec "'$program' '$tree'" /dev/null >"$room/out" </dev/null
    grep -q $'\r[0-9]* files, [0-9]* more being read' "$room/out" || fail "no progress on a terminal"
fi
((before == $(ls -l /proc/$$/fd | wc -l))) || fail "descriptors changed"
echo "wordcount agrees with tr, sort and uniq"
