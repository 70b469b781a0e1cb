//! The header of an entry: `x` block, pax records, ustar block (spec, chapter 10.2).

use super::pax::{self, LINKED, PART, Records};
use super::ustar::{self, Block};
use super::{BLOCK_LEN, Entry, EntryKind, EntryPath, PART_LEN, sparse, split_part};
use crate::error::{FormatError, Structure};
use crate::limits::{
    MAX_DEVICE_NUMBER, MAX_LOGICAL_SIZE, MAX_NAME_LEN, MAX_PATH_LEN, MAX_PAX_LEN, MAX_XATTR_LEN,
};

const X_NAME: &[u8] = b"././@PaxHeader";

/// What an entry's header says: all of it but the extents of a sparse file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// The entry. A sparse file's `extents` are `None` until its map is read from the content: see
    /// [`super::SparseMapDecoder`].
    pub entry: Entry,
    /// Length of the content in the stream: of a sparse file, of its map and data.
    pub content_len: u64,
    /// The content begins with a map.
    pub sparse: bool,
    /// It is a part: see [`split_part`].
    pub part: bool,
}

/// What a header says beyond the values of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) content_len: u64,
    pub(super) sparse: bool,
    pub(super) part: bool,
}

impl EntryHeader {
    /// The header of an entry that is not a part.
    pub fn new(entry: Entry) -> Self {
        let Shape {
            content_len,
            sparse,
            part,
        } = Shape::of(&entry);
        Self {
            entry,
            content_len,
            sparse,
            part,
        }
    }

    /// The header of a part, whose path is made by [`super::part_path`].
    pub fn new_part(entry: Entry) -> Self {
        Self {
            part: true,
            ..Self::new(entry)
        }
    }

    /// Encodes the header: `x` block, pax records and ustar block, each of whole blocks.
    ///
    /// # Errors
    ///
    /// Whatever a reader would refuse in the values.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let shape = Shape {
            content_len: self.content_len,
            sparse: self.sparse,
            part: self.part,
        };
        encode(&self.entry, shape)
    }

    /// Decodes a header; `bytes` is all of it, with a length told by [`pax_len`].
    ///
    /// Encodes what it found, and refuses what is not byte for byte the same (spec: ENT-1).
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: it is not canonical (spec: ENT-1), or breaks ENT-2 or ENT-8.
    /// - [`FormatError::LimitExceeded`]: a length (spec: ENT-2, ENT-5), or a size (spec: ENT-9).
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let structure = Structure::Entry;
        let (x_block, rest) = bytes
            .split_first_chunk()
            .ok_or(FormatError::Truncated { structure })?;
        // Whether this block is canonical shows below, with all others.
        let pax_len = stated_pax_len(x_block)?;
        let (pax, block) = rest
            .split_last_chunk()
            .ok_or(FormatError::Truncated { structure })?;
        if pax.len() != pax_len.next_multiple_of(BLOCK_LEN) {
            return Err(FormatError::Truncated { structure });
        }
        let header =
            Self::decode_values(&Records::decode(&pax[..pax_len])?, &Block::decode(block)?)?;
        if header.encode()? != bytes {
            // spec: ENT-1
            return Err(not_canonical(
                "its header is not the one that follows from its values",
            ));
        }
        Ok(header)
    }

    fn decode_values(records: &Records<'_>, block: &Block<'_>) -> Result<Self, FormatError> {
        let missing = |what| move || not_canonical(what);
        let sparse = records.get("GNU.sparse.major").is_some();
        let path_key = if sparse { "GNU.sparse.name" } else { "path" };
        let path = records
            .get(path_key)
            .ok_or_else(missing("it has no path"))?;
        let mtime = records.mtime().ok_or_else(missing("it has no mtime"))?;
        let content_len = records.number("size").unwrap_or(block.size);
        let comment = records.get("comment");
        let kind = match block.typeflag {
            b'0' => EntryKind::File {
                size: records.number("GNU.sparse.realsize").unwrap_or(content_len),
                extents: None,
            },
            b'1' | b'2' => {
                let target = records
                    .get("linkpath")
                    .ok_or_else(missing("a link has no target"))?;
                decode_link(block.typeflag, target)?
            }
            b'3' => EntryKind::CharDevice {
                major: block.major,
                minor: block.minor,
            },
            b'4' => EntryKind::BlockDevice {
                major: block.major,
                minor: block.minor,
            },
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            _ => return Err(not_canonical("its typeflag is unknown")),
        };
        let entry = Entry {
            path: EntryPath::decode(path)?,
            kind,
            mode: block.mode,
            uid: records.number("uid").unwrap_or(block.uid),
            gid: records.number("gid").unwrap_or(block.gid),
            user: records.get("uname").unwrap_or(block.user).to_vec(),
            group: records.get("gname").unwrap_or(block.group).to_vec(),
            mtime,
            xattrs: records.xattrs(),
            linked: comment == Some(LINKED.as_bytes()),
        };
        Ok(Self {
            entry,
            content_len,
            sparse,
            part: comment == Some(PART.as_bytes()),
        })
    }
}

impl Shape {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            content_len: entry.content_len(),
            sparse: matches!(
                entry.kind,
                EntryKind::File {
                    extents: Some(_),
                    ..
                }
            ),
            part: false,
        }
    }
}

/// Length of the pax records that follow an `x` header block, without the zeros behind them.
///
/// The whole header is `512 + pax_len, filled to a multiple of 512, + 512` bytes long.
///
/// # Errors
///
/// - [`FormatError::LimitExceeded`]: over 1 MiB, before memory is taken (spec: ENT-5).
/// - [`FormatError::Malformed`]: the block is no canonical `x` header (spec: ENT-1).
pub fn pax_len(x_block: &[u8; BLOCK_LEN]) -> Result<usize, FormatError> {
    if encode_x_block(ustar::size(x_block)?) != *x_block {
        // spec: ENT-1
        return Err(not_canonical("it does not begin with a canonical x header"));
    }
    stated_pax_len(x_block)
}

/// What a block says of the length of the records behind it, within the limit.
fn stated_pax_len(x_block: &[u8; BLOCK_LEN]) -> Result<usize, FormatError> {
    let len = ustar::size(x_block)?;
    check_pax_len(len)?;
    Ok(usize::try_from(len).unwrap_or(usize::MAX))
}

/// Encodes the header of an entry (spec: ENT-1).
pub(super) fn encode(entry: &Entry, shape: Shape) -> Result<Vec<u8>, FormatError> {
    check(entry, shape)?;
    // As long as most are: their records fill one block.
    let mut bytes = Vec::with_capacity(3 * BLOCK_LEN);
    bytes.resize(BLOCK_LEN, 0);
    pax::encode_into(&mut bytes, entry, shape)?;
    let pax_len = (bytes.len() - BLOCK_LEN) as u64;
    check_pax_len(pax_len)?;
    bytes[..BLOCK_LEN].copy_from_slice(&encode_x_block(pax_len));
    bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
    bytes.extend_from_slice(&encode_block(entry, shape));
    Ok(bytes)
}

/// An entry that is not as chapter 10 derives it from its values (spec: ENT-1).
pub(super) fn not_canonical(what: &str) -> FormatError {
    FormatError::malformed(Structure::Entry, "ENT-1", what)
}

fn encode_x_block(pax_len: u64) -> [u8; BLOCK_LEN] {
    let block = Block {
        typeflag: b'x',
        name: X_NAME,
        mode: 0o644,
        size: pax_len,
        ..Block::default()
    };
    block.encode()
}

fn encode_block(entry: &Entry, shape: Shape) -> [u8; BLOCK_LEN] {
    let (typeflag, link, [major, minor]) = match &entry.kind {
        EntryKind::File { .. } => (b'0', &[][..], [0; 2]),
        EntryKind::HardLink { target } => (b'1', target.as_bytes(), [0; 2]),
        EntryKind::Symlink { target } => (b'2', &target[..], [0; 2]),
        EntryKind::CharDevice { major, minor } => (b'3', &[][..], [*major, *minor]),
        EntryKind::BlockDevice { major, minor } => (b'4', &[][..], [*major, *minor]),
        EntryKind::Directory => (b'5', &[][..], [0; 2]),
        EntryKind::Fifo => (b'6', &[][..], [0; 2]),
    };
    let block = Block {
        typeflag,
        name: &pax::stored_path(entry.path.as_bytes(), shape.sparse),
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: shape.content_len,
        mtime_seconds: entry.mtime.seconds,
        link,
        user: &entry.user,
        group: &entry.group,
        major,
        minor,
    };
    block.encode()
}

fn decode_link(typeflag: u8, target: &[u8]) -> Result<EntryKind, FormatError> {
    Ok(if typeflag == b'1' {
        let target = EntryPath::decode(target)?;
        EntryKind::HardLink { target }
    } else {
        let target = target.to_vec();
        EntryKind::Symlink { target }
    })
}

/// Refuses values that no entry has, for both directions: first by the rules with labels of their
/// own, then by ENT-1.
fn check(entry: &Entry, shape: Shape) -> Result<(), FormatError> {
    for (_, value) in &entry.xattrs {
        // spec: ENT-5
        let (len, max) = (value.len() as u64, MAX_XATTR_LEN as u64);
        FormatError::check_range(Structure::Entry, "attribute value len", len, 0..=max)?;
    }
    if let EntryKind::File { size, extents } = &entry.kind {
        for size in [*size, shape.content_len] {
            // spec: ENT-9
            FormatError::check_range(Structure::Entry, "size", size, 0..=MAX_LOGICAL_SIZE)?;
        }
        if let Some(extents) = extents {
            sparse::check(extents, *size)?;
        }
    }
    if shape.part {
        check_part(entry, shape)?;
    }
    check_values(entry, shape).map_err(not_canonical)
}

/// Refuses values that chapter 10 cannot write (spec: ENT-1).
fn check_values(entry: &Entry, shape: Shape) -> Result<(), &'static str> {
    let is_name = |name: &[u8]| name.len() <= MAX_NAME_LEN && !name.contains(&0);
    let is_attribute = |name: &[u8]| is_name(name) && !name.is_empty() && !name.contains(&b'=');
    if entry.mode > 0o7777 {
        return Err("its mode is over 07777");
    }
    if !entry.mtime.is_valid() {
        return Err("its mtime has a billion nanoseconds or more");
    }
    if !is_name(&entry.user) || !is_name(&entry.group) {
        return Err("an owner's name is over 255 bytes or has a zero byte");
    }
    if !entry.xattrs.iter().all(|(name, _)| is_attribute(name)) {
        return Err("an attribute's name is empty, over 255 bytes, or has a zero byte or '='");
    }
    if !entry.xattrs.is_sorted_by(|one, next| one.0 < next.0) {
        return Err("its attributes are not in ascending order");
    }
    if !matches!(entry.kind, EntryKind::File { .. }) && shape.content_len != 0 {
        return Err("what is no file has content");
    }
    match &entry.kind {
        EntryKind::File { .. } => return Ok(()),
        EntryKind::Symlink { target } => {
            if !(1..=MAX_PATH_LEN).contains(&target.len()) || target.contains(&0) {
                return Err("a link's target is empty, over 32,768 bytes, or has a zero byte");
            }
        }
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            if *major.max(minor) > MAX_DEVICE_NUMBER {
                return Err("a device number is over 2,097,151");
            }
        }
        EntryKind::Directory | EntryKind::HardLink { .. } | EntryKind::Fifo => {}
    }
    if entry.linked || shape.part || shape.sparse {
        return Err("only regular files are linked, parts or sparse");
    }
    Ok(())
}

/// Refuses a part that no content is stored in (spec: ENT-8).
fn check_part(entry: &Entry, shape: Shape) -> Result<(), FormatError> {
    let lens = 1..=PART_LEN;
    let plain = !shape.sparse && !entry.linked && entry.xattrs.is_empty();
    if plain && lens.contains(&shape.content_len) && split_part(&entry.path).is_some() {
        return Ok(());
    }
    let what = "a part has attributes, holes, or a name or size that no part has";
    Err(FormatError::malformed(Structure::Entry, "ENT-8", what))
}

fn check_pax_len(len: u64) -> Result<(), FormatError> {
    let max = MAX_PAX_LEN as u64;
    FormatError::check_range(Structure::Entry, "pax records len", len, 0..=max) // spec: ENT-5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Extent, Timestamp, part_path};
    use crate::error::Class;

    fn file(size: u64) -> Entry {
        Entry {
            path: EntryPath::new("sql/a").unwrap(),
            kind: EntryKind::File {
                size,
                extents: None,
            },
            mode: 0o600,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Timestamp::default(),
            xattrs: Vec::new(),
            linked: false,
        }
    }

    fn class(change: impl FnOnce(&mut Entry)) -> Class {
        let mut entry = file(5);
        change(&mut entry);
        entry.encode().unwrap_err().class()
    }

    /// Changes the pax records of a file, and makes the `x` block anew.
    fn with_records(records: &str) -> Result<EntryHeader, FormatError> {
        let encoded = file(5).encode().unwrap();
        let mut bytes = encode_x_block(records.len() as u64).to_vec();
        bytes.extend_from_slice(records.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
        bytes.extend_from_slice(encoded.last_chunk::<BLOCK_LEN>().unwrap());
        EntryHeader::decode(&bytes)
    }

    #[test]
    fn a_plain_file_needs_two_records() {
        let header = with_records("11 mtime=0\n14 path=sql/a\n").unwrap();
        assert_eq!(header, EntryHeader::new(file(5)));
    }

    #[test]
    fn records_that_do_not_follow_from_the_values_are_malformed() {
        for records in [
            "14 path=sql/a\n11 mtime=0\n",
            "11 mtime=0\n11 mtime=0\n14 path=sql/a\n",
            "12 mtime=00\n14 path=sql/a\n",
            "13 mtime=0.0\n14 path=sql/a\n",
            "12 mtime=-0\n14 path=sql/a\n",
            "11 atime=0\n11 mtime=0\n14 path=sql/a\n",
            "8 gid=1\n11 mtime=0\n14 path=sql/a\n",
            "11 mtime=0\n14 path=sql/a\n9 size=5\n",
            "11 mtime=0\n14 path=sql/a\n11 uname=u\n",
            "21 hdrcharset=BINARY\n11 mtime=0\n14 path=sql/a\n",
            "18 comment=bakpak\n11 mtime=0\n14 path=sql/a\n",
            "11 mtime=0\n14 path=sql/b\n",
            "11 mtime=0\n",
            "14 path=sql/a\n",
            "",
        ] {
            let class = with_records(records).unwrap_err().class();
            assert_eq!(class, Class::Malformed, "{records:?}");
        }
    }

    #[test]
    fn every_flipped_byte_is_refused() {
        let header = EntryHeader::new(file(5));
        let encoded = header.encode().unwrap();
        for offset in 0..encoded.len() {
            let mut bytes = encoded.clone();
            bytes[offset] ^= 1;
            assert!(EntryHeader::decode(&bytes).is_err(), "offset {offset}");
        }
        for len in 0..encoded.len() {
            assert!(EntryHeader::decode(&encoded[..len]).is_err());
        }
    }

    #[test]
    fn values_that_cannot_be_written_are_refused() {
        let target = |target: &[u8]| EntryKind::Symlink {
            target: target.to_vec(),
        };
        assert_eq!(class(|entry| entry.mode = 0o10_000), Class::Malformed);
        assert_eq!(
            class(|entry| entry.mtime.nanos = 1_000_000_000),
            Class::Malformed
        );
        assert_eq!(
            class(|entry| entry.user = vec![b'u'; 256]),
            Class::Malformed
        );
        assert_eq!(
            class(|entry| entry.group = b"a\0".to_vec()),
            Class::Malformed
        );
        assert_eq!(class(|entry| entry.kind = target(b"")), Class::Malformed);
        assert_eq!(class(|entry| entry.kind = target(b"a\0")), Class::Malformed);
        assert_eq!(
            class(|entry| entry.kind = target(&[b'a'; 32_769])),
            Class::Malformed
        );
        let device = EntryKind::CharDevice {
            major: 0,
            minor: 1 << 21,
        };
        assert_eq!(class(|entry| entry.kind = device), Class::Malformed);
        let linked = class(|entry| {
            entry.kind = EntryKind::Fifo;
            entry.linked = true;
        });
        assert_eq!(linked, Class::Malformed);
        let size = |size| EntryKind::File {
            size,
            extents: None,
        };
        assert_eq!(
            class(|entry| entry.kind = size(1 << 60)),
            Class::LimitExceeded
        );
        let no_hole = EntryKind::File {
            size: 5,
            extents: Some(vec![Extent { offset: 0, len: 5 }]),
        };
        assert_eq!(class(|entry| entry.kind = no_hole), Class::Malformed);
    }

    #[test]
    fn attributes_have_limits_and_an_order() {
        let xattrs = |names: &[&str], len: usize| {
            let xattr = |name: &&str| (name.as_bytes().to_vec(), vec![7; len]);
            names.iter().map(xattr).collect::<Vec<_>>()
        };
        assert_eq!(
            class(|entry| entry.xattrs = xattrs(&["a"], 65_537)),
            Class::LimitExceeded
        );
        for names in [&["b", "a"][..], &["a", "a"], &["a=b"], &["a\0"], &[""]] {
            assert_eq!(
                class(|entry| entry.xattrs = xattrs(names, 1)),
                Class::Malformed
            );
        }
        let names: Vec<String> = (10..27).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            class(|entry| entry.xattrs = xattrs(&names, 65_536)),
            Class::LimitExceeded
        );
        let mut entry = file(5);
        entry.xattrs = xattrs(&names[..15], 65_536);
        assert!(EntryHeader::decode(&entry.encode().unwrap()).is_ok());
    }

    #[test]
    fn pax_records_over_1_mib_exceed_their_limit_before_they_are_read() {
        let block = encode_x_block(MAX_PAX_LEN as u64);
        assert_eq!(pax_len(&block).unwrap(), MAX_PAX_LEN);
        let block = encode_x_block(MAX_PAX_LEN as u64 + 1);
        assert_eq!(pax_len(&block).unwrap_err().class(), Class::LimitExceeded);
        let class = with_records(&format!("73729 path={}\n", "x".repeat(73_717)));
        assert_eq!(class.unwrap_err().class(), Class::LimitExceeded);
    }

    #[test]
    fn parts_are_plain_files_of_at_most_8_mib() {
        let part = |len| {
            let mut entry = file(len);
            entry.path = part_path(&entry.path, 1).unwrap();
            EntryHeader::new_part(entry)
        };
        let header = part(PART_LEN);
        assert_eq!(
            EntryHeader::decode(&header.encode().unwrap()).unwrap(),
            header
        );
        let class = |header: EntryHeader| header.encode().unwrap_err().class();
        assert_eq!(class(part(0)), Class::Malformed);
        assert_eq!(class(part(PART_LEN + 1)), Class::Malformed);
        assert_eq!(class(EntryHeader::new_part(file(5))), Class::Malformed);
        let mut linked = part(1);
        linked.entry.linked = true;
        assert_eq!(class(linked), Class::Malformed);
        let mut attribute = part(1);
        attribute.entry.xattrs = vec![(b"a".to_vec(), Vec::new())];
        assert_eq!(class(attribute), Class::Malformed);
        let mut kind = part(1);
        kind.entry.kind = EntryKind::Directory;
        assert_eq!(class(kind), Class::Malformed);
    }

    #[test]
    fn the_x_block_is_as_the_table_says() {
        let bytes = file(5).encode().unwrap();
        assert_eq!(bytes[..15], *b"././@PaxHeader\0");
        assert_eq!(bytes[100..108], *b"0000644\0");
        assert_eq!(bytes[124..136], *b"00000000031\0"); // two records, of 11 and 14 bytes
        assert_eq!(bytes[156], b'x');
    }

    #[test]
    fn the_greatest_values_of_the_block_need_no_record() {
        let records = |change: fn(&mut Entry)| {
            let mut entry = file(5);
            change(&mut entry);
            let bytes = entry.encode().unwrap();
            assert_eq!(EntryHeader::decode(&bytes).unwrap().entry, entry);
            let text = String::from_utf8_lossy(&bytes[BLOCK_LEN..bytes.len() - BLOCK_LEN]);
            text.matches('=').count() - 2 // path and mtime
        };
        assert_eq!(records(|entry| entry.mode = 0o7777), 0);
        assert_eq!(records(|entry| entry.uid = 0o7_777_777), 0);
        assert_eq!(records(|entry| entry.uid = 0o7_777_777 + 1), 1);
        assert_eq!(records(|entry| entry.gid = 0o7_777_777), 0);
        assert_eq!(records(|entry| entry.gid = 0o7_777_777 + 1), 1);
        assert_eq!(records(|entry| entry.user = vec![b'u'; 31]), 0);
        assert_eq!(records(|entry| entry.user = vec![b'u'; 32]), 1);
        assert_eq!(records(|entry| entry.group = vec![b'g'; 31]), 0);
        assert_eq!(records(|entry| entry.group = vec![b'g'; 32]), 1);
        for size in [0o77_777_777_777, 0o77_777_777_777 + 1] {
            let bytes = file(size).encode().unwrap();
            let has_record = bytes.windows(6).any(|window| window == b" size=");
            assert_eq!(has_record, size > 0o77_777_777_777);
        }
    }

    #[test]
    fn device_numbers_end_at_2_097_151() {
        let device = |major, minor| {
            let mut entry = file(5);
            entry.kind = EntryKind::CharDevice { major, minor };
            entry.encode().map_err(|error| error.class())
        };
        assert!(device(2_097_151, 2_097_151).is_ok());
        assert_eq!(device(2_097_152, 0), Err(Class::Malformed));
        assert_eq!(device(0, 2_097_152), Err(Class::Malformed));
    }

    #[test]
    fn only_regular_files_are_linked_parts_or_sparse() {
        let encode = |change: fn(&mut EntryHeader)| {
            let mut entry = file(0);
            entry.kind = EntryKind::Fifo;
            let mut header = EntryHeader::new(entry);
            change(&mut header);
            header.encode().map_err(|error| error.class())
        };
        assert!(encode(|_| {}).is_ok());
        assert_eq!(
            encode(|header| header.entry.linked = true),
            Err(Class::Malformed)
        );
        assert_eq!(encode(|header| header.part = true), Err(Class::Malformed));
        assert_eq!(encode(|header| header.sparse = true), Err(Class::Malformed));
    }

    // spec: ENT-8
    #[test]
    fn a_part_has_1_byte_to_8_mib() {
        let part = |size| {
            let mut entry = file(size);
            entry.path = part_path(&entry.path, 1).unwrap();
            EntryHeader::new_part(entry).encode().is_ok()
        };
        assert!(part(1) && part(8_388_608));
        assert!(!part(0) && !part(8_388_609));
    }
}
