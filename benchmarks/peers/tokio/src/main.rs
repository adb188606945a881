//! The workloads of tools/compare with tokio: a process is a task, its mailbox an unbounded mpsc channel that it
//! receives from; who only waits for a result takes it from the JoinHandle.
//!
//! Built without network from this folder, whose .cargo/config.toml names the crates that Debian 12 packages (rustc,
//! cargo, librust-tokio-dev, libjemalloc-dev):
//!
//!     PATH=/usr/bin:$PATH cargo build --release --target-dir ../../../build/bench/peers/tokio
//!
//! and run by `../../../build/bench/peers/tokio/release/tokio-peer WORKLOAD WORKERS SCALE`: the counts of messages and
//! processes are divided by SCALE. Prints `WORKLOAD WORKERS NANOSECONDS_PER_OPERATION [NAME=VALUE...]`; exit status 1
//! after a wrong result, 77 for a workload that tokio does not have (`mailbox_long`: no selective receive).
//!
//! | workload | what is measured, tasks and channels included | an operation |
//! |---|---|---|
//! | pingpong | two tasks, a number there and back, counted up at one end | a message |
//! | ring | 503 tasks, a token that counts down | a hop |
//! | flood | ten tasks send to one, whose mailbox takes all there is | a message |
//! | flow | the same, `yield_now` after each 100 messages | a message |
//! | spawn_bulk | tasks that drop the sender of a channel; all have ended when it is closed | a task |
//! | spawn_one | tasks whose handle is awaited before the next is spawned | a task |
//! | idle | tasks with a mailbox each, until the last waits; `bytes` resident for each, its address included, and `answer`, the nanoseconds for a message to each and an answer from it | a task |
//! | skynet | a task for each node, which awaits the handles of its ten children | a leaf |
//! | big | every task sends a ping to every other one, and answers with a pong | a ping and its pong |
//! | fib | a task for each call, which awaits the handles of its two calls | a call |
//! | call | requests with a oneshot channel to answer to, in batches of 100, answered last to first | a call |
//!
//! All but spawn_bulk, idle, skynet and fib run at a tenth of the size first. In flood and flow, a channel of 1,024
//! places is slower with one worker (by a quarter, and three quarters), and often faster with two; both vary twofold.

use std::{
    env,
    future::Future,
    process::exit,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::{self, JoinHandle},
};

mod jemalloc;

#[global_allocator]
static ALLOCATOR: jemalloc::Jemalloc = jemalloc::Jemalloc;

/// What the processes send each other; a receiver looks at the kind, as one with several kinds of senders must.
#[derive(Debug)]
enum Message {
    Ping(u64),
    Pong(u64),
    Token(u64),
    Number(u64),
    Waiting(u64),
}
use Message::{Number, Ping, Pong, Token, Waiting};

type Mailbox = UnboundedReceiver<Message>;
type Address = UnboundedSender<Message>;

fn mailbox() -> (Address, Mailbox) {
    mpsc::unbounded_channel()
}

/// How long a workload took, how many operations that were, and what else is printed.
struct Measured {
    time: Duration,
    operations: u64,
    extras: String,
}

impl Measured {
    fn since(begin: Instant, operations: u64) -> Self {
        Measured { time: begin.elapsed(), operations, extras: String::new() }
    }
}

type Outcome = Result<Measured, String>;

fn check(what: &str, found: u64, expected: u64) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what} is {found}, not {expected}"))
    }
}

/// The sum of 0..n: what the receivers of n numbers must have got.
fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

fn unexpected(message: Message) -> ! {
    panic!("{message:?} is not for this process")
}

async fn finish<T>(task: JoinHandle<T>) -> T {
    task.await.expect("a task can only end")
}

async fn pingpong(messages: u64) -> Outcome {
    let (ping_address, mut ping_mailbox) = mailbox();
    let (pong_address, mut pong_mailbox) = mailbox();
    let rounds = messages / 2;

    let begin = Instant::now();
    let ponger = task::spawn(async move {
        while let Some(message) = pong_mailbox.recv().await {
            match message {
                Ping(n) => drop(ping_address.send(Pong(n + 1))),
                other => unexpected(other),
            }
        }
    });
    let pinger = task::spawn(async move {
        let mut count = 0;
        for _ in 0..rounds {
            let _ = pong_address.send(Ping(count));
            match ping_mailbox.recv().await {
                Some(Pong(n)) => count = n,
                other => panic!("{other:?} in place of a pong"),
            }
        }
        count
    });
    let count = finish(pinger).await;
    finish(ponger).await;
    let measured = Measured::since(begin, 2 * rounds);
    check("the count of rounds", count, rounds)?;
    Ok(measured)
}

async fn ring(hops: u64) -> Outcome {
    const MEMBERS: u64 = 503;

    async fn member(mut mailbox: Mailbox, next: Address, index: u64, last: Address) {
        while let Some(message) = mailbox.recv().await {
            match message {
                Token(0) => {
                    let _ = last.send(Number(index));
                    return;
                }
                Token(left) => drop(next.send(Token(left - 1))),
                other => unexpected(other),
            }
        }
    }

    let begin = Instant::now();
    let (last, mut result) = mailbox();
    let (first, first_mailbox) = mailbox();
    let mut mailbox_of_next = first_mailbox;
    for index in 0..MEMBERS - 1 {
        let (next, next_mailbox) = mailbox();
        task::spawn(member(mailbox_of_next, next, index, last.clone()));
        mailbox_of_next = next_mailbox;
    }
    task::spawn(member(mailbox_of_next, first.clone(), MEMBERS - 1, last));
    let _ = first.send(Token(hops));
    drop(first);
    let found = match result.recv().await {
        Some(Number(index)) => index,
        other => panic!("{other:?} in place of the last member"),
    };
    let measured = Measured::since(begin, hops);
    check("the last member", found, hops % MEMBERS)?;
    Ok(measured)
}

/// flood, and flow: the senders give way after each `slice` messages.
async fn flood(messages_each: u64, slice: u64) -> Outcome {
    const SENDERS: u64 = 10;

    let begin = Instant::now();
    let (address, mut mailbox) = mailbox();
    let receiver = task::spawn(async move {
        let mut sum = 0;
        while let Some(message) = mailbox.recv().await {
            match message {
                Number(n) => sum += n,
                other => unexpected(other),
            }
        }
        sum
    });
    for _ in 0..SENDERS {
        let address = address.clone();
        task::spawn(async move {
            for n in 0..messages_each {
                let _ = address.send(Number(n));
                if n % slice == slice - 1 {
                    task::yield_now().await;
                }
            }
        });
    }
    drop(address);
    let sum = finish(receiver).await;
    let measured = Measured::since(begin, SENDERS * messages_each);
    check("the sum of all numbers", sum, SENDERS * sum_below(messages_each))?;
    Ok(measured)
}

async fn spawn_bulk(processes: u64) -> Outcome {
    let begin = Instant::now();
    let (address, mut all_ended) = mailbox();
    for _ in 0..processes {
        let address = address.clone();
        task::spawn(async move { drop(address) });
    }
    drop(address);
    let left = all_ended.recv().await;
    let measured = Measured::since(begin, processes);
    check("the count of messages", left.into_iter().count() as u64, 0)?;
    Ok(measured)
}

async fn spawn_one(processes: u64) -> Outcome {
    let begin = Instant::now();
    let mut sum = 0;
    for n in 0..processes {
        sum += finish(task::spawn(async move { n })).await;
    }
    let measured = Measured::since(begin, processes);
    check("the sum of all results", sum, sum_below(processes))?;
    Ok(measured)
}

async fn idle(processes: u64) -> Outcome {
    struct Asker {
        waiting: AtomicU64,
        address: Address,
    }

    let resident_before = resident_bytes();
    let begin = Instant::now();
    let (address, mut answers) = mailbox();
    let asker = Arc::new(Asker { waiting: AtomicU64::new(0), address });
    let idlers: Vec<Address> = (0..processes)
        .map(|_| {
            let (address, mut mailbox) = mailbox();
            let asker = Arc::clone(&asker);
            task::spawn(async move {
                if asker.waiting.fetch_add(1, Ordering::Relaxed) + 1 == processes {
                    let _ = asker.address.send(Waiting(processes));
                }
                match mailbox.recv().await {
                    Some(Ping(n)) => drop(asker.address.send(Pong(n))),
                    other => panic!("{other:?} in place of a ping"),
                }
            });
            address
        })
        .collect();
    match answers.recv().await {
        Some(Waiting(n)) => check("the count of those that wait", n, processes)?,
        other => panic!("{other:?} before all wait"),
    }
    let mut measured = Measured::since(begin, processes);
    let bytes = resident_bytes().saturating_sub(resident_before) / processes;

    let begin = Instant::now();
    for (n, idler) in (0..).zip(&idlers) {
        let _ = idler.send(Ping(n));
    }
    let mut sum = 0;
    for _ in 0..processes {
        match answers.recv().await {
            Some(Pong(n)) => sum += n,
            other => panic!("{other:?} in place of an answer"),
        }
    }
    let answer = begin.elapsed().as_nanos() as f64 / processes as f64;
    check("the sum of all answers", sum, sum_below(processes))?;
    measured.extras = format!(" bytes={bytes} answer={answer:.1}");
    Ok(measured)
}

/// VmRSS of this program.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a VmRSS");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes")
}

async fn skynet() -> Outcome {
    const LEAVES: u64 = 1_000_000;

    fn node(first: u64, size: u64) -> JoinHandle<u64> {
        if size == 1 {
            return task::spawn(async move { first });
        }
        task::spawn(async move {
            let part = size / 10;
            let children: [_; 10] = std::array::from_fn(|i| node(first + i as u64 * part, part));
            let mut sum = 0;
            for child in children {
                sum += finish(child).await;
            }
            sum
        })
    }

    let begin = Instant::now();
    let sum = finish(node(0, LEAVES)).await;
    let measured = Measured::since(begin, LEAVES);
    check("the sum of the leaves", sum, sum_below(LEAVES))?;
    Ok(measured)
}

async fn big(processes: u64) -> Outcome {
    async fn member(mut mailbox: Mailbox, members: Arc<[Address]>, me: u64) -> u64 {
        for (_, other) in (0..).zip(members.iter()).filter(|(index, _)| *index != me) {
            let _ = other.send(Ping(me));
        }
        let others = members.len() as u64 - 1;
        let (mut pings, mut pongs, mut sum) = (0, 0, 0);
        while pings < others || pongs < others {
            match mailbox.recv().await.expect("the members hold each other's address") {
                Ping(from) => {
                    pings += 1;
                    let _ = members[from as usize].send(Pong(me));
                }
                Pong(from) => {
                    pongs += 1;
                    sum += from;
                }
                other => unexpected(other),
            }
        }
        sum
    }

    let begin = Instant::now();
    let (addresses, mailboxes): (Vec<_>, Vec<_>) = (0..processes).map(|_| mailbox()).unzip();
    let members: Arc<[Address]> = addresses.into();
    let tasks: Vec<_> =
        (0..).zip(mailboxes).map(|(me, mailbox)| task::spawn(member(mailbox, Arc::clone(&members), me))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += finish(task).await;
    }
    let measured = Measured::since(begin, processes * (processes - 1));
    check("the sum of all pongs", sum, sum_below(processes) * (processes - 1))?;
    Ok(measured)
}

async fn fib(n: u64) -> Outcome {
    fn call(n: u64) -> JoinHandle<u64> {
        if n < 2 {
            return task::spawn(async move { n });
        }
        task::spawn(async move {
            let (one, other) = (call(n - 1), call(n - 2));
            finish(one).await + finish(other).await
        })
    }

    let (mut number, mut next) = (0, 1);
    for _ in 0..n {
        (number, next) = (next, number + next);
    }
    let begin = Instant::now();
    let found = finish(call(n)).await;
    let measured = Measured::since(begin, 2 * next - 1);
    check("the number", found, number)?;
    Ok(measured)
}

async fn call(calls: u64) -> Outcome {
    const BATCH: usize = 100;

    struct Request {
        number: u64,
        reply: oneshot::Sender<Message>,
    }

    let begin = Instant::now();
    let (server, mut requests) = mpsc::unbounded_channel::<Request>();
    task::spawn(async move {
        let mut pending = Vec::with_capacity(BATCH);
        while let Some(request) = requests.recv().await {
            pending.push(request);
            if pending.len() == BATCH {
                for Request { number, reply } in pending.drain(..).rev() {
                    let _ = reply.send(Number(number + 1));
                }
            }
        }
    });
    let client = task::spawn(async move {
        let mut answers = Vec::with_capacity(BATCH);
        let mut sum = 0;
        for batch in 0..calls / BATCH as u64 {
            for i in 0..BATCH as u64 {
                let (reply, answer) = oneshot::channel();
                let _ = server.send(Request { number: batch * BATCH as u64 + i, reply });
                answers.push(answer);
            }
            for answer in answers.drain(..) {
                match answer.await {
                    Ok(Number(n)) => sum += n,
                    other => panic!("{other:?} in place of an answer"),
                }
            }
        }
        sum
    });
    let sum = finish(client).await;
    let calls = calls - calls % BATCH as u64;
    let measured = Measured::since(begin, calls);
    check("the sum of all answers", sum, sum_below(calls) + calls)?;
    Ok(measured)
}

/// Runs a workload at a tenth of its size, and then at its size.
async fn warm<F: Future<Output = Outcome>>(size: u64, workload: impl Fn(u64) -> F) -> Outcome {
    workload(size / 10).await?;
    workload(size).await
}

async fn run(workload: &str, scale: u64) -> Option<Outcome> {
    const MILLION: u64 = 1_000_000;

    Some(match workload {
        "pingpong" => warm(2 * MILLION / scale, pingpong).await,
        "ring" => warm(5 * MILLION / scale, ring).await,
        "flood" => warm(MILLION / scale, |size| flood(size, u64::MAX)).await,
        "flow" => warm(MILLION / scale, |size| flood(size, 100)).await,
        "spawn_bulk" => spawn_bulk(MILLION / scale).await,
        "spawn_one" => warm(MILLION / scale, spawn_one).await,
        "idle" => idle(MILLION / scale).await,
        "skynet" => skynet().await,
        "big" => warm(if scale == 1 { 1000 } else { 320 }, big).await,
        "fib" => fib(if scale == 1 { 25 } else { 20 }).await,
        "call" => warm(MILLION / scale, call).await,
        _ => return None,
    })
}

/// The faster runtime for one worker: the multi-thread one, as it runs what was woken last first, takes half the time
/// of the current-thread one for trees of tasks (fib), and as long for messages. Where a million tasks become ready at
/// once its short queue overflows into the shared one, and the current-thread runtime is up to three times as fast.
fn runtime(workload: &str, workers: usize) -> Runtime {
    match (workers, workload) {
        (1, "idle" | "spawn_bulk") => Builder::new_current_thread().build(),
        _ => Builder::new_multi_thread().worker_threads(workers).build(),
    }
    .expect("threads can be started")
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (workload, workers, scale) = match arguments.as_slice() {
        [workload, workers, scale] => match (workers.parse(), scale.parse()) {
            (Ok(workers), Ok(scale)) if workers > 0 && scale > 0 => (workload.clone(), workers, scale),
            _ => usage(),
        },
        _ => usage(),
    };
    // As a task, not in block_on() itself, whose thread is none of the workers.
    let name = workload.clone();
    let outcome = runtime(&workload, workers)
        .block_on(async { finish(task::spawn(async move { run(&name, scale).await })).await });
    match outcome {
        Some(Ok(Measured { time, operations, extras })) => {
            println!("{workload} {workers} {:.1}{extras}", time.as_nanos() as f64 / operations as f64);
        }
        Some(Err(message)) => {
            eprintln!("{workload}: {message}");
            exit(1);
        }
        None => exit(77),
    }
}

fn usage() -> ! {
    eprintln!("usage: tokio-peer WORKLOAD WORKERS SCALE");
    exit(2);
}
