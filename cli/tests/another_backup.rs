//! Another backup of a database adds the pages that changed to an archive, and hardly more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use jiff::civil::{DateTime, date};
use mssql_backup::PAGE_LEN;
use mssql_backup::testing::{Database, Media, Set, write_media};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::Sandbox;

const PAGES: u32 = 2000;
const CHANGED: usize = 40;

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

/// A medium whose pages begin at an offset of its own.
fn medium(name: &str, set: &Set) -> Vec<u8> {
    let media = Media {
        name: Some(name.to_owned()),
        ..Media::default()
    };
    write_media(&media, std::slice::from_ref(set)).remove(0)
}

/// Bytes that are nowhere else, and no backup.
fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    let words = (0..300_000).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

#[test]
fn a_second_full_backup_adds_the_pages_that_changed() {
    let mut database = Database::with_pages("Orders", PAGES, PAGES);
    let first = database.full(at(0));
    for minute in 1..=CHANGED {
        database.commit(at(minute as i8));
    }
    let second = database.full(at(50));
    let sandbox = Sandbox::new();
    sandbox.write("backups/1.bak", medium("a", &first));
    // So that the chunk with the end of the first is closed.
    sandbox.write("backups/2.noise", noise());
    sandbox.write(
        "backups/3.bak",
        medium(&"moves its pages ".repeat(60), &second),
    );
    // With segments alone: nothing that was recently packed is compared byte by byte.
    let run =
        sandbox.typed("pack -o a.bakpak --sql backups --key-file data.key --history 0 --json");
    let end = run.events("packed").remove(0);
    let copied = end["copied_len"].as_u64().unwrap();
    // A transaction changes a page; the maps change too.
    let unchanged = (PAGES as usize - CHANGED - 10) * PAGE_LEN;
    assert!(copied >= unchanged as u64, "{copied} of {unchanged}");
}
