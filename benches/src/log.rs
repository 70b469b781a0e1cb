//! Logs of tasks: text lines that compress about seven to one.

use crate::generator::Generator;
use crate::words;
use std::fmt::Write;

const SEED: u64 = 2;

const LEVELS: [&str; 8] = [
    "Info", "Info", "Info", "Info", "Verbose", "Verbose", "Warning", "Error",
];

/// How long log `number` is.
pub fn len(number: u64) -> usize {
    Generator::of(&[SEED, number]).size(4 << 10, 6)
}

/// The first `len` bytes of log `number`.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    let mut generator = Generator::of(&[SEED, number, 0]);
    let mut text = String::with_capacity(len + 256);
    let task = 100_000 + number;
    let mut clock_ms = generator.below(86_400_000);
    while text.len() < len {
        clock_ms += generator.skewed(900);
        line(&mut generator, &mut text, task, clock_ms);
    }
    text.truncate(len);
    text.into_bytes()
}

fn line(generator: &mut Generator, text: &mut String, task: u64, clock_ms: u64) {
    let (seconds, ms) = (clock_ms / 1000 % 86_400, clock_ms % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let level = generator.pick(&LEVELS);
    let machine = generator.skewed(40);
    let written = write!(
        text,
        "2026-03-{:02}T{hours:02}:{minutes:02}:{:02}.{ms:03}Z | {level:<7} | ServerTasks-{task} | ",
        1 + task % 28,
        seconds % 60,
    )
    .and_then(|()| match generator.below(8) {
        0 => write!(
            text,
            "Step {}: acquiring package {} version 1.{}.{}",
            1 + generator.below(12),
            words::product(generator.skewed(60)),
            generator.skewed(30),
            generator.below(400),
        ),
        1 => write!(
            text,
            "Uploaded {} bytes to web-{machine:02} in {} ms, hash {:016x}",
            generator.size(1024, 12),
            generator.skewed(20_000),
            generator.number(),
        ),
        2 => write!(
            text,
            "web-{machine:02}: exit code 0 of {}",
            words::sentence(generator, 2).replace(' ', "-")
        ),
        _ => {
            // Most lines are one of a few hundred messages, said again and again.
            let mut message = Generator::of(&[SEED, generator.skewed(400)]);
            let count = 4 + message.below(8);
            text.push_str(&words::sentence(&mut message, count));
            Ok(())
        }
    });
    written.expect("a string takes all that is written");
    text.push_str("\r\n");
}
