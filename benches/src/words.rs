//! Words of which names, comments and messages are made.

use crate::generator::Generator;

/// Words as they occur in the tables, logs and file names of a server.
pub const WORDS: [&str; 64] = [
    "account", "action", "archive", "batch", "billing", "branch", "bridge", "cache", "catalog",
    "channel", "client", "cluster", "contract", "control", "customer", "deploy", "device",
    "document", "element", "engine", "export", "feature", "filter", "gateway", "group", "handler",
    "health", "import", "index", "invoice", "journal", "ledger", "library", "machine", "mailbox",
    "manager", "market", "message", "metric", "monitor", "order", "package", "partner", "payment",
    "planner", "portal", "project", "queue", "record", "region", "release", "report", "schema",
    "service", "session", "shipment", "storage", "supplier", "target", "tenant", "ticket",
    "variable", "depot", "worker",
];

/// `count` words with spaces between, the frequent ones more often.
pub fn sentence(generator: &mut Generator, count: u64) -> String {
    let mut text = String::new();
    for number in 0..count {
        if number > 0 {
            text.push(' ');
        }
        text.push_str(WORDS[generator.skewed(WORDS.len() as u64) as usize]);
    }
    text
}

/// A name such as `Acme.Invoice.Gateway`; the same number, the same name.
pub fn product(number: u64) -> String {
    let count = WORDS.len() as u64;
    let first = WORDS[(number * 29 % count) as usize];
    let second = WORDS[(number * 37 / count + number * 11) as usize % WORDS.len()];
    format!("Acme.{}.{}", capital(first), capital(second))
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}
