//! What can be wrong with bytes, sorted as chapter 0 of the specification sorts it.

use std::fmt;

/// A structure of the format, as errors and the manifest of vectors (`stage`) name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The head page: preamble, cover text, padding.
    Head,
    /// The header in the head page.
    Header,
    /// A table of key slots.
    Slots,
    /// The master-key envelope.
    Envelope,
    /// A block: its clear header or its payload.
    Block,
    /// A check page.
    CheckPage,
    /// A parity block.
    Parity,
    /// A record's header, or its body's encoding.
    Record,
    /// A CHUNK record.
    Chunk,
    /// The script of a chunk.
    Script,
    /// An entry of the stream.
    Entry,
    /// A CATALOGUE PAGE record.
    Catalogue,
    /// A FACTS record.
    Facts,
    /// A CHECKPOINT record.
    Checkpoint,
    /// A TREE PAGE record.
    Tree,
    /// The FINAL record.
    Final,
    /// The tail: tail page, locator, root.
    Tail,
}

/// A class of errors (spec, chapter 0).
///
/// This crate tells all but `NotAuthentic` and `NoKeyFits`, which take a key to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Whole, but newer than or foreign to this reader.
    Unsupported,
    /// A limit of chapter 13 is passed.
    LimitExceeded,
    /// Not what was written, seen without a key.
    Damaged,
    /// The bytes end too early.
    Truncated,
    /// A tag, MAC or commitment fails.
    NotAuthentic,
    /// No offered secret opens a slot.
    NoKeyFits,
    /// Breaks a rule of the specification.
    Malformed,
}

/// Why bytes were refused, or a value could not be encoded.
///
/// Offsets are relative to nothing here: who reads the file adds where the structure stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Whole, but newer than or foreign to this reader: upgrade, or use what wrote it.
    #[error("{}: {what} is not supported by this version", .structure.in_words())]
    Unsupported {
        /// Where.
        structure: Structure,
        /// What is not supported, with the value found.
        what: String,
    },
    /// A limit is passed (spec, chapter 13).
    #[error("{}: {field} is {found}, allowed are {min} to {max}", .structure.in_words())]
    LimitExceeded {
        /// Where.
        structure: Structure,
        /// What is limited.
        field: &'static str,
        /// The value found.
        found: u64,
        /// The least value allowed; 0 almost always.
        min: u64,
        /// The greatest value allowed.
        max: u64,
    },
    /// Not what was written: another copy, `repair` or `salvage` may help.
    #[error("{} is damaged: {what}", .structure.in_words())]
    Damaged {
        /// Where.
        structure: Structure,
        /// What shows it.
        what: String,
    },
    /// The bytes end within the structure.
    #[error("the archive ends within {}", .structure.in_words())]
    Truncated {
        /// Where.
        structure: Structure,
    },
    /// Breaks a rule of the specification: a faulty writer, or an attack.
    #[error("{} breaks the format: {what} (rule {rule})", .structure.in_words())]
    Malformed {
        /// Where.
        structure: Structure,
        /// The label of the rule, such as `CHU-7`.
        rule: &'static str,
        /// How it is broken.
        what: String,
    },
}

impl FormatError {
    /// Makes [`FormatError::Unsupported`].
    pub fn unsupported(structure: Structure, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Unsupported { structure, what }
    }

    /// Makes [`FormatError::Damaged`].
    pub fn damaged(structure: Structure, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Damaged { structure, what }
    }

    /// Makes [`FormatError::Malformed`].
    pub fn malformed(structure: Structure, rule: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Malformed {
            structure,
            rule,
            what,
        }
    }

    /// Makes [`FormatError::LimitExceeded`] for a value over its maximum.
    pub fn limit(structure: Structure, field: &'static str, found: u64, max: u64) -> Self {
        let min = 0;
        Self::LimitExceeded {
            structure,
            field,
            found,
            min,
            max,
        }
    }

    /// Refuses a value outside `range`, as [`FormatError::LimitExceeded`].
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: `found` is not in `range`.
    pub fn check_range(
        structure: Structure,
        field: &'static str,
        found: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<(), Self> {
        let (min, max) = (*range.start(), *range.end());
        if range.contains(&found) {
            return Ok(());
        }
        Err(Self::LimitExceeded {
            structure,
            field,
            found,
            min,
            max,
        })
    }

    /// The class, by which programs branch and exit.
    pub fn class(&self) -> Class {
        match self {
            Self::Unsupported { .. } => Class::Unsupported,
            Self::LimitExceeded { .. } => Class::LimitExceeded,
            Self::Damaged { .. } => Class::Damaged,
            Self::Truncated { .. } => Class::Truncated,
            Self::Malformed { .. } => Class::Malformed,
        }
    }

    /// The structure in which it was found.
    pub fn structure(&self) -> Structure {
        match self {
            Self::Unsupported { structure, .. }
            | Self::LimitExceeded { structure, .. }
            | Self::Damaged { structure, .. }
            | Self::Truncated { structure }
            | Self::Malformed { structure, .. } => *structure,
        }
    }
}

impl Structure {
    /// What messages call it, with its article.
    fn in_words(self) -> &'static str {
        match self {
            Self::Head => "the head",
            Self::Header => "the header",
            Self::Slots => "a table of key slots",
            Self::Envelope => "the master-key envelope",
            Self::Block => "a block",
            Self::CheckPage => "a check page",
            Self::Parity => "a parity block",
            Self::Record => "a record",
            Self::Chunk => "a chunk",
            Self::Script => "the script of a chunk",
            Self::Entry => "an entry",
            Self::Catalogue => "the catalogue",
            Self::Facts => "a record of facts",
            Self::Checkpoint => "a checkpoint",
            Self::Tree => "the tree of the catalogue",
            Self::Final => "the final record",
            Self::Tail => "the archive's end (tail)",
        }
    }
}

/// As the manifest of vectors and JSON name it.
impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Head => "head",
            Self::Header => "header",
            Self::Slots => "slots",
            Self::Envelope => "envelope",
            Self::Block => "block",
            Self::CheckPage => "check-page",
            Self::Parity => "parity",
            Self::Record => "record",
            Self::Chunk => "chunk",
            Self::Script => "script",
            Self::Entry => "entry",
            Self::Catalogue => "catalogue",
            Self::Facts => "facts",
            Self::Checkpoint => "checkpoint",
            Self::Tree => "tree",
            Self::Final => "final",
            Self::Tail => "tail",
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unsupported => "Unsupported",
            Self::LimitExceeded => "LimitExceeded",
            Self::Damaged => "Damaged",
            Self::Truncated => "Truncated",
            Self::NotAuthentic => "NotAuthentic",
            Self::NoKeyFits => "NoKeyFits",
            Self::Malformed => "Malformed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_where_and_what() {
        let page = Structure::CheckPage;
        let limit = FormatError::check_range(page, "its length", 9, 2..=8).unwrap_err();
        for (error, message) in [
            (
                FormatError::unsupported(page, "version 7"),
                "a check page: version 7 is not supported by this version",
            ),
            (limit, "a check page: its length is 9, allowed are 2 to 8"),
            (
                FormatError::limit(Structure::Tail, "len", 2, 1),
                "the archive's end (tail): len is 2, allowed are 0 to 1",
            ),
            (
                FormatError::damaged(Structure::Block, "its salt differs"),
                "a block is damaged: its salt differs",
            ),
            (
                FormatError::Truncated { structure: page },
                "the archive ends within a check page",
            ),
            (
                FormatError::malformed(Structure::Script, "CHU-5", "it is long"),
                "the script of a chunk breaks the format: it is long (rule CHU-5)",
            ),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn structures_and_classes_have_the_names_of_the_manifest() {
        assert_eq!(Structure::CheckPage.to_string(), "check-page");
        assert_eq!(Class::NotAuthentic.to_string(), "NotAuthentic");
        assert_eq!(
            format!("{:>6}|{:<8}|", Structure::Head, Class::Damaged),
            "  head|Damaged |"
        );
    }

    #[test]
    fn an_error_tells_its_structure() {
        let error = FormatError::malformed(Structure::Facts, "FAC-1", "what");
        assert_eq!(error.structure(), Structure::Facts);
        let structure = Structure::Tree;
        assert_eq!(FormatError::Truncated { structure }.structure(), structure);
    }
}
