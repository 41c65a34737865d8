//! Tools that exceed every limit.

use core::hint::black_box;

use tollgate_guest::{Content, arguments, clock, log, progress, random, tool};

/// How much.
#[arguments]
pub(crate) struct Size {
    /// How many bytes.
    #[serde(default = "default_bytes")]
    bytes: u32,
}

fn default_bytes() -> u32 {
    64 << 20
}

/// How often.
#[arguments]
pub(crate) struct Times {
    /// How often.
    #[serde(default = "default_times")]
    times: u32,
}

fn default_times() -> u32 {
    100_000
}

/// Loops without end, and without calling the host.
#[tool]
pub(crate) fn loop_forever() -> String {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Copies memory about without end: little fuel, much time.
#[tool]
pub(crate) fn copy_storm() -> String {
    let mut memory = vec![1_u8; 16 << 20];
    let half = memory.len() / 2;
    loop {
        black_box(&mut memory).copy_within(..half, half);
    }
}

/// Allocates one mebibyte after another and writes to each, until it may no more.
#[tool]
pub(crate) fn memory_bomb() -> String {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(black_box(vec![1; 1 << 20]));
    }
}

/// Asks for a single allocation larger than its memory can ever be.
#[tool]
pub(crate) fn allocation_bomb() -> String {
    let all: Vec<u8> = Vec::with_capacity(black_box(i32::MAX as usize));
    format!("{} bytes were granted", all.capacity())
}

/// Calls itself until its stack ends.
#[tool]
pub(crate) fn recurse() -> String {
    format!("depth {}", deeper(black_box(0)))
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if depth == u64::MAX {
        0
    } else {
        deeper(depth + 1).wrapping_add(frame.iter().sum::<u64>())
    }
}

/// Returns this many bytes of text.
#[tool]
pub(crate) fn huge_output(args: Size) -> Vec<Content> {
    vec![Content::text("x".repeat(args.bytes as usize))]
}

/// Logs this many messages, some of them long.
#[tool]
pub(crate) fn log_flood(args: Times) -> String {
    for number in 0..args.times {
        log::info!(
            "message {number}: {}",
            "y".repeat(if number % 10 == 0 { 100_000 } else { 10 })
        );
    }
    format!("logged {} messages", args.times)
}

/// Reports this much progress, some of it backwards, much of it long and not fit to be shown.
#[tool]
pub(crate) fn progress_flood(args: Times) -> String {
    for number in 0..u64::from(args.times) {
        progress::report(
            number,
            Some(10),
            &format!("\u{1b}[2J\u{202e}{}", "z".repeat(100_000)),
        );
        progress::report(number / 2, None, "backwards");
    }
    format!("reported {} times", args.times)
}

/// Draws more randomness than there may be at once, then a little as often as it may.
#[tool]
pub(crate) fn random_flood(args: Times) -> String {
    let at_once = random::bytes(random::MAX_BYTES + 1);
    let drawn = (0..args.times)
        .take_while(|_| random::bytes(black_box(1_000)).is_ok())
        .count();
    format!("{at_once:?}, then {drawn} times")
}

/// What time it is, waited for until the clock has gone on.
#[tool(read_only)]
pub(crate) fn tell_time() -> String {
    let (now, began) = (clock::unix_millis(), clock::elapsed());
    while clock::elapsed() <= began {}
    format!("{now}")
}
