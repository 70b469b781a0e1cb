//! Checks the content of one file as it passes, whatever kind of backup it is.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use bakpak_codec::tap::Tap;
use bakpak_format::record::EntryFacts;
use mssql_backup::kind::{Kind, PEEK_LEN};
use mssql_backup::read::Checker;
use mssql_backup::report::Report;
use recovery::foreign::{self, ForeignKind, ForeignReport};

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// A SQL Server backup.
    Media(Box<Report>),
    /// The backup of something else.
    Other(ForeignReport),
    /// It could not be checked, for want of a thread or by an error of the program.
    Failed,
    /// No backup, or nothing that can be checked.
    Nothing,
}

/// Sees the content of a file, from its first byte to its last.
struct Content {
    name: String,
    /// What it is, where that was seen before.
    known: Option<ForeignKind>,
    state: State,
}

/// A tap that hands what it found to somebody.
pub(crate) struct ContentTap<F> {
    content: Content,
    found: F,
}

#[allow(clippy::large_enum_variant, reason = "there are few at a time")]
enum State {
    /// The first bytes, too few yet to tell what it is.
    Start(Vec<u8>),
    Media(Checker),
    Other(Pulled),
    Failed,
    Nothing,
}

impl Content {
    /// The name decides only between what begins alike; what is `known` of a ZIP by its directory,
    /// more than it.
    fn new(name: String, known: Option<ForeignKind>) -> Self {
        let state = State::Start(Vec::new());
        Self { name, known, state }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Start(first) => {
                first.extend_from_slice(bytes);
                if first.len() >= PEEK_LEN {
                    self.begin();
                }
            }
            State::Media(checker) => checker.feed(bytes),
            State::Other(pulled) => pulled.feed(bytes),
            State::Failed | State::Nothing => {}
        }
    }

    fn zeros(&mut self, mut len: u64) {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while len > 0 && !matches!(self.state, State::Nothing) {
            let now = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
            self.bytes(&ZEROS[..now]);
            len -= now as u64;
        }
    }

    fn finish(mut self) -> Found {
        if matches!(self.state, State::Start(_)) {
            self.begin();
        }
        match self.state {
            State::Media(checker) => Found::Media(Box::new(checker.finish())),
            State::Other(pulled) => pulled.finish(),
            State::Failed => Found::Failed,
            State::Start(_) | State::Nothing => Found::Nothing,
        }
    }

    /// Decides what it is, and hands on what has come.
    fn begin(&mut self) {
        let State::Start(first) = std::mem::replace(&mut self.state, State::Nothing) else {
            return;
        };
        self.state = match Kind::of(&first) {
            kind if kind.is_sql_server() => State::Media(Checker::new()),
            kind => match self.recognised(kind, &first) {
                Some(kind) if kind != ForeignKind::Tar => {
                    Pulled::start(kind).map_or(State::Failed, State::Other)
                }
                _ => return,
            },
        };
        self.bytes(&first);
    }

    /// A file can have become another one since it was looked at.
    fn recognised(&mut self, kind: Kind, first: &[u8]) -> Option<ForeignKind> {
        let known = self.known.take().filter(|_| kind == Kind::Zip);
        known.or_else(|| foreign::recognise(first, &self.name))
    }
}

impl<F: FnOnce(Found) -> Vec<EntryFacts> + Send> ContentTap<F> {
    pub(crate) fn new(name: String, known: Option<ForeignKind>, found: F) -> Self {
        let content = Content::new(name, known);
        Self { content, found }
    }
}

impl<F: FnOnce(Found) -> Vec<EntryFacts> + Send> Tap for ContentTap<F> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.content.bytes(bytes);
    }

    fn zeros(&mut self, len: u64) {
        self.content.zeros(len);
    }

    fn finish(self: Box<Self>) -> Vec<EntryFacts> {
        (self.found)(self.content.finish())
    }
}

/// A check that reads, on a thread of its own.
struct Pulled {
    pieces: SyncSender<Vec<u8>>,
    check: JoinHandle<io::Result<Option<ForeignReport>>>,
}

impl Pulled {
    /// Pieces under way; each is as long as what came at once, 128 KiB at most.
    const DEPTH: usize = 4;

    /// None if there can be no further thread: then the file is packed unchecked, and that is told.
    fn start(kind: ForeignKind) -> Option<Self> {
        let (pieces, incoming) = sync_channel(Self::DEPTH);
        let reader = Pieces {
            incoming,
            piece: Vec::new(),
            used: 0,
        };
        let thread = thread::Builder::new().name("check".to_owned());
        let check = thread.spawn(move || foreign::check(&kind, reader)).ok()?;
        Some(Self { pieces, check })
    }

    fn feed(&mut self, bytes: &[u8]) {
        // If it has ended before the content, what it found does not depend on the rest.
        let _ = self.pieces.send(bytes.to_vec());
    }

    fn finish(self) -> Found {
        drop(self.pieces);
        match self.check.join() {
            Ok(Ok(Some(report))) => Found::Other(report),
            Ok(Ok(None)) => Found::Nothing,
            Ok(Err(_)) | Err(_) => Found::Failed,
        }
    }
}

/// The pieces as something to read.
struct Pieces {
    incoming: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    used: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.piece.len() {
            match self.incoming.recv() {
                Ok(piece) => (self.piece, self.used) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let rest = &self.piece[self.used..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.used += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

    fn found(content: &[u8], piece_len: usize) -> Found {
        let mut checked = Content::new("shop.sql".to_owned(), None);
        content
            .chunks(piece_len)
            .for_each(|piece| checked.bytes(piece));
        checked.finish()
    }

    #[test]
    fn a_dump_is_checked_as_it_passes() {
        let long = DUMP.replace("SELECT 1;", &"SELECT 1;\n".repeat(100_000));
        for (content, is_whole) in [(&long[..], true), (&long[..long.len() - 60], false)] {
            for piece_len in [100, 70_000] {
                let Found::Other(report) = found(content.as_bytes(), piece_len) else {
                    panic!("it is not recognised");
                };
                assert_eq!(report.faults().is_empty(), is_whole);
            }
        }
    }

    #[test]
    fn a_zip_that_was_cut_is_told_though_nobody_knows_what_it_was() {
        assert!(matches!(found(b"PK\x03\x04", 1000), Found::Other(_)));
    }

    #[test]
    fn what_is_no_backup_is_left_alone() {
        for content in [&b""[..], &[7; 5000]] {
            assert!(matches!(found(content, 1000), Found::Nothing));
        }
        // A ZIP without members.
        let mut content = b"PK\x05\x06".to_vec();
        content.resize(22, 0);
        assert!(matches!(found(&content, 1000), Found::Nothing));
    }
}
