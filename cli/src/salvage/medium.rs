//! A SQL Server backup looked at as it is salvaged: which pages of its databases are missing.

use bakpak_format::entry::EntryPath;
use mssql_backup::kind::Kind;
use mssql_backup::read::Checker;

use crate::affected::MissingOfBackup;
use crate::output::event::{MissingLog, MissingPages};

/// The file being salvaged, if it is a backup.
pub(super) struct Medium {
    checker: Option<Checker>,
    /// Whether its first bytes have come, or are missing.
    has_begun: bool,
    /// By its place it is a backup, whatever its first bytes look like.
    is_backup: bool,
    position: u64,
}

impl Medium {
    pub(super) fn new(path: &EntryPath) -> Self {
        Self {
            checker: None,
            has_begun: false,
            is_backup: path.as_bytes().starts_with(b"sql/"),
            position: 0,
        }
    }

    /// Bytes that are there; what lies before them and was not told is zeros.
    pub(super) fn bytes(&mut self, offset: u64, bytes: &[u8]) {
        self.begin(bytes);
        if let Some(checker) = &mut self.checker {
            checker.feed_zeros(offset.saturating_sub(self.position));
            checker.feed(bytes);
        }
        self.position = offset + bytes.len() as u64;
    }

    /// Bytes that are missing.
    pub(super) fn missing(&mut self, offset: u64, len: u64) {
        self.begin(&[]);
        if let Some(checker) = &mut self.checker {
            checker.feed_zeros(offset.saturating_sub(self.position));
            checker.feed_hole(len);
        }
        self.position = offset + len;
    }

    fn begin(&mut self, first: &[u8]) {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        if !has_begun && (self.is_backup || Kind::of(first).is_sql_server()) {
            self.checker = Some(Checker::new());
        }
    }

    /// What was missing.
    pub(super) fn finish(self) -> MissingOfBackup {
        let mut missing = MissingOfBackup::default();
        let sets = self.checker.map(|checker| checker.finish().sets);
        for set in sets.into_iter().flatten() {
            let position = set.checked.set.header.position.into();
            missing.page_count += set.lost.page_count;
            missing
                .pages
                .extend(set.lost.pages.iter().map(|lost| MissingPages {
                    set: position,
                    offset: lost.offset,
                    count: lost.count,
                    file: lost.pages.map(|pages| pages.file),
                    first: lost.pages.map(|pages| pages.first),
                    last: lost.pages.map(|pages| pages.last),
                    is_exact: lost.pages.is_some_and(|pages| pages.is_exact),
                }));
            missing
                .log
                .extend(set.lost.log.iter().map(|lost| MissingLog {
                    set: position,
                    offset: lost.offset,
                    from: lost.from.map(|lsn| lsn.to_string()),
                    to: lost.to.map(|lsn| lsn.to_string()),
                }));
        }
        missing
    }
}
