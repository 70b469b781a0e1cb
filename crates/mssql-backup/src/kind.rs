//! What a file is, by its first bytes: a SQL Server backup, or one of the things taken for one.

use std::fmt;

/// How many bytes from the start of a file [`Kind::of`] looks at; fewer are enough for most kinds.
pub const PEEK_LEN: usize = 512;

/// What starts a PostgreSQL dump that is SQL text. Some tools put a byte order mark before it.
const PLAIN_DUMP: &str = "--\n-- PostgreSQL database dump\n--\n";
/// Likewise for all databases of a server, as `pg_dumpall` writes it.
const CLUSTER_DUMP: &str = "--\n-- PostgreSQL database cluster dump\n--\n";
/// Where `ustar` stands in the header of a tar member.
const USTAR_OFFSET: usize = 257;
/// The length of the name in that header; shorter names end in a NUL.
const TAR_NAME_LEN: usize = 100;

/// What a file is, as far as its first bytes tell.
///
/// Nothing is said about what follows: a file of any kind may be cut off or damaged behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A native backup that is not compressed: a Microsoft Tape Format stream (`TAPE`).
    Native,
    /// A native backup in blocks, compressed or encrypted (`MSSQLBAK`).
    Container,
    /// A ZIP archive: a BACPAC, a DACPAC, or a zipped backup. Its directory, at its end, tells.
    Zip,
    /// A dump of PostgreSQL's `pg_dump`.
    PostgresDump(PostgresFormat),
    /// Another tar archive, such as a snapshot of Qdrant.
    Tar {
        /// The name of its first member, with what is not UTF-8 replaced.
        first_member: String,
    },
    /// A file of no byte.
    Empty,
    /// Something else.
    Other,
}

/// In which of its formats `pg_dump` wrote a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostgresFormat {
    /// One file with a table of contents (`-Fc`).
    Custom,
    /// `toc.dat`, the table of contents of a dump that is a directory (`-Fd`).
    DirectoryToc,
    /// A tar archive that begins with `toc.dat` (`-Ft`).
    Tar,
    /// SQL text (`-Fp`).
    Plain,
    /// SQL text of all databases of a server (`pg_dumpall`).
    PlainCluster,
}

impl Kind {
    /// The kind of a file that starts with these bytes; [`PEEK_LEN`] of them are enough.
    #[must_use]
    pub fn of(first_bytes: &[u8]) -> Self {
        let head = &first_bytes[..first_bytes.len().min(PEEK_LEN)];
        if head.is_empty() {
            Self::Empty
        } else if head.starts_with(b"TAPE") {
            Self::Native
        } else if head.starts_with(b"MSSQLBAK") {
            Self::Container
        } else if is_zip(head) {
            Self::Zip
        } else if let Some(format) = postgres_format(head) {
            Self::PostgresDump(format)
        } else if let Some(first_member) = first_member(head) {
            Self::of_tar(first_member)
        } else {
            Self::Other
        }
    }

    /// Whether it is a backup that SQL Server's `RESTORE` reads.
    #[must_use]
    pub fn is_sql_server(&self) -> bool {
        matches!(self, Self::Native | Self::Container)
    }

    fn of_tar(first_member: String) -> Self {
        if first_member == "toc.dat" {
            Self::PostgresDump(PostgresFormat::Tar)
        } else {
            Self::Tar { first_member }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "SQL Server backup",
            Self::Container => "SQL Server backup, compressed or encrypted",
            Self::Zip => "ZIP archive",
            Self::PostgresDump(PostgresFormat::Custom) => "PostgreSQL dump, custom format",
            Self::PostgresDump(PostgresFormat::DirectoryToc) => {
                "table of contents of a PostgreSQL dump, directory format"
            }
            Self::PostgresDump(PostgresFormat::Tar) => "PostgreSQL dump, tar format",
            Self::PostgresDump(PostgresFormat::Plain) => "PostgreSQL dump, SQL text",
            Self::PostgresDump(PostgresFormat::PlainCluster) => {
                "PostgreSQL dump of all databases, SQL text"
            }
            Self::Tar { .. } => "tar archive",
            Self::Empty => "empty file",
            Self::Other => "not a known backup",
        })
    }
}

/// The local header of a first member, or the end record of a ZIP without any.
fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

fn postgres_format(head: &[u8]) -> Option<PostgresFormat> {
    if head.starts_with(b"PGDMP") {
        // Version (3 bytes), size of integers, size of offsets, format.
        return Some(match head.get(10) {
            Some(1) | None => PostgresFormat::Custom,
            // A directory's table of contents says tar too, so that either can be read.
            Some(_) => PostgresFormat::DirectoryToc,
        });
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if starts_with_lines(text, PLAIN_DUMP) {
        Some(PostgresFormat::Plain)
    } else if starts_with_lines(text, CLUSTER_DUMP) {
        Some(PostgresFormat::PlainCluster)
    } else {
        None
    }
}

/// Whether `text` starts with `lines`, which on Windows end in CR LF.
fn starts_with_lines(text: &[u8], lines: &str) -> bool {
    let mut rest = text.iter().copied();
    lines.bytes().all(|expected| match rest.next() {
        Some(b'\r') if expected == b'\n' => rest.next() == Some(b'\n'),
        found => found == Some(expected),
    })
}

/// The name in the header of a tar's first member. None if it is no tar.
fn first_member(head: &[u8]) -> Option<String> {
    if !head.get(USTAR_OFFSET..)?.starts_with(b"ustar") {
        return None;
    }
    let field = &head[..TAR_NAME_LEN];
    let name = field.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection;
    use proptest::prelude::*;

    fn tar_of(name: &str) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[257..265].copy_from_slice(b"ustar\x0000");
        head
    }

    #[test]
    fn sql_server_backups_are_told_by_their_first_word() {
        assert_eq!(Kind::of(b"TAPE\0\0\x03\0"), Kind::Native);
        assert_eq!(Kind::of(b"MSSQLBAK\x02\0"), Kind::Container);
        assert_eq!(Kind::of(b"MSSQLBA"), Kind::Other);
        assert_eq!(Kind::of(b"tape"), Kind::Other);
        assert!(Kind::of(b"TAPE").is_sql_server());
        assert!(!Kind::of(b"PK\x03\x04").is_sql_server());
    }

    #[test]
    fn zips_are_told_also_without_members() {
        assert_eq!(Kind::of(b"PK\x03\x04\x14\0"), Kind::Zip);
        assert_eq!(Kind::of(b"PK\x05\x06\0\0"), Kind::Zip);
        assert_eq!(Kind::of(b"PK"), Kind::Other);
    }

    #[test]
    fn a_directory_s_table_of_contents_is_no_custom_dump() {
        let dump =
            |format| Kind::of(&[b"PGDMP\x01\x10\x00\x04\x08".as_slice(), &[format]].concat());
        assert_eq!(dump(1), Kind::PostgresDump(PostgresFormat::Custom));
        assert_eq!(dump(3), Kind::PostgresDump(PostgresFormat::DirectoryToc));
        assert_eq!(dump(5), Kind::PostgresDump(PostgresFormat::DirectoryToc));
    }

    #[test]
    fn dumps_of_text_are_told_whatever_ends_their_lines() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n";
        let plain = Kind::PostgresDump(PostgresFormat::Plain);
        assert_eq!(Kind::of(dump.as_bytes()), plain);
        assert_eq!(Kind::of(dump.replace('\n', "\r\n").as_bytes()), plain);
        assert_eq!(Kind::of(format!("\u{feff}{dump}").as_bytes()), plain);
        assert_eq!(
            Kind::of(b"--\n-- PostgreSQL database cluster dump\n--\n"),
            Kind::PostgresDump(PostgresFormat::PlainCluster)
        );
        assert_eq!(Kind::of(b"--\n-- MySQL dump\n--\n"), Kind::Other);
    }

    #[test]
    fn tars_are_told_apart_by_their_first_member() {
        let tar = Kind::PostgresDump(PostgresFormat::Tar);
        assert_eq!(Kind::of(&tar_of("toc.dat")), tar);
        let first_member = "0/segments/x.tar".to_owned();
        assert_eq!(Kind::of(&tar_of(&first_member)), Kind::Tar { first_member });
        assert_eq!(Kind::of(&tar_of("toc.dat")[..261]), Kind::Other);
    }

    #[test]
    fn nothing_and_anything_have_a_kind_too() {
        assert_eq!(Kind::of(b""), Kind::Empty);
        assert_eq!(Kind::of(&[0; 512]), Kind::Other);
        assert_eq!(Kind::of(b"just some text"), Kind::Other);
    }

    proptest! {
        #[test]
        fn any_bytes_have_the_kind_of_their_start(bytes in collection::vec(any::<u8>(), 0..600)) {
            let peek = &bytes[..bytes.len().min(PEEK_LEN)];
            prop_assert_eq!(Kind::of(&bytes), Kind::of(peek));
        }
    }
}
