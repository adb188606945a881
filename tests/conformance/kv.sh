#!/usr/bin/env bash
# kv.sh - examples/kv against the clients that Debian has for Redis: what each command answers, requests in pieces and in
# rows, what is none, the end of shards under load, a thousand clients.  77: the server or the clients are not there.
set -euo pipefail
export LC_ALL=C
program=$PARAGRAM_BUILD/examples/kv
if [[ ! -x $program ]]; then
    echo "examples/kv is not built (it takes uthash-dev): nothing to test"
    exit 77
fi
for client in redis-cli redis-benchmark; do
    if ! command -v "$client" >/dev/null; then
        echo "there is no $client (redis-tools): nothing to test with"
        exit 77
    fi
done

room=$(mktemp -d)
server=
clean_up() {
    if [[ -n $server ]]; then kill -9 "$server" 2>/dev/null || true; fi
    rm -rf "$room"
}
trap clean_up EXIT

fail() {
    echo "kv: $*" >&2
    sed 's/^/    the log: /' "$room/log" >&2
    exit 1
}

# await SECONDS COMMAND...: until it succeeds.
await() {
    local patience=$(($1 * 50))
    shift
    until "$@"; do
        ((patience-- > 0)) || return 1
        sleep 0.02
    done
}

is_ready() {
    port=$(sed -n 's/^kv: ready at port \([0-9]*\),.*/\1/p' "$room/log")
    [[ -n $port ]]
}

# start OPTION...: a server at a port of its own choice.
start() {
    "$program" --port 0 "$@" 2>"$room/log" &
    server=$!
    await 30 is_ready || fail "does not start"
}

cli() {
    redis-cli -p "$port" "$@"
}

log_has() {
    grep -qE "$1" "$room/log"
}

has_ended() {
    ! kill -0 "$server" 2>/dev/null
}

# stop COMMAND...: the server ends after it, in good order.
stop() {
    local status=0
    "$@" >/dev/null 2>&1 || true
    await 30 has_ended || fail "does not end"
    wait "$server" || status=$?
    server=
    ((status == 0)) || fail "ended with $status"
    log_has "^kv: shuts down" || fail "did not say that it shuts down"
    if log_has "Sanitizer|runtime error|did not end in time|has failed: (out of|wrong)"; then fail "something went wrong"; fi
}

# raw BYTES: what the server answers until it closes the connection; BYTES as of printf, with a %% for a %.
raw() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    # shellcheck disable=SC2059
    printf -- "$1" >&3 || true
    timeout 20 cat <&3 || fail "the connection stays open: $1"
    exec 3>&-
}

# says WHAT BYTES ANSWER: for raw.
says() {
    local answer expected
    answer=$(raw "$2" | tr -d '\r')
    # shellcheck disable=SC2059
    expected=$(printf -- "$3")
    [[ $answer == "$expected" ]] || fail "$1: says '$answer', not '$expected'"
}

# ---------------------------------------------------------------------------------------------- what each command says

commands() {
    sed 's/ *=>.*//' <<<"$1" >"$room/requests"
    sed -n 's/.*=> *//p' <<<"$1" | tr '|' '\n' | sed 's/^ *//; s/ *$//' >"$room/expected"
    cli --no-raw <"$room/requests" | sed '/^$/d; s/[[:space:]]*$//' >"$room/answers"
    diff "$room/expected" "$room/answers" >"$room/diff" || fail "answers otherwise ('<' is what it should):" "$(cat "$room/diff")"
}

every_command() {
    commands 'FLUSHALL => OK
PING => PONG
PING hello => "hello"
ECHO "a b" => "a b"
SELECT 0 => OK
SELECT 1 => (error) ERR DB index is out of range
GET none => (nil)
SET a 1 => OK
GET a => "1"
get a => "1"
SET a 2 NX => (nil)
SET a 2 XX => OK
SET b 2 XX => (nil)
SET b 2 NX => OK
SET b 2 NX XX => (error) ERR syntax error
SET b 2 EX => (error) ERR syntax error
SET b 2 EX 0 => (error) ERR invalid expire time in '"'set'"' command
SET b 2 EX x => (error) ERR value is not an integer or out of range
SET b 3 EX 100 => OK
TTL b => (integer) 100
PERSIST b => (integer) 1
PERSIST b => (integer) 0
TTL b => (integer) -1
TTL none => (integer) -2
PTTL none => (integer) -2
EXPIRE b 50 => (integer) 1
TTL b => (integer) 50
SET b 4 KEEPTTL => OK
TTL b => (integer) 50
SET b 4 => OK
TTL b => (integer) -1
EXPIRE none 50 => (integer) 0
EXPIRE b x => (error) ERR value is not an integer or out of range
EXPIRE b -1 => (integer) 1
EXISTS b => (integer) 0
INCR n => (integer) 1
INCRBY n 41 => (integer) 42
DECR n => (integer) 41
DECRBY n 50 => (integer) -9
INCRBY n 9223372036854775807 => (integer) 9223372036854775798
INCRBY n 10 => (error) ERR increment or decrement would overflow
INCRBY n 1.5 => (error) ERR value is not an integer or out of range
SET text abc => OK
INCR text => (error) ERR value is not an integer or out of range
MSET k1 v1 k2 v2 k3 v3 k4 v4 k5 v5 => OK
MGET k1 k2 none k3 k4 k5 => 1) "v1" | 2) "v2" | 3) (nil) | 4) "v3" | 5) "v4" | 6) "v5"
MSET k1 => (error) ERR wrong number of arguments for '"'mset'"' command
EXISTS k1 k2 k1 none => (integer) 3
DBSIZE => (integer) 8
DEL k1 k2 none => (integer) 2
DBSIZE => (integer) 6
GET => (error) ERR wrong number of arguments for '"'get'"' command
GET a b => (error) ERR wrong number of arguments for '"'get'"' command
NONSENSE x y => (error) ERR unknown command '"'NONSENSE', with args beginning with: 'x' 'y'"'
CONFIG GET appendonly => 1) "appendonly" | 2) "no"
CONFIG GET nothing => (empty array)
COMMAND => (empty array)
CLIENT SETNAME me => OK
CLIENT SETINFO LIB-NAME x => OK
SET "" empty => OK
GET "" => "empty"
SET bytes "\x00\r\n\xff" => OK
GET bytes => "\x00\r\n\xff"
DEBUG KILLSHARD 64 => (error) ERR only DEBUG KILLSHARD n, with the number of a shard
FLUSHALL => OK
DBSIZE => (integer) 0'
    cli info >"$room/info"
    for section in Server Clients Memory Stats Keyspace; do
        grep -q "^# $section" "$room/info" || fail "INFO has no $section"
    done
    # A value of ten megabytes, by way of buffers that grow.
    head -c 10000000 /dev/urandom >"$room/large"
    [[ $(cli -x set large <"$room/large") == OK ]] || fail "takes no large value"
    cli get large | head -c 10000000 | cmp - "$room/large" || fail "a large value is another one"
    cli flushall >/dev/null
    echo "every command: ok"
}

expired() {
    [[ $(cli dbsize) == 0 ]]
}

# By the first of these the keys are gone for who asks; by the other, without that.
expiry() {
    cli set soon 1 px 40 >/dev/null
    sleep 0.1
    [[ -z $(cli get soon) ]] || fail "what has expired is there"
    for i in {1..300}; do echo "SET key$i 1 PX 100"; done | cli >/dev/null
    await 20 expired || fail "$(cli dbsize) keys do not expire"
    (($(cli info | tr -d '\r' | sed -n 's/^expired_keys://p') > 0)) || fail "no expired keys are counted"
    echo "expiry: ok"
}

# --------------------------------------------------------------------------------------------- rows, pieces, hostility

rows_and_pieces() {
    says "lines" 'PING\r\nset w "a \\x41"\nGET w\r\n\r\nQUIT\r\nPING\r\n' '+PONG\n+OK\n$3\na A\n+OK\n'
    says "mixed forms" '*2\r\n$3\r\nGET\r\n$1\r\nw\r\nPING\r\n*0\r\n*-1\r\n*1\r\n$4\r\nQUIT\r\n' '$3\na A\n+PONG\n+OK\n'
    # One byte at a time.
    local bytes='*3\r\n$3\r\nSET\r\n$1\r\np\r\n$4\r\n1\r\n2\r\n*2\r\n$3\r\nGET\r\n$1\r\np\r\nQUIT\r\n' answer
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    # shellcheck disable=SC2059
    printf "$bytes" | od -An -v -to1 -w1 | tr -d ' ' | while read -r byte; do
        # shellcheck disable=SC2059
        printf "\\$byte"
    done >&3
    answer=$(timeout 20 cat <&3 | tr -d '\r' | tr '\n' ' ')
    exec 3>&-
    [[ $answer == '+OK $4 1 2 +OK ' ]] || fail "in pieces: $answer"
    # Ten thousand in a row, and their answers in order.
    for ((i = 0; i < 5000; i++)); do printf 'SET key%d %d\r\nINCR count\r\n' $i $i; done >"$room/row"
    printf 'QUIT\r\n' >>"$room/row"
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    cat "$room/row" >&3 &
    timeout 60 tr -d '\r' <&3 >"$room/answers"
    wait $!
    exec 3>&-
    { for ((i = 1; i <= 5000; i++)); do printf '+OK\n:%d\n' $i; done; echo +OK; } | cmp - "$room/answers" ||
        fail "a row of 10000: other answers"
    [[ $(cli dbsize) == 5003 ]] || fail "a row: $(cli dbsize) keys"
    cli flushall >/dev/null
    echo "rows and pieces: ok"
}

hostile() {
    local error='-ERR Protocol error:'
    says "an unknown type" '*1\r\n+PING\r\n' "$error expected '\$', got '+'\n"
    says "a giant array" '*1000000000\r\n' "$error invalid multibulk length\n"
    says "an array of x" '*x\r\n' "$error invalid multibulk length\n"
    says "a giant string" '*2\r\n$3\r\nGET\r\n$1000000000000\r\n' "$error invalid bulk length\n"
    says "a negative string" '*2\r\n$3\r\nGET\r\n$-1\r\n' "$error invalid bulk length\n"
    says "open quotes" 'GET "a\r\n' "$error unbalanced quotes in request\n"
    says "a line without end" "$(head -c 70000 /dev/zero | tr '\0' 'x')" "$error too big inline request\n"
    says "a number without end" "*$(head -c 70000 /dev/zero | tr '\0' '1')" "$error too big mbulk count string\n"
    says "what was good is answered" 'PING\r\n*1\r\nx' "+PONG\n$error expected '\$', got 'x'\n"
    for ((i = 0; i < 10; i++)); do # garbage, and clients that go in the middle
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        { printf '*2\r\n$3\r\n'; head -c 2000 /dev/urandom; } >&3 2>/dev/null || true
        exec 3>&-
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nhalf' >&3
        exec 3>&-
    done
    [[ $(cli ping) == PONG ]] || fail "after hostile clients: does not answer"
    echo "hostile input: ok"
}

# ----------------------------------------------------------------------------------------------------- load, and ends

# benchmark OPTION...: ends without an error.
benchmark() {
    redis-benchmark -p "$port" -q "$@" >"$room/benchmark" 2>&1 || fail "redis-benchmark $*: $(tail -3 "$room/benchmark")"
    [[ $(tr '\r' '\n' <"$room/benchmark" | grep -c "requests per second") -ge 2 ]] || fail "$*: $(cat "$room/benchmark")"
    if grep -qi error "$room/benchmark"; then fail "redis-benchmark $*: $(grep -i error "$room/benchmark")"; fi
}

load() {
    benchmark -t get,set -c 50 -n 10000 -P 16 -r 1000
    benchmark -t get,set -c 1000 -n 3000 -r 1000
    echo "load: ok"
}

seen_restarts() {
    [[ $(cli info | tr -d '\r' | sed -n 's/^shard_restarts://p') == "$1" ]]
}

no_client_but_one() {
    [[ $(cli info | tr -d '\r' | sed -n 's/^connected_clients://p') == 1 ]]
}

set_keys() {
    for i in {1..400}; do echo "SET key$i $i"; done | cli >/dev/null
}

# Those of the 400 keys that are not there, by their numbers; the others have their own values.
lost_keys() {
    for i in {1..400}; do echo "GET key$i"; done | cli >"$room/values"
    awk '$0 != "" && $0 != NR { exit 1 }' "$room/values" || fail "a key has another's value"
    awk '$0 == "" { print NR }' "$room/values"
}

# kill_shard SHARD: and the server knows that it is there again.
kill_shard() {
    [[ $(cli debug killshard "$1") == OK ]] || fail "shard $1 is not killed"
    killed=$((killed + 1))
    await 20 seen_restarts "$killed" || fail "shard $1 is not started anew"
}

# What goes on until there is $room/enough; redis-benchmark stops at the first error.
load_until_enough() {
    until [[ -e $room/enough ]]; do
        redis-benchmark -p "$port" -t set,get,incr -c 20 -n 4000 -P 4 -r 1000 -q || return 1
    done
}

kill_shards() {
    local shard
    killed=0
    cli flushall >/dev/null
    for shard in 0 1 2 3; do
        set_keys
        [[ $(cli dbsize) == 400 ]] || fail "a shard that was started anew takes no keys"
        kill_shard $shard
        lost_keys >"$room/lost.$shard"
        log_has "^kv: shard $shard of 4 has ended: its keys are lost, and no others" || fail "does not say so"
        (($(wc -l <"$room/lost.$shard") >= 40)) || fail "$(wc -l <"$room/lost.$shard") of 400 keys are shard $shard's"
    done
    sort -n "$room"/lost.? | cmp - <(seq 400) || fail "the shards have not lost each key once"
    # Under load: it goes on, without an error, for the shards that are started anew do what was asked of those before.
    set_keys
    rm -f "$room/enough"
    load_until_enough >"$room/benchmark" 2>&1 &
    local clients=$!
    for shard in 1 3 1 1 3 1 3 3; do
        kill_shard $shard
    done
    touch "$room/enough"
    wait $clients || fail "redis-benchmark: $(tr '\r' '\n' <"$room/benchmark" | tail -3)"
    if grep -qi err "$room/benchmark"; then fail "redis-benchmark: $(grep -i err "$room/benchmark")"; fi
    lost_keys | cmp - <(sort -n "$room/lost.1" "$room/lost.3") || fail "other keys than those of the killed shards are gone"
    (($(grep -c "its keys are lost" "$room/log") == 12)) || fail "not each end is told"
    cli set after all >/dev/null
    [[ $(cli get after) == all ]] || fail "does not go on"
    await 20 no_client_but_one || fail "clients are left: $(cli info | grep connected)"
    echo "ends of shards: ok"
}

start --shards 4 --workers 2
every_command
expiry
rows_and_pieces
hostile
load
kill_shards
exec 4<>"/dev/tcp/127.0.0.1/$port" # a client that says nothing does not keep it
stop cli shutdown
exec 4>&-

start --shards 4 --workers 2 --os-shards
every_command
benchmark -t get,set -c 50 -n 5000 -P 16 -r 1000
kill_shards
stop kill -TERM "$server"

for arguments in "--port x" "--port 65536" "--shards 0" "--shards 65" "--workers 0" "--nonsense" "more"; do
    status=0
    # shellcheck disable=SC2086
    "$program" $arguments 2>/dev/null || status=$?
    ((status == 2)) || fail "'kv $arguments' ended with $status"
done
echo "kv speaks with Redis's clients"
