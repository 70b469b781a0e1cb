//! What contestants are asked to do.

/// One of the things that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Make the archive.
    Pack,
    /// Prove, with the key, that all of it can be restored.
    Verify,
    /// Find accidents without any secret.
    Keyless,
    /// Name all entries.
    List,
    /// Write one file out of the middle.
    One,
    /// Restore everything.
    Unpack,
}

impl Verb {
    /// All verbs, in the order in which they run.
    pub const ALL: [Self; 6] = [
        Self::Pack,
        Self::Verify,
        Self::Keyless,
        Self::List,
        Self::One,
        Self::Unpack,
    ];

    /// Its word on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Verify => "verify",
            Self::Keyless => "keyless",
            Self::List => "list",
            Self::One => "one",
            Self::Unpack => "unpack",
        }
    }

    /// As a column's head says it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Keyless => "verify keyless",
            Self::One => "one file",
            other => other.name(),
        }
    }

    /// The verb of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// Whether it is over so soon, and asked again so often, that the first time does not count.
    #[must_use]
    pub fn is_warmed_up(self) -> bool {
        matches!(self, Self::List | Self::One)
    }
}
