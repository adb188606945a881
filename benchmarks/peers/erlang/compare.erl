%% The peer of the benchmarks in Erlang.
%%
%%     erlc -o DIRECTORY compare.erl && cp compare DIRECTORY
%%     DIRECTORY/compare WORKLOAD WORKERS SCALE
%%
%% Runs one workload on WORKERS schedulers, its counts divided by SCALE, checks the result and prints
%%
%%     WORKLOAD WORKERS NANOSECONDS_PER_OPERATION [NAME=VALUE...]
%%
%% Ends with status 1 if the result is wrong, and with 77 for a workload that it does not have. What is measured stands
%% at each workload. The flags of the runtime are the default ones, but for more processes than usual.
-module(compare).
-export([main/1]).

-define(NO_SUCH_WORKLOAD, 77).

-type count() :: non_neg_integer().
%% The operations, the nanoseconds that all took, and further figures.
-type report() :: {count(), count(), [{Name :: string(), integer() | float()}]}.

-spec main([string()]) -> no_return().
main([Name, Workers, Scale]) ->
    %% The workload gets a process of its own: this one is the runtime's first, with a heap and messages of the start.
    {Pid, Monitor} = spawn_monitor(fun() -> exit({done, run(Name, list_to_integer(Scale))}) end),
    receive
        {'DOWN', Monitor, process, Pid, {done, unknown}} ->
            halt(?NO_SUCH_WORKLOAD);
        {'DOWN', Monitor, process, Pid, {done, {Operations, Nanoseconds, Figures}}} ->
            io:format("~s ~s ~.2f", [Name, Workers, Nanoseconds / Operations]),
            [io:format(" ~s=~p", [Figure, Value]) || {Figure, Value} <- Figures],
            io:nl(),
            halt(0);
        {'DOWN', Monitor, process, Pid, Reason} ->
            io:format(standard_error, "compare: ~s: ~p~n", [Name, Reason]),
            halt(1)
    end;
main(_) ->
    io:format(standard_error, "usage: compare WORKLOAD WORKERS SCALE~n", []),
    halt(2).

%% A tenth goes first where neither memory nor its first use is measured.
-spec run(string(), pos_integer()) -> report() | unknown.
run("pingpong", Scale)     -> warm(fun pingpong/1, Scale);
run("ring", Scale)         -> warm(fun ring/1, Scale);
run("flood", Scale)        -> warm(fun flood/1, Scale);
run("flow", Scale)         -> warm(fun flow/1, Scale);
run("big", Scale)          -> big(Scale);
run("call", Scale)         -> warm(fun call/1, Scale);
run("mailbox_long", Scale) -> mailbox_long(Scale);
run("spawn_bulk", Scale)   -> spawn_bulk(Scale);
run("spawn_one", Scale)    -> warm(fun spawn_one/1, Scale);
run("idle", Scale)         -> idle(Scale);
run("skynet", _)           -> skynet();
run("fib", Scale)          -> fib(Scale);
run(_, _)                  -> unknown.

warm(Workload, Scale) ->
    Workload(10 * Scale),
    Workload(Scale).

%% The result of a function, and the nanoseconds that it took.
timed(Function) ->
    Start = erlang:monotonic_time(),
    Result = Function(),
    {Result, erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond)}.

%% 2,000,000 messages one after the other between two processes; each adds one to the value.
pingpong(Scale) ->
    Messages = 2_000_000 div Scale,
    Self = self(),
    Pong = spawn_link(fun() -> pong(Self) end),
    {Messages, Took} = timed(fun() -> ping(Pong, Messages div 2, 0) end),
    Pong ! stop,
    {Messages, Took, []}.

ping(_Pong, 0, Value) ->
    Value;
ping(Pong, Rounds, Value) ->
    Pong ! {ping, Value + 1},
    receive {pong, Answer} -> ping(Pong, Rounds - 1, Answer) end.

pong(Ping) ->
    receive
        {ping, Value} ->
            Ping ! {pong, Value + 1},
            pong(Ping);
        stop ->
            ok
    end.

%% A token passed through 503 processes, 5,000,000 hops. Its value is the number of hops left; the member that gets the
%% last one says which it is, and ends all by a message that goes round.
ring(Scale) ->
    Members = 503,
    Hops = 5_000_000 div Scale,
    Last = Hops rem Members,
    Self = self(),
    First = spawn_link(fun() -> receive {next, Next} -> member(0, Next, Self) end end),
    Second = lists:foldl(
        fun(Index, Next) -> spawn_link(fun() -> member(Index, Next, Self) end) end,
        First,
        lists:seq(Members - 1, 1, -1)
    ),
    First ! {next, Second},
    {Last, Took} = timed(fun() ->
        First ! {token, Hops},
        receive {last, Index} -> Index end
    end),
    {Hops, Took, []}.

member(Index, Next, Owner) ->
    receive
        {token, 0} ->
            Owner ! {last, Index},
            Next ! stop;
        {token, Left} ->
            Next ! {token, Left - 1},
            member(Index, Next, Owner);
        stop ->
            Next ! stop
    end.

%% 1,000,000 messages from each of ten processes to one, as fast as they go. The queue gets long, so messages are kept
%% off the receiver's heap, where its collector does not copy them.
flood(Scale) ->
    process_flag(message_queue_data, off_heap),
    to_one(Scale, fun flood/2).

flood(_To, 0) ->
    ok;
flood(To, Value) ->
    To ! {item, Value},
    flood(To, Value - 1).

%% The same with senders that yield after every 100 messages. The queue stays short, and messages on the heap.
flow(Scale) ->
    to_one(Scale, fun flow/2).

flow(_To, 0) ->
    ok;
flow(To, Value) when Value rem 100 =:= 0 ->
    erlang:yield(),
    To ! {item, Value},
    flow(To, Value - 1);
flow(To, Value) ->
    To ! {item, Value},
    flow(To, Value - 1).

to_one(Scale, Sender) ->
    Senders = 10,
    Each = 1_000_000 div Scale,
    Messages = Senders * Each,
    Sum = Senders * Each * (Each + 1) div 2,
    Self = self(),
    {Sum, Took} = timed(fun() ->
        [spawn_link(fun() -> Sender(Self, Each) end) || _ <- lists:seq(1, Senders)],
        collect(Messages, 0)
    end),
    {Messages, Took, []}.

collect(0, Sum) ->
    Sum;
collect(Left, Sum) ->
    receive {item, Value} -> collect(Left - 1, Sum + Value) end.

%% 1,000 processes, fewer by the root of the scale: each sends a ping to each other one and answers each ping by a pong.
%% An operation is a ping with its pong. A ping carries its sender's number, a pong one more. Queues get long here too.
big(Scale) ->
    Processes = 10 * ceil(100 / math:sqrt(Scale)),
    Operations = Processes * (Processes - 1),
    Sum = Operations * (Processes + 1) div 2 + Operations,
    Self = self(),
    Options = [link, {message_queue_data, off_heap}],
    Pids = [spawn_opt(fun() -> correspondent(Self, I) end, Options) || I <- lists:seq(1, Processes)],
    {Sum, Took} = timed(fun() ->
        [Pid ! {others, Pids} || Pid <- Pids],
        collect(Processes, 0)
    end),
    {Operations, Took, []}.

correspondent(Owner, Number) ->
    receive
        {others, Pids} ->
            Self = self(),
            [Pid ! {ping, Self, Number} || Pid <- Pids, Pid =/= Self],
            Owner ! {item, correspond(2 * (length(Pids) - 1), 0)}
    end.

correspond(0, Sum) ->
    Sum;
correspond(Left, Sum) ->
    receive
        {ping, From, Value} ->
            From ! {pong, Value + 1},
            correspond(Left - 1, Sum);
        {pong, Value} ->
            correspond(Left - 1, Sum + Value)
    end.

%% 1,000,000 calls of a server, in batches of 100 that it answers in reverse order. A reference made for each request
%% leads from the answer to what is known of the request, in a map, as in gen_server's collections of requests.
call(Scale) ->
    Batch = 100,
    Batches = 10_000 div Scale,
    Server = spawn_link(fun() -> serve(Batch, 0, []) end),
    {ok, Took} = timed(fun() -> call(Server, Batch, Batches) end),
    Server ! stop,
    {Batch * Batches, Took, []}.

call(_Server, _Batch, 0) ->
    ok;
call(Server, Batch, Left) ->
    answers(maps:from_list([{request(Server, Value), Value} || Value <- lists:seq(1, Batch)])),
    call(Server, Batch, Left - 1).

request(Server, Value) ->
    Reference = make_ref(),
    Server ! {request, self(), Reference, Value},
    Reference.

answers(Requests) when map_size(Requests) =:= 0 ->
    ok;
answers(Requests) ->
    receive
        {answer, Reference, Answer} ->
            {Value, Rest} = maps:take(Reference, Requests),
            Answer = Value + 1,
            answers(Rest)
    end.

serve(Batch, Batch, Requests) ->
    [From ! {answer, Reference, Value + 1} || {From, Reference, Value} <- Requests],
    serve(Batch, 0, []);
serve(Batch, Waiting, Requests) ->
    receive
        {request, From, Reference, Value} ->
            serve(Batch, Waiting + 1, [{From, Reference, Value} | Requests]);
        stop ->
            ok
    end.

%% 1,000 answers, each with a fresh reference, received from behind 100,000 messages that stay in the mailbox.
mailbox_long(Scale) ->
    Others = 100_000,
    Count = 1_000 div Scale,
    Helper = spawn_link(fun helper/0),
    Self = self(),
    [Self ! {item, I} || I <- lists:seq(1, Others)],
    Sum = Count * (Count + 1) div 2 + Count,
    {Sum, Took} = timed(fun() -> ask(Helper, Count, 0) end),
    {message_queue_len, Others} = process_info(Self, message_queue_len),
    Helper ! stop,
    {Count, Took, []}.

ask(_Helper, 0, Sum) ->
    Sum;
ask(Helper, Left, Sum) ->
    Reference = make_ref(),
    Helper ! {request, self(), Reference, Left},
    receive {answer, Reference, Value} -> ask(Helper, Left - 1, Sum + Value) end.

helper() ->
    receive
        {request, From, Reference, Value} ->
            From ! {answer, Reference, Value + 1},
            helper();
        stop ->
            ok
    end.

%% 1,000,000 processes that only end, spawned by one that waits for none; until the runtime has no more processes than
%% before, which is looked at every millisecond.
spawn_bulk(Scale) ->
    Processes = 1_000_000 div Scale,
    Before = erlang:system_info(process_count),
    {ok, Took} = timed(fun() ->
        spawn_bulk(fun() -> ok end, Processes),
        await_process_count(Before)
    end),
    {Processes, Took, []}.

spawn_bulk(_Function, 0) ->
    ok;
spawn_bulk(Function, Left) ->
    spawn(Function),
    spawn_bulk(Function, Left - 1).

await_process_count(Count) ->
    case erlang:system_info(process_count) of
        Count ->
            ok;
        _ ->
            receive after 1 -> await_process_count(Count) end
    end.

%% As many one after the other, and each waited for.
spawn_one(Scale) ->
    Processes = 1_000_000 div Scale,
    Self = self(),
    {Processes, Took} = timed(fun() ->
        spawn_one(fun() -> Self ! {done, 1} end, Processes, 0)
    end),
    {Processes, Took, []}.

spawn_one(_Function, 0, Sum) ->
    Sum;
spawn_one(Function, Left, Sum) ->
    spawn(Function),
    receive {done, Value} -> spawn_one(Function, Left - 1, Sum + Value) end.

%% 1,000,000 processes that each wait for a message; an operation is one of them spawned. The figures: the bytes of
%% resident memory for each, and the nanoseconds of a message to each, all sent first, with its answer. Each has
%% a heap of the default size: hibernation would give most of it back, at the price of a slower start and answer.
idle(Scale) ->
    Processes = 1_000_000 div Scale,
    Before = resident(),
    Starting = atomics:new(1, []),
    atomics:put(Starting, 1, Processes),
    Self = self(),
    {Pids, Spawned} = timed(fun() ->
        Pids = [spawn(fun() -> waiting(Self, Starting) end) || _ <- lists:seq(1, Processes)],
        receive {started, 0} -> Pids end
    end),
    After = resident(),
    Sum = Processes * (Processes + 1) div 2,
    {Sum, Answered} = timed(fun() ->
        lists:foldl(fun(Pid, Value) -> Pid ! {ask, Self, Value}, Value + 1 end, 0, Pids),
        collect(Processes, 0)
    end),
    Figures = [{"bytes", (After - Before) div Processes}, {"answer", Answered div Processes}],
    {Processes, Spawned, Figures}.

waiting(Owner, Starting) ->
    case atomics:sub_get(Starting, 1, 1) of
        0 -> Owner ! {started, 0};
        _ -> ok
    end,
    receive {ask, From, Value} -> From ! {item, Value + 1} end.

%% The bytes of resident memory, without this process's garbage.
resident() ->
    erlang:garbage_collect(),
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+([0-9]+)", [{capture, all_but_first, binary}]),
    binary_to_integer(Kilobytes) * 1024.

%% The numbers of 1,000,000 leaves added up a tree with ten children at each inner node, a process each; never scaled.
%% An operation is a leaf, so that the nanoseconds of one are the milliseconds of all.
skynet() ->
    Leaves = 1_000_000,
    Sum = Leaves * (Leaves - 1) div 2,
    Self = self(),
    {Sum, Took} = timed(fun() ->
        spawn(fun() -> node(Self, 0, Leaves) end),
        collect(1, 0)
    end),
    {Leaves, Took, []}.

node(Parent, First, 1) ->
    Parent ! {item, First};
node(Parent, First, Leaves) ->
    Self = self(),
    Part = Leaves div 10,
    [spawn(fun() -> node(Self, First + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Parent ! {item, collect(10, 0)}.

%% fib(25), or fib(20) when scaled, with a process for each call.
fib(Scale) ->
    {N, Number, Calls} =
        case Scale of
            1 -> {25, 75025, 242785};
            _ -> {20, 6765, 21891}
        end,
    Self = self(),
    {Number, Took} = timed(fun() ->
        spawn(fun() -> fib(Self, N) end),
        collect(1, 0)
    end),
    {Calls, Took, []}.

fib(Parent, N) when N < 2 ->
    Parent ! {item, N};
fib(Parent, N) ->
    Self = self(),
    spawn(fun() -> fib(Self, N - 1) end),
    spawn(fun() -> fib(Self, N - 2) end),
    Parent ! {item, collect(2, 0)}.
