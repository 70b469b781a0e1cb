//! What was restored, and what was not.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use bakpak_format::entry::EntryPath;

/// What became of everything that was staged. What a merge left as it was is not counted.
#[derive(Debug, Default)]
pub struct Report {
    /// Regular files.
    pub files: u64,
    /// Sum of their lengths.
    pub len: u64,
    /// Directories with an entry of their own.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Named pipes and devices.
    pub specials: u64,
    /// Files that a killed run had unpacked and that were taken over: compared with the archive, not
    /// written again. They count among the files too.
    pub kept: u64,
    /// Sum of their lengths.
    pub kept_len: u64,
    /// Where things went that were replaced; they are kept.
    pub replaced: Option<PathBuf>,
    /// How many they are; a directory with all in it counts as one.
    pub replaced_count: u64,
    /// Stages of killed runs that lie beside ours and hold no file; they can be removed.
    pub leftovers: Vec<PathBuf>,
    /// Stages of runs of this user that were killed before they published anything: they hold what
    /// those had unpacked, and nothing of the target.
    pub unpublished: Vec<PathBuf>,
    /// Further stages that lie beside ours: what is in them may be nowhere else, or they are of
    /// another user, or of a run that may last. To be looked into, not to be removed unseen.
    pub others: Vec<PathBuf>,
    /// What could not be restored as it was, by kind.
    pub losses: Vec<Loss>,
}

/// Something that could not be restored as it was.
#[derive(Debug)]
pub struct Loss {
    /// What kind of thing.
    pub kind: LossKind,
    /// How often.
    pub count: u64,
    /// The first entry it happened to.
    pub example: EntryPath,
    /// What the system said then, if it was asked.
    pub error: Option<io::Error>,
}

/// What can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// The entry was left out: something of its kind, size and time is there already (only with
    /// [`TargetMode::Merge`]).
    ///
    /// [`TargetMode::Merge`]: crate::TargetMode::Merge
    AlreadyThere,
    /// The entry was left out, with all below it: something else is there already (only with
    /// [`TargetMode::Merge`]).
    ///
    /// [`TargetMode::Merge`]: crate::TargetMode::Merge
    DifferentThere,
    /// A named pipe or device was not made, because that was not allowed or not possible.
    Special,
    /// A symbolic link was not made.
    Symlink,
    /// A further name of a file became a copy of it.
    HardLink,
    /// Owner or group are other than they were.
    Owner,
    /// Permission bits are other than they were.
    Mode,
    /// Set-user-id, set-group-id or file capabilities were not given.
    Privilege,
    /// An access control list was not set.
    Acl,
    /// An attribute of users (`user.*`) was not set.
    UserXattr,
    /// An attribute of the system (`security.*`, `trusted.*`) was not set.
    SystemXattr,
    /// The modification time is another one.
    Mtime,
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyThere => "left as it was, of the archive's size and time",
            Self::DifferentThere => "left as it was, though NOT of the archive's size and time",
            Self::Special => "named pipe or device not made",
            Self::Symlink => "symbolic link not made",
            Self::HardLink => "hard link became a copy",
            Self::Owner => "owner not restored",
            Self::Mode => "permissions not restored",
            Self::Privilege => "set-id bits or capabilities not given",
            Self::Acl => "access control list not restored",
            Self::UserXattr => "user attribute not restored",
            Self::SystemXattr => "system attribute not restored",
            Self::Mtime => "modification time not restored",
        })
    }
}

/// Losses by kind, while they happen.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeMap<LossKind, Loss>);

impl Losses {
    /// Counts a loss; the first of a kind is the example.
    pub(crate) fn note(&mut self, kind: LossKind, path: &EntryPath, error: Option<io::Error>) {
        let loss = self.0.entry(kind).or_insert_with(|| Loss {
            kind,
            count: 0,
            example: path.clone(),
            error,
        });
        loss.count += 1;
    }

    /// Counts a loss if there was an error.
    pub(crate) fn note_error(&mut self, kind: LossKind, path: &EntryPath, done: io::Result<()>) {
        if let Err(error) = done {
            self.note(kind, path, Some(error));
        }
    }

    /// All of them, the weightiest kinds first.
    pub(crate) fn into_vec(self) -> Vec<Loss> {
        self.0.into_values().collect()
    }
}
