//! What can go wrong, sorted by who can act.

use crate::keyring::SlotKind;
use crate::pipeline::{NoThread, WorkerLost};
use crate::sink::SinkError;
use bakpak_format::entry::EntryPath;
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::slots::Domain;
use std::fmt;
use std::io;

/// One fault of an archive: what, where, and whom it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The class, as chapter 0 of the specification names it.
    pub class: Class,
    /// The structure in which it was found.
    pub structure: Structure,
    /// Where that begins in the file, if that is known.
    pub offset: Option<u64>,
    /// The block, if it is one.
    pub block: Option<u64>,
    /// Its damaged sectors, counted from the block's start.
    pub sectors: Vec<u32>,
    /// The entry that was being read.
    pub entry: Option<EntryPath>,
    /// The label of the rule that is broken, where one says more than the class.
    pub rule: Option<&'static str>,
    /// One plain line.
    pub message: String,
}

/// Reading an archive failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operator can act: disk, network, rights.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The key holder can act: none of the secrets offered opens a slot.
    #[error("no offered secret opens this {}", OpensWhat(*.domain))]
    NoKeyFits {
        /// Data or envelope.
        domain: Domain,
        /// The slots that there are.
        kinds: Vec<SlotKind>,
    },
    /// The key holder can act: no secret was offered.
    #[error("no secret was offered for this {}", OpensWhat(*.domain))]
    NoKeyOffered {
        /// Data or envelope.
        domain: Domain,
        /// The slots that there are.
        kinds: Vec<SlotKind>,
    },
    /// The archive has no master-key envelope.
    #[error("this archive has no master-key envelope")]
    NoEnvelope,
    /// The archive is damaged, cut, foreign or over a limit.
    #[error("{0}")]
    Fault(Box<Finding>),
    /// The entry's source could not be read when the archive was packed.
    #[error("'{path}' could not be read when this archive was packed; its content is not in it")]
    Unreadable {
        /// Which.
        path: EntryPath,
    },
    /// The operator can act: no room to keep what comes from a pipe, or what was mended.
    #[error("no room in the temporary folder for what has to be kept: {source}")]
    NoRoom {
        /// What the system said.
        source: io::Error,
    },
    /// The operator can act: there is no folder for temporary files, or it cannot be written to.
    #[error("what has to be kept cannot be written to the temporary folder: {source}")]
    NoTemporaryFile {
        /// What the system said.
        source: io::Error,
    },
    /// The operator can act: less room to spool than the archive's copies may ask for. Nothing was
    /// read yet but the head.
    #[error(
        "to read this archive from a pipe, {needed} bytes are needed in the temporary folder, and \
         {free} are free"
    )]
    SpoolTooSmall {
        /// So many bytes can be needed.
        needed: u64,
        /// So many are free.
        free: u64,
    },
    /// The sink stopped.
    #[error("{0}")]
    Sink(SinkError),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A defect of this program.
    #[error(transparent)]
    Defect(#[from] Defect),
}

/// Packing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The archive cannot be written, or the random generator does not answer.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever packs can act: these sources could not be read.
    #[error("{} of the sources could not be read", .0.len())]
    Unreadable(Vec<Missing>),
    /// Whoever packs can act: nothing could be read but directories, and nothing is sealed, so even
    /// an incomplete archive would hold nothing.
    #[error("none of the sources could be read")]
    NothingReadable(Vec<Missing>),
    /// What a pack that was stopped has left cannot be read again.
    #[error("the partial file cannot be gone on with: {0}")]
    Partial(#[source] ReadError),
    /// Settings and sources do not go together; said before anything is written, or as soon as
    /// it shows.
    #[error("{0}")]
    Settings(String),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A defect of this program.
    #[error(transparent)]
    Defect(#[from] Defect),
}

/// A defect of bakpak itself, never caused by bytes read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Defect(String);

impl Defect {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// A source that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Where it would have been.
    pub path: EntryPath,
    /// What the system said.
    pub reason: String,
}

/// The family of an error, for an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Disk, network, rights.
    Io,
    /// A secret was offered, but opens nothing.
    NoKeyFits,
    /// No secret was offered that this archive knows.
    NoKeyOffered,
    /// Damaged, not authentic or malformed.
    Damaged,
    /// Cut off.
    Truncated,
    /// Newer or foreign, or over a limit.
    Unsupported,
    /// Whole, but something was not in it from the start.
    Incomplete,
    /// No room on the target.
    NoRoom,
    /// The sink's own error.
    Sink,
    /// Asked to stop.
    Interrupted,
    /// The caller's, or this program's own.
    Misuse,
}

impl ReadError {
    /// The system does not read the archive.
    pub(crate) fn reading(source: io::Error) -> Self {
        Self::Io {
            what: "reading the archive",
            source,
        }
    }

    /// A temporary file cannot be made or written.
    pub(crate) fn keeping(source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoRoom { source },
            _ => Self::NoTemporaryFile { source },
        }
    }

    /// The family of the error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. } | Self::NoTemporaryFile { .. } => ErrorClass::Io,
            Self::NoKeyFits { .. } => ErrorClass::NoKeyFits,
            Self::NoKeyOffered { .. } | Self::NoEnvelope => ErrorClass::NoKeyOffered,
            Self::Fault(finding) => finding.class(),
            Self::Unreadable { .. } => ErrorClass::Incomplete,
            Self::NoRoom { .. } | Self::SpoolTooSmall { .. } => ErrorClass::NoRoom,
            Self::Sink(_) => ErrorClass::Sink,
            Self::Interrupted => ErrorClass::Interrupted,
            Self::Defect(_) => ErrorClass::Misuse,
        }
    }

    /// The error with the place in the file, if it is a fault that has none yet.
    pub(crate) fn at(mut self, offset: u64) -> Self {
        if let Self::Fault(finding) = &mut self {
            finding.offset.get_or_insert(offset);
        }
        self
    }
}

impl Finding {
    /// As an error of its own.
    pub(crate) fn into_error(self: Box<Self>) -> ReadError {
        ReadError::Fault(self)
    }

    /// The family of the fault.
    pub fn class(&self) -> ErrorClass {
        match self.class {
            Class::Damaged | Class::NotAuthentic | Class::Malformed => ErrorClass::Damaged,
            Class::Truncated => ErrorClass::Truncated,
            Class::Unsupported | Class::LimitExceeded => ErrorClass::Unsupported,
            Class::NoKeyFits => ErrorClass::NoKeyFits,
        }
    }

    /// Whether it shows only to whoever has the key.
    pub(crate) fn is_sealed(&self) -> bool {
        use Structure::{
            Block, Catalogue, Checkpoint, Chunk, Entry, Facts, Final, Parity, Record, Script, Tree,
        };
        match self.structure {
            Record | Chunk | Script | Entry | Catalogue | Facts | Checkpoint | Tree | Final => true,
            Block | Parity => matches!(self.class, Class::NotAuthentic | Class::Malformed),
            _ => false,
        }
    }

    pub(crate) fn new(class: Class, structure: Structure, message: impl Into<String>) -> Self {
        Self {
            class,
            structure,
            offset: None,
            block: None,
            sectors: Vec::new(),
            entry: None,
            rule: None,
            message: message.into(),
        }
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset.get_or_insert(offset);
        self
    }
}

impl From<FormatError> for Finding {
    fn from(error: FormatError) -> Self {
        let mut finding = Self::new(error.class(), error.structure(), error.to_string());
        if let FormatError::Malformed { rule, .. } = error {
            finding.rule = Some(rule);
        }
        finding
    }
}

impl From<FormatError> for ReadError {
    fn from(error: FormatError) -> Self {
        Self::Fault(Box::new(error.into()))
    }
}

impl From<Finding> for ReadError {
    fn from(finding: Finding) -> Self {
        Self::Fault(Box::new(finding))
    }
}

impl From<WorkerLost> for ReadError {
    fn from(lost: WorkerLost) -> Self {
        Defect(lost.to_string()).into()
    }
}

impl From<NoThread> for ReadError {
    fn from(NoThread(source): NoThread) -> Self {
        let what = "starting threads";
        Self::Io { what, source }
    }
}

impl From<NoThread> for PackError {
    fn from(NoThread(source): NoThread) -> Self {
        let what = "starting threads";
        Self::Io { what, source }
    }
}

impl From<WorkerLost> for PackError {
    fn from(lost: WorkerLost) -> Self {
        Defect(lost.to_string()).into()
    }
}

/// What `pack` hands to the format crate is in order, so its refusal is a defect here, unless it
/// is a limit that the sources pass.
impl From<FormatError> for PackError {
    fn from(error: FormatError) -> Self {
        match error.class() {
            Class::LimitExceeded => Self::Settings(error.to_string()),
            _ => Defect(error.to_string()).into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        // What is wrong at the very start is said by the message itself.
        if let Some(offset) = self.offset.filter(|&offset| offset > 0) {
            write!(f, " (archive offset {offset})")?;
        }
        if let Some(entry) = &self.entry {
            write!(f, ": '{entry}' is affected")?;
        }
        Ok(())
    }
}

struct OpensWhat(Domain);

impl fmt::Display for OpensWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Domain::Data => "archive",
            Domain::Envelope => "archive's master-key envelope",
        })
    }
}
