//! The stream (chapter 10), made field by field, so that any field of an entry can be made wrong.

/// The greatest number of a ustar field of 8 bytes, and of one of 12.
const MAX_SHORT: u64 = 0o7_777_777;
const MAX_LONG: u64 = 0o77_777_777_777;

/// One entry, or one part of one, or bytes that stand between entries.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its path; of a part, that of the part.
    pub path: Vec<u8>,
    /// The ustar typeflag.
    pub typeflag: u8,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: [u64; 2],
    /// Names of owner and group.
    pub owner_names: [Vec<u8>; 2],
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Target of a link.
    pub link: Vec<u8>,
    /// Device numbers.
    pub device: [u32; 2],
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `bakpak.linked` or `bakpak.part`.
    pub comment: Option<&'static str>,
    /// Logical size.
    pub size: u64,
    /// Offset and length of what is no hole; `content` is their data, joined.
    pub extents: Option<Vec<(u64, u64)>>,
    /// The content as it is stored, behind the map of a sparse file.
    pub content: Vec<u8>,
    /// Stands in the stream as it is, instead of header and content.
    pub raw: Option<Vec<u8>>,
    /// Where its row comes from.
    pub row: RowOf,
    /// Changes the pax records before they are encoded.
    pub pax: fn(&mut Vec<(Vec<u8>, Vec<u8>)>),
    /// Changes the map of a sparse file before it is filled up.
    pub map: fn(&mut Vec<u8>),
    /// Changes the whole header: `x` block, pax records, ustar block.
    pub header: fn(&mut Vec<u8>),
}

/// Where the row of an item comes from.
#[derive(Clone, Debug)]
pub enum RowOf {
    /// From the item.
    Item,
    /// From this first part of an entry: its path, its size and its content.
    FirstPart(Vec<u8>, Vec<u8>),
    /// It has none: a further part, or no entry at all.
    None,
}

/// A row of the catalogue (chapter 11).
#[derive(Clone, Debug)]
pub struct Row {
    /// As in the specification.
    pub path: Vec<u8>,
    /// 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 FIFO.
    pub kind: u8,
    /// Bit 0 superseded, 1 changed, 2 parted, 3 linked, 4 unreadable, 5 sparse.
    pub flags: u16,
    /// Logical size.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: [u64; 2],
    /// Target of a link.
    pub link: Vec<u8>,
    /// BLAKE3 of the content.
    pub content_hash: [u8; 32],
    /// Stream offsets of the `x` header and of the content.
    pub offsets: [u64; 2],
}

/// A regular file.
pub fn file(path: impl AsRef<[u8]>, content: impl Into<Vec<u8>>) -> Item {
    let content = content.into();
    Item {
        size: content.len() as u64,
        content,
        mode: 0o640,
        ..bare(b'0', path)
    }
}

/// A directory.
pub fn directory(path: impl AsRef<[u8]>) -> Item {
    bare(b'5', path)
}

/// A symbolic or hard link, by its typeflag.
pub fn link(typeflag: u8, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item {
        link: target.as_ref().to_vec(),
        ..bare(typeflag, path)
    }
}

/// A file with holes: everything outside of the extents.
pub fn sparse(path: impl AsRef<[u8]>, size: u64, extents: &[(u64, u64)]) -> Item {
    let data_len: u64 = extents.iter().map(|&(_, len)| len).sum();
    let data_len = usize::try_from(data_len).expect("vectors are small");
    Item {
        size,
        extents: Some(extents.to_vec()),
        ..file(path, pattern(data_len))
    }
}

/// A part of `name`; the first one stands for the row of all, whose content is `whole`.
pub fn part(name: &str, number: u64, content: impl Into<Vec<u8>>, whole: Option<&[u8]>) -> Item {
    Item {
        comment: Some("bakpak.part"),
        row: match whole {
            Some(whole) => RowOf::FirstPart(name.into(), whole.to_vec()),
            None => RowOf::None,
        },
        ..file(format!("{name}.parts/{number:012}"), content)
    }
}

/// An entry without content.
pub fn bare(typeflag: u8, path: impl AsRef<[u8]>) -> Item {
    Item {
        path: path.as_ref().to_vec(),
        typeflag,
        mode: 0o755,
        owner: [1000, 1000],
        owner_names: [b"admin".to_vec(), b"users".to_vec()],
        mtime: (1_767_323_045, 0),
        link: Vec::new(),
        device: [0; 2],
        xattrs: Vec::new(),
        comment: None,
        size: 0,
        extents: None,
        content: Vec::new(),
        raw: None,
        row: RowOf::Item,
        pax: |_| {},
        map: |_| {},
        header: |_| {},
    }
}

/// Bytes that do not compress and do not repeat, the same ones each time.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(b"bakpak vectors pattern")
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

impl Item {
    /// `x` header block, pax records, ustar header block of an entry with so much content.
    pub fn encode_header(&self, content_len: usize) -> Vec<u8> {
        let mut pax = self.pax_records();
        (self.pax)(&mut pax);
        let records: Vec<u8> = pax
            .iter()
            .flat_map(|(key, value)| pax_record(key, value))
            .collect();
        let x_header = Item {
            mode: 0o644,
            owner: [0; 2],
            owner_names: [Vec::new(), Vec::new()],
            mtime: (0, 0),
            ..bare(b'x', "././@PaxHeader")
        };
        let mut bytes = x_header.ustar_block(&x_header.path, records.len());
        bytes.extend_from_slice(&filled(records));
        bytes.extend_from_slice(&self.ustar_block(&self.stored_path(), content_len));
        (self.header)(&mut bytes);
        bytes
    }

    /// The content, behind the map of a sparse file; not filled up.
    pub fn encode_content(&self) -> Vec<u8> {
        let Some(extents) = &self.extents else {
            return self.content.clone();
        };
        let mut extents = extents.clone();
        if extents.last().is_none_or(|(at, len)| at + len != self.size) {
            extents.push((self.size, 0));
        }
        let mut map = format!("{}\n", extents.len());
        for (offset, len) in extents {
            map += &format!("{offset}\n{len}\n");
        }
        let mut map = map.into_bytes();
        (self.map)(&mut map);
        [filled(map), self.content.clone()].concat()
    }

    /// The row, of an item that has one.
    pub fn row(&self, header_offset: u64, content_offset: u64) -> Option<Row> {
        let (path, content, parted) = match &self.row {
            RowOf::Item => (&self.path, self.logical_content(), 0),
            RowOf::FirstPart(name, whole) => (name, whole.clone(), 1 << 2),
            RowOf::None => return None,
        };
        let linked = u16::from(self.comment == Some("bakpak.linked")) << 3;
        let sparse = u16::from(self.extents.is_some()) << 5;
        let is_file = self.typeflag == b'0';
        Some(Row {
            path: path.clone(),
            kind: self.typeflag - b'0',
            flags: parted | linked | sparse,
            size: if is_file { content.len() as u64 } else { 0 },
            mtime: self.mtime,
            mode: self.mode,
            owner: self.owner,
            link: self.link.clone(),
            content_hash: if is_file {
                *blake3::hash(&content).as_bytes()
            } else {
                [0; 32]
            },
            offsets: [header_offset, content_offset],
        })
    }

    /// One header block of this path, and with so much behind it.
    pub fn ustar_block(&self, path: &[u8], size: usize) -> Vec<u8> {
        let mut block = vec![0; 512];
        put_text(&mut block[..100], path);
        put_octal(&mut block[100..108], self.mode.into());
        for (field, number) in [108, 116].into_iter().zip(self.owner) {
            put_octal(&mut block[field..field + 8], up_to(MAX_SHORT, number));
        }
        put_octal(&mut block[124..136], up_to(MAX_LONG, size as u64));
        let seconds = u64::try_from(self.mtime.0).unwrap_or(0);
        put_octal(&mut block[136..148], up_to(MAX_LONG, seconds));
        block[156] = self.typeflag;
        put_text(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        for (field, name) in [265, 297].into_iter().zip(&self.owner_names) {
            put_text(&mut block[field..field + 31], name);
        }
        for (field, number) in [329, 337].into_iter().zip(self.device) {
            put_octal(&mut block[field..field + 8], number.into());
        }
        put_checksum(&mut block);
        block
    }

    fn logical_content(&self) -> Vec<u8> {
        let Some(extents) = &self.extents else {
            return self.content.clone();
        };
        let size = usize::try_from(self.size).expect("vectors are small");
        let mut content = vec![0; size];
        let mut data = self.content.as_slice();
        for &(offset, len) in extents {
            let (offset, len) = (offset as usize, len as usize);
            // A faulty map may point anywhere; its row matters to nobody then.
            if let (Some(to), true) = (content.get_mut(offset..offset + len), len <= data.len()) {
                let (from, rest) = data.split_at(len);
                to.copy_from_slice(from);
                data = rest;
            }
        }
        content
    }

    fn stored_path(&self) -> Vec<u8> {
        if self.extents.is_none() {
            return self.path.clone();
        }
        let name_at = self.path.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = self.path.split_at(name_at.map_or(0, |at| at + 1));
        [directory, b"GNUSparseFile.0/", name].concat()
    }

    /// Keys and values in ascending order of the keys.
    fn pax_records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut push = |key: &str, value: &[u8]| records.push((key.into(), value.to_vec()));
        if self.extents.is_some() {
            push("GNU.sparse.major", b"1");
            push("GNU.sparse.minor", b"0");
            push("GNU.sparse.name", &self.path);
            push("GNU.sparse.realsize", self.size.to_string().as_bytes());
        }
        for (key, number) in ["uid", "gid"].into_iter().zip(self.owner) {
            if number > MAX_SHORT {
                push(key, number.to_string().as_bytes());
            }
        }
        for (key, name) in ["uname", "gname"].into_iter().zip(&self.owner_names) {
            if name.len() > 31 || !name.is_ascii() {
                push(key, name);
            }
        }
        if let Some(comment) = self.comment {
            push("comment", comment.as_bytes());
        }
        if matches!(self.typeflag, b'1' | b'2') {
            push("linkpath", &self.link);
        }
        push("path", &self.stored_path());
        push("mtime", time_text(self.mtime).as_bytes());
        for (name, value) in &self.xattrs {
            let key = [b"SCHILY.xattr.", name.as_slice()].concat();
            records.push((key, value.clone()));
        }
        let is_text = |key: &[u8]| {
            matches!(
                key,
                b"gname" | b"linkpath" | b"path" | b"uname" | b"GNU.sparse.name"
            )
        };
        if records
            .iter()
            .any(|(key, value)| is_text(key) && str::from_utf8(value).is_err())
        {
            records.push((b"hdrcharset".to_vec(), b"BINARY".to_vec()));
        }
        records.sort();
        records
    }
}

impl Row {
    /// The record encoding of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(self.path.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.path);
        bytes.push(self.kind);
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.mtime.0.to_le_bytes());
        bytes.extend_from_slice(&self.mtime.1.to_le_bytes());
        bytes.extend_from_slice(&self.mode.to_le_bytes());
        for number in self.owner {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.link.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.link);
        bytes.extend_from_slice(&self.content_hash);
        for offset in self.offsets {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes
    }
}

/// Fills up to whole blocks of 512 bytes.
pub fn filled(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// `LENGTH KEY=VALUE\n`, LENGTH counting itself.
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let mut len = rest.len();
    while len != rest.len() + len.to_string().len() {
        len = rest.len() + len.to_string().len();
    }
    [len.to_string().as_bytes(), &rest].concat()
}

/// Computes the checksum of a header block.
pub fn put_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum = block.iter().map(|&byte| u64::from(byte)).sum();
    put_octal(&mut block[148..156], sum);
}

fn up_to(max: u64, number: u64) -> u64 {
    if number > max { 0 } else { number }
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    put_text(field, format!("{number:0digits$o}\0").as_bytes());
}

fn time_text((seconds, nanos): (i64, u32)) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let (whole, fraction) = (
        total.unsigned_abs() / 1_000_000_000,
        total.unsigned_abs() % 1_000_000_000,
    );
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}
