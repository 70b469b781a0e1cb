//! Progress, warnings and cancellation: how a caller watches a long run.

use crate::error::Finding;
use bakpak_format::entry::EntryPath;

/// Something worth telling that does not stop the run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// BP112: the file changed while it was read; the archive holds `recorded` bytes.
    Changed {
        /// Which.
        path: EntryPath,
        /// Size in the archive.
        recorded: u64,
        /// Size seen at the end.
        observed: u64,
    },
    /// A source was left out because it could not be read (incomplete archive).
    Unreadable {
        /// Which.
        path: EntryPath,
        /// What the system said.
        reason: String,
    },
    /// Resuming: the source was being packed, and has changed since. What there is of it is superseded,
    /// and it is read anew.
    ChangedSince {
        /// Which.
        path: EntryPath,
    },
    /// Resuming: the source was being packed, and is not among the sources any more. It is left out.
    GoneSince {
        /// Which.
        path: EntryPath,
    },
    /// Resuming: sources were not there when the run that was stopped passed their places; they are
    /// not packed.
    CameTooLate {
        /// The first of them.
        path: EntryPath,
        /// How many more.
        further: u64,
    },
    /// Reading from a pipe: the archive's sealed blocks are spooled to the temporary folder, since
    /// it copies from them.
    Spooling {
        /// So much of it, if the archive says how far back its copies reach.
        most_len: Option<u64>,
    },
    /// More was learned of an entry than the archive has room for.
    FactsLeftOut {
        /// Which.
        path: EntryPath,
        /// FACTS that are not in the archive.
        count: u64,
    },
    /// The header declares signers, which this version does not check.
    SignersNotChecked {
        /// How many.
        count: usize,
    },
    /// One of two copies at the archive's start is damaged, and the other is used.
    Damage(Finding),
    /// What stands at the archive's start is damaged, and its copy in the tail is used.
    TailCopyUsed(Finding),
    /// So is that copy, and another one, found further on in the file, is used.
    FoundCopyUsed(Finding),
    /// No secret fits: what shows without a key is verified all the same.
    VerifiesWithoutKey,
    /// A copy of a slot table is older than the table itself.
    OlderSlotTable {
        /// Generation of the copy.
        found: u32,
        /// Generation of the table.
        newest: u32,
    },
}

/// Watches a run. All methods may be called from one thread only.
pub trait Observer {
    /// So many bytes of the archive (reading) or of the sources (packing) are done.
    fn progress(&self, done: u64) {
        let _ = done;
    }

    /// Something worth telling.
    fn warn(&self, warning: Warning) {
        let _ = warning;
    }

    /// Asked often: whether to stop now, with `Interrupted` (spec: RDR-6).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing.
pub struct Unobserved;

impl Observer for Unobserved {}
