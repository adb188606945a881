#!/usr/bin/env bash
# examples_test.sh - runs each example and compares what it prints with what it should.  wordcount has a test of its own.
set -euo pipefail
export LC_ALL=C
programs=$PARAGRAM_BUILD/examples
if [[ ! -x $programs/quickstart ]]; then
    echo "the examples are not built: nothing to test"
    exit 0
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
tested=" wordcount "

# run NAME ARGUMENT...: leaves what it prints in $room/out; it has to end with 0 and to log nothing, but that it was
# slow: under a sanitizer, beside other tests, a row of a picture may take its time.
run() {
    local name=$1 status=0
    shift
    timeout 60 "$programs/$name" "$@" >"$room/out" 2>"$room/err" || status=$?
    sed -i -E -e '/^\(in [0-9]+ ms\)$/d' -e '/this build or system has no seccomp$/d' \
        -e '/has kept its worker for [0-9]+ ms$/d' "$room/err"
    if ((status != 0)) || [[ -s $room/err ]]; then
        echo "$name $*: ended with $status"
        cat "$room/out" "$room/err"
        exit 1
    fi
    tested+="$name "
}

# same NAME: what was printed is what stands on stdin.
same() {
    if ! diff - "$room/out" >"$room/diff"; then
        echo "$1 prints something else ('<' is what it should):"
        cat "$room/diff"
        exit 1
    fi
    echo "$1: ok"
}

run quickstart
same quickstart <<END
process started!
process ending.
END

run skynet 100000
sed -i -E 's/ in .*//' "$room/out"
same skynet <<END
sum 4999950000
END

run ring 100000
sed -i -E 's/ \(.*//' "$room/out"
same ring <<END
after 100000 hops the token is at process $((100000 % 503 + 1))
END

run patterns
sed -i -E 's/^(unhandled ).*("strict reader").*/\1 \2/' "$room/out"
same patterns <<END
literal      ("hello", 123)
predicate    (8)
type         (9)
anything     (9.0)
true         (true)
tuple        x = 1.5, y = -2
list         (["bread", "butter", 2])
dict         Ada, and 2 keys in all
etc          ("log")
etc          ("log", "disk", 3, [1, 2])
anything     (nil)
unhandled  "strict reader"
END

# The last worker ends at the same time as main goes on.
run links
sort -o "$room/out" "$room/out"
same links <<END
main: 1 / 0: ("failed", "1 divided by zero")
main: 15 / 5: ("quotient", 3)
main: 84 / 2: ("quotient", 42)
main: the parent has ended
parent: my worker has failed: 1 divided by zero
worker 1: clean-up
worker 1: started
worker 2: clean-up
worker 2: started
END

run blocking
same blocking <<END
the sum of the squares from 1 to 10 is 385
an answer that comes too late is taken for -1
first
second
the late answer is 9
10000 slept for 100 ms at once
END

run table
same table <<END
1000 clients have added 100 each: 100000
after its end: no such process: it has ended, or the pid names none
END

run pipeline
same pipeline <<END
the sink is slow: 32 wait
the source was held back: yes
parse  20000 items, never more than 32 waiting: yes
check  20000 items, never more than 32 waiting: yes
sink   20000 items, never more than 32 waiting: yes
nothing is lost: yes
END

run threads
same threads <<END
4 lines came through the pipe; read by a thread of its own: yes
main was a process until it ended: normally
END

run share "$room/edges.pgm"
same share <<END
rows 0 to 767: 88043 pixels of edges
rows 768 to 1535: 67904 pixels of edges
rows 1536 to 2303: 67866 pixels of edges
rows 2304 to 3071: 88031 pixels of edges
END
if [[ $(stat -c %s "$room/edges.pgm") != $((17 + 4096 * 3072)) ]]; then
    echo "share: its file is not complete"
    exit 1
fi

run chat
same chat <<END
ada sees: * ada is here
bob sees: * bob is here
ada sees: * bob is here
ada sees: bob: Is there any tea?
bob sees: bob: Is there any tea?
eve sees: * eve is here
ada sees: * eve is here
bob sees: * eve is here
bob sees: * ada has left
ada sees: * ada is here
bob sees: ada, to you: There is.
eve sees: * ada has left
eve sees: * nobody has that name
eve sees: * bob has left
END

# What differs from one run to the next, and with the processor, is left out.
if [[ -n ${ASAN_OPTIONS-}${TSAN_OPTIONS-} ]]; then
    echo "sandbox: a sanitizer needs more than a sandbox gives"
    tested+="sandbox "
else
    run sandbox
    sed -i -E -e 's/operating-system process [0-9]+( "[^"]*")?: //' -e 's/(Segmentation fault\)).*/\1/' "$room/out"
    if grep -q "^There is no seccomp here" "$room/out"; then
        echo "sandbox: no seccomp here"
    else
        same sandbox <<END
an image               4 x 3 pixels, their sum is 639
no image               refused: it is no image
too many pixels        refused: there are too many pixels
four billion pixels    refused: there is no memory for its pixels
writes where it likes  the decoder has ended: killed by signal 11 (Segmentation fault)
an image               4 x 3 pixels, their sum is 597
reads a file           refused: /etc/passwd: Permission denied
runs a program         the decoder has ended: killed by signal 31 (Bad system call): a system call is not allowed in its sandbox
an image               1 x 1 pixels, their sum is 1
END
    fi
fi

# Its crash is the sanitizer's to report, at length.
if [[ -n ${ASAN_OPTIONS-}${TSAN_OPTIONS-} ]]; then
    echo "supervised_parser: a sanitizer tells of what is meant to crash"
    tested+="supervised_parser "
else
    run supervised_parser
    same supervised_parser <<END
say hello                "hello"
repeat 10 x              "xxxxxxxxxx"
repeat 1000000000 x      the parser has crashed
say it goes on           "it goes on"
skip 2 a-b-c-d           "abcd"
skip 0 a-b-c-d           the parser hangs
nonsense                 refused
repeat 9999999999 y      the parser has crashed
repeat 3 z               "zzz"
5 parsed, 1 refused; 2 crashes, 1 hung: the parser was started again 3 times
END
fi

# A seed is one order wherever it is run.
run lost_update
same lost_update <<END
seed 2187: of 60 there are 50
again: of 60 there are 50
END
for i in 1 2; do
    if "$programs/lost_update" 2187 >"$room/trace$i"; then
        echo "lost_update 2187: ended as if no money was missing"
        exit 1
    fi
done
cmp "$room/trace1" "$room/trace2"
grep -q "is suspended" "$room/trace1"

if [[ -x $programs/guest ]]; then
    run guest
    same guest <<END
the loop has ticked: yes; 5 naps, 3 lines, a sum of 500500
END
else
    echo "guest: no libuv here"
    tested+="guest "
fi

run cxx
same cxx <<END
the longest line is 'one that is somewhat longer'
answered: 0; there are no lines
journal closed after 3 lines
END

for source in "$PARAGRAM_SOURCE"/examples/*.c "$PARAGRAM_SOURCE"/examples/*.cc; do
    name=$(basename "${source%.*}")
    if [[ $tested != *" $name "* ]]; then
        echo "examples/$name is tested nowhere"
        exit 1
    fi
done
