//! The catalogue: rows, the pages that hold them, and the tree above (spec, chapter 11).

mod tree;

use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::encoding;
use crate::entry::{Entry, EntryKind, EntryPath, Timestamp};
use crate::error::{FormatError, Structure};
use crate::geometry::StreamOffset;
use crate::limits::{MAX_LOGICAL_SIZE, MAX_PAGE_RAW_LEN};
use crate::wire::{WireReader, u32_len};

pub use tree::{NodeItem, PageItem, StripeItem, TreeItem, TreePage, TreePart};

const PAGE_HEAD_LEN: usize = 8;

/// What the catalogue knows of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The entry's path; of parts, NAME.
    pub path: EntryPath,
    /// What the entry is.
    pub kind: RowKind,
    /// What else is known of it.
    pub flags: RowFlags,
    /// Logical size of a file, of parts that of all; otherwise 0.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Target of a link; otherwise empty.
    pub link: Vec<u8>,
    /// BLAKE3 of a file's logical content, holes as zeros; otherwise zeros.
    pub content_hash: Digest,
    /// Where the (first) `x` header starts.
    pub header_offset: StreamOffset,
    /// Where the (first) content starts.
    pub content_offset: StreamOffset,
}

/// What an entry is, in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A regular file.
    File,
    /// A further name of an earlier file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// The flags of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowFlags(u16);

/// A CATALOGUE PAGE: rows in a zstd frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CataloguePage<'a> {
    /// How many rows.
    pub row_count: u32,
    /// Length of their encodings together.
    pub raw_len: usize,
    /// The frame that gives them (spec: CAT-2).
    pub frame: &'a [u8],
}

/// The rows of a page, each decoded when it is asked for.
#[derive(Clone, Debug)]
pub struct Rows<B> {
    raw: B,
    position: usize,
    left: u32,
}

/// As a row stands in a page.
#[derive(Serialize, Deserialize)]
struct WireRow<'a> {
    #[serde(borrow, serialize_with = "encoding::bytes::serialize")]
    path: &'a [u8],
    kind: u8,
    flags: u16,
    size: u64,
    mtime: Timestamp,
    mode: u32,
    uid: u64,
    gid: u64,
    #[serde(borrow, serialize_with = "encoding::bytes::serialize")]
    link: &'a [u8],
    content_hash: Digest,
    header_offset: StreamOffset,
    content_offset: StreamOffset,
}

impl Row {
    /// The row of an entry: what can be known from its header, and where and what its content is.
    ///
    /// `content_hash` is ignored for an entry that is no file. For parts, path and size are those
    /// of the first, and [`RowFlags::PARTED`] is missing: the caller sets all three.
    pub fn from_entry(
        entry: &Entry,
        content_hash: Digest,
        header_offset: StreamOffset,
        content_offset: StreamOffset,
    ) -> Self {
        let (kind, link) = match &entry.kind {
            EntryKind::File { .. } => (RowKind::File, &[][..]),
            EntryKind::HardLink { target } => (RowKind::HardLink, target.as_bytes()),
            EntryKind::Symlink { target } => (RowKind::Symlink, &target[..]),
            EntryKind::CharDevice { .. } => (RowKind::CharDevice, &[][..]),
            EntryKind::BlockDevice { .. } => (RowKind::BlockDevice, &[][..]),
            EntryKind::Directory => (RowKind::Directory, &[][..]),
            EntryKind::Fifo => (RowKind::Fifo, &[][..]),
        };
        let (size, sparse) = match &entry.kind {
            EntryKind::File { size, extents } => (*size, extents.is_some()),
            _ => (0, false),
        };
        let mut flags = RowFlags::default();
        if entry.linked {
            flags.insert(RowFlags::LINKED);
        }
        if sparse {
            flags.insert(RowFlags::SPARSE);
        }
        Self {
            path: entry.path.clone(),
            kind,
            flags,
            size,
            mtime: entry.mtime,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            link: link.to_vec(),
            content_hash: if kind == RowKind::File {
                content_hash
            } else {
                Digest::ZERO
            },
            header_offset,
            content_offset,
        }
    }

    /// Appends the row's encoding.
    pub fn encode_into(&self, raw: &mut Vec<u8>) {
        let wire = WireRow {
            path: self.path.as_bytes(),
            kind: self.kind.number(),
            flags: self.flags.0,
            size: self.size,
            mtime: self.mtime,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            link: &self.link,
            content_hash: self.content_hash,
            header_offset: self.header_offset,
            content_offset: self.content_offset,
        };
        encoding::append(&wire, raw);
    }

    /// Decodes the joined encodings of `row_count` rows.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: another number of rows, a broken encoding (spec: REC-6), or a
    ///   row that belongs to no entry (spec: CAT-1, ENT-2).
    /// - [`FormatError::LimitExceeded`]: a path (spec: ENT-2), or a size (spec: ENT-9).
    pub fn decode_all(raw: &[u8], row_count: u32) -> Result<Vec<Self>, FormatError> {
        Rows::new(raw, row_count).collect()
    }

    fn decode(wire: &WireRow<'_>) -> Result<Self, FormatError> {
        let kind =
            RowKind::from_number(wire.kind).ok_or_else(|| malformed("its kind is unknown"))?;
        let is_file = kind == RowKind::File;
        let is_link = matches!(kind, RowKind::HardLink | RowKind::Symlink);
        if wire.flags & !RowFlags::ALL != 0 {
            return Err(malformed("reserved flags are set"));
        }
        if !is_file && (wire.size != 0 || wire.content_hash != Digest::ZERO) {
            return Err(malformed("it has a content, but is no file"));
        }
        if is_link == wire.link.is_empty() {
            return Err(malformed(
                "it has a target and is no link, or the other way round",
            ));
        }
        if !wire.mtime.is_valid() {
            return Err(malformed("its mtime has a billion nanoseconds or more"));
        }
        // spec: ENT-9
        FormatError::check_range(Structure::Entry, "size", wire.size, 0..=MAX_LOGICAL_SIZE)?;
        Ok(Self {
            path: EntryPath::decode(wire.path)?,
            kind,
            flags: RowFlags(wire.flags),
            size: wire.size,
            mtime: wire.mtime,
            mode: wire.mode,
            uid: wire.uid,
            gid: wire.gid,
            link: wire.link.to_vec(),
            content_hash: wire.content_hash,
            header_offset: wire.header_offset,
            content_offset: wire.content_offset,
        })
    }
}

impl<B: AsRef<[u8]>> Rows<B> {
    /// The joined encodings of `row_count` rows.
    pub fn new(raw: B, row_count: u32) -> Self {
        Self {
            raw,
            position: 0,
            left: row_count,
        }
    }

    /// The next row of that path; those in front of it are passed over, and not judged.
    ///
    /// # Errors
    ///
    /// Those of [`Row::decode_all`].
    pub fn find_next(&mut self, path: &EntryPath) -> Result<Option<Row>, FormatError> {
        self.next_of(|wire| wire.path == path.as_bytes())
    }

    /// The next row that is wanted.
    fn next_of(
        &mut self,
        is_wanted: impl Fn(&WireRow<'_>) -> bool,
    ) -> Result<Option<Row>, FormatError> {
        let broken = |_| {
            let what = "the rows do not follow the record encoding";
            FormatError::malformed(Structure::Record, "REC-6", what)
        };
        let mut rest = self.raw.as_ref().get(self.position..).unwrap_or_default();
        while self.left > 0 {
            let (wire, after): (WireRow<'_>, _) = encoding::decode_first(rest).map_err(broken)?;
            self.left -= 1;
            self.position += rest.len() - after.len();
            rest = after;
            if is_wanted(&wire) {
                return Row::decode(&wire).map(Some);
            }
        }
        match rest {
            [] => Ok(None),
            _ => Err(broken(encoding::NotEncoded)),
        }
    }
}

/// After an error, none.
impl<B: AsRef<[u8]>> Iterator for Rows<B> {
    type Item = Result<Row, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_of(|_| true);
        if next.is_err() {
            self.left = 0;
            self.position = self.raw.as_ref().len();
        }
        next.transpose()
    }
}

impl RowKind {
    const ALL: [Self; 7] = [
        Self::File,
        Self::HardLink,
        Self::Symlink,
        Self::CharDevice,
        Self::BlockDevice,
        Self::Directory,
        Self::Fifo,
    ];

    /// The kind of that number, if it is known.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::File => 0,
            Self::HardLink => 1,
            Self::Symlink => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Directory => 5,
            Self::Fifo => 6,
        }
    }
}

impl RowFlags {
    /// Replaced by the entry after it.
    pub const SUPERSEDED: Self = Self(1);
    /// The source changed while it was read.
    pub const CHANGED: Self = Self(1 << 1);
    /// Stored as parts.
    pub const PARTED: Self = Self(1 << 2);
    /// The file has further names.
    pub const LINKED: Self = Self(1 << 3);
    /// Reading was given up: the content is not what it was, and is not to be restored.
    pub const UNREADABLE: Self = Self(1 << 4);
    /// The file has holes.
    pub const SPARSE: Self = Self(1 << 5);

    const ALL: u16 = (1 << 6) - 1;

    /// Sets the `other` flags too.
    pub fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether all of the `other` flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags as a number.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl BitOr for RowFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for RowFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.insert(other);
    }
}

impl BitAnd for RowFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// All known flags that are not set.
impl Not for RowFlags {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ALL)
    }
}

impl<'a> CataloguePage<'a> {
    /// Encodes the body of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(PAGE_HEAD_LEN + self.frame.len());
        body.extend_from_slice(&self.row_count.to_le_bytes());
        body.extend_from_slice(&u32_len(self.raw_len).to_le_bytes());
        body.extend_from_slice(self.frame);
        body
    }

    /// Decodes the body of a record; [`Row::decode_all`] decodes what the frame gives.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: raw_len is over 1 MiB (spec: CAT-2).
    /// - [`FormatError::Malformed`]: the body is too short (spec: REC-6), or there is no row
    ///   (spec: CAT-1).
    pub fn decode(body: &'a [u8]) -> Result<Self, FormatError> {
        let structure = Structure::Catalogue;
        let short = |_| FormatError::malformed(Structure::Record, "REC-6", "the body is too short");
        let mut cursor = WireReader::new(structure, body);
        let row_count = cursor.u32().map_err(short)?;
        let raw_len = cursor.len32().map_err(short)?;
        let max = MAX_PAGE_RAW_LEN as u64;
        FormatError::check_range(structure, "raw_len", raw_len as u64, 0..=max)?; // spec: CAT-2
        if row_count == 0 {
            return Err(malformed("a page has no row"));
        }
        Ok(Self {
            row_count,
            raw_len,
            frame: cursor.rest(),
        })
    }
}

/// A row that belongs to no entry (spec: CAT-1).
fn malformed(what: &str) -> FormatError {
    FormatError::malformed(Structure::Catalogue, "CAT-1", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn entry(kind: EntryKind) -> Entry {
        Entry {
            path: EntryPath::new("home/a").unwrap(),
            kind,
            mode: 0o644,
            uid: 1,
            gid: 2,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Timestamp {
                seconds: -5,
                nanos: 6,
            },
            xattrs: Vec::new(),
            linked: false,
        }
    }

    fn row(kind: EntryKind) -> Row {
        let offsets = [512, 2048].map(StreamOffset);
        Row::from_entry(&entry(kind), Digest([9; 32]), offsets[0], offsets[1])
    }

    fn file(size: u64) -> Row {
        row(EntryKind::File {
            size,
            extents: None,
        })
    }

    fn class(rows: &[Row]) -> Class {
        let mut raw = Vec::new();
        rows.iter().for_each(|row| row.encode_into(&mut raw));
        Row::decode_all(&raw, rows.len() as u32)
            .unwrap_err()
            .class()
    }

    #[test]
    fn rows_of_all_kinds_come_back() {
        let target = EntryPath::new("home/0").unwrap();
        let kinds = [
            EntryKind::File {
                size: 7,
                extents: Some(Vec::new()),
            },
            EntryKind::HardLink { target },
            EntryKind::Symlink {
                target: b"..".to_vec(),
            },
            EntryKind::CharDevice { major: 1, minor: 2 },
            EntryKind::BlockDevice { major: 1, minor: 2 },
            EntryKind::Directory,
            EntryKind::Fifo,
        ];
        let rows = kinds.map(row);
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(usize::from(row.kind.number()), number);
        }
        assert_eq!(rows[0].flags, RowFlags::SPARSE);
        let mut raw = Vec::new();
        rows.iter().for_each(|row| row.encode_into(&mut raw));
        assert_eq!(Row::decode_all(&raw, 7).unwrap(), rows);
        assert!(Row::decode_all(&raw, 6).is_err());
        assert!(Row::decode_all(&raw, 8).is_err());
        assert!(Row::decode_all(&raw, u32::MAX).is_err());
        let path = EntryPath::new("home/a").unwrap();
        let mut found = Rows::new(&raw, 7);
        for row in &rows {
            assert_eq!(found.find_next(&path).unwrap().as_ref(), Some(row));
        }
        assert_eq!(found.find_next(&path).unwrap(), None);
        let other = EntryPath::new("home/b").unwrap();
        assert_eq!(Rows::new(&raw, 7).find_next(&other).unwrap(), None);
        assert!(Rows::new(&raw, 6).find_next(&other).is_err());
        let mut cut = Rows::new(&raw[..raw.len() - 1], 7);
        assert_eq!(cut.by_ref().filter(Result::is_ok).count(), 6);
        assert!(cut.next().is_none());
    }

    #[test]
    fn a_row_has_the_length_of_chapter_11() {
        let mut raw = Vec::new();
        file(1).encode_into(&mut raw);
        assert_eq!(
            raw.len(),
            (8 + 6) + 1 + 2 + 8 + 8 + 4 + 4 + 8 + 8 + 8 + 32 + 8 + 8
        );
    }

    #[test]
    fn rows_that_belong_to_no_entry_are_refused() {
        let mut flags = file(1);
        flags.flags = RowFlags(1 << 6);
        let mut size = file(1);
        size.kind = RowKind::Fifo;
        let mut link = file(1);
        link.link = b"x".to_vec();
        let mut no_link = file(0);
        no_link.kind = RowKind::Symlink;
        no_link.content_hash = Digest::ZERO;
        let mut mtime = file(1);
        mtime.mtime.nanos = 1_000_000_000;
        // A content is a size or a hash, each alone.
        let mut size_alone = file(1);
        size_alone.kind = RowKind::Fifo;
        size_alone.content_hash = Digest::ZERO;
        let mut hash_alone = file(0);
        hash_alone.kind = RowKind::Fifo;
        for row in [flags, size, size_alone, hash_alone, link, no_link, mtime] {
            assert_eq!(class(&[row]), Class::Malformed);
        }
        assert_eq!(class(&[file(1 << 60)]), Class::LimitExceeded);
    }

    #[test]
    fn flags_are_told_apart() {
        let mut flags = RowFlags::CHANGED | RowFlags::LINKED;
        flags |= RowFlags::PARTED;
        assert!(flags.contains(RowFlags::CHANGED) && flags.contains(RowFlags::PARTED));
        assert!(!flags.contains(RowFlags::CHANGED | RowFlags::SUPERSEDED));
        assert_eq!((flags & !RowFlags::LINKED).bits(), 6);
        assert_eq!((!RowFlags::default()).bits(), 63);
        assert_eq!(RowFlags::CHANGED | RowFlags::CHANGED, RowFlags::CHANGED);
    }

    #[test]
    fn flags_have_the_bits_of_chapter_11() {
        let flags = [
            RowFlags::SUPERSEDED,
            RowFlags::CHANGED,
            RowFlags::PARTED,
            RowFlags::LINKED,
            RowFlags::UNREADABLE,
            RowFlags::SPARSE,
        ];
        assert_eq!(flags.map(RowFlags::bits), [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn pages_come_back() {
        let page = CataloguePage {
            row_count: 1,
            raw_len: MAX_PAGE_RAW_LEN,
            frame: b"frame",
        };
        assert_eq!(CataloguePage::decode(&page.encode()).unwrap(), page);
        let class =
            |page: CataloguePage<'_>| CataloguePage::decode(&page.encode()).unwrap_err().class();
        let raw_len = MAX_PAGE_RAW_LEN + 1;
        assert_eq!(
            class(CataloguePage { raw_len, ..page }),
            Class::LimitExceeded
        );
        let row_count = 0;
        assert_eq!(class(CataloguePage { row_count, ..page }), Class::Malformed);
        assert_eq!(
            CataloguePage::decode(&[0; 7]).unwrap_err().class(),
            Class::Malformed
        );
    }
}
