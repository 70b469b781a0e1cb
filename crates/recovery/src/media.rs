//! What was read from the files that the user names: the input of everything here.

use mssql_backup::check::CheckedSet;
use mssql_backup::label::Label;

/// One file of backups, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaFile {
    /// The file as the user knows it; what the plan names.
    pub name: String,
    /// Its place in the media set. None if it could not be read.
    pub label: Option<Label>,
    /// The backup sets on it that could be read.
    pub sets: Vec<CheckedSet>,
    /// Why not all of it could be read.
    pub trouble: Option<Trouble>,
}

/// Why a file could not be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The backups in it are encrypted: there are headers, but nobody here can read them.
    Encrypted,
    /// It is no backup, or too damaged; the reason in one plain line.
    Unreadable(String),
}
