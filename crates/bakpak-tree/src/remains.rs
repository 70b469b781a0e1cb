//! What lies in a stage, and what is left of one whose run was killed.

use std::io;

use crate::finished;
use crate::journal;
use crate::leftover;
use crate::platform::os::Dir;

/// The tree, in the stage.
pub(crate) const TREE: &[u8] = b"tree";

/// The files that are not part of the tree, or not yet, in the stage.
pub(crate) const LINKS: &[u8] = b"links";

/// The entries of symbolic links, in the stage.
pub(crate) const SYMLINKS: &[u8] = b"symlinks";

/// The entries of directories, in the stage.
pub(crate) const DIRECTORIES: &[u8] = b"directories";

/// What is left of another stage.
pub(crate) enum Remains {
    Nothing,
    /// Only what we made to work with.
    Directories,
    /// What was unpacked, of which nothing was ever published.
    Unpacked,
    /// The same, but it was published for a while and taken back.
    Undone,
    /// Perhaps something that is nowhere else.
    Unknown,
}

/// What is in a stage of ours that does not publish.
pub(crate) fn remains(stage: &Dir) -> io::Result<Remains> {
    let (mut holds_files, mut was_undone) = (false, false);
    for name in stage.list()? {
        match name.as_slice() {
            TREE | LINKS => holds_files |= leftover::holds_files(&stage.open_child(&name)?)?,
            leftover::LOCK | SYMLINKS | DIRECTORIES | finished::MARK => {}
            journal::DRAFT | journal::DONE => {}
            // What was taken back may have been changed while it was published.
            journal::UNDONE => was_undone = true,
            _ => return Ok(Remains::Unknown),
        }
    }
    Ok(match (holds_files, was_undone) {
        (false, _) => Remains::Directories,
        (true, false) => Remains::Unpacked,
        (true, true) => Remains::Undone,
    })
}
