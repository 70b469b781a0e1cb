//! The stream (chapter 10), made field by field, so that any field of an entry can be made wrong.

mod header;
mod row;

use crate::builder::{Builder, Site};

pub use header::{pax_record, put_checksum};
pub use row::Row;

/// Keys and values of pax records, in their order.
pub type PaxRecords = Vec<(Vec<u8>, Vec<u8>)>;

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
    pub pax: fn(&mut PaxRecords),
    /// Changes the map of a sparse file before it is filled up.
    pub map: fn(&mut Vec<u8>),
    /// Changes the whole header: `x` block, pax records, ustar block.
    pub header: fn(&mut Vec<u8>),
}

/// The stream, and what was learned while it was made.
pub struct Stream {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Where `x` headers begin.
    pub entries: Vec<u64>,
    /// One for each entry.
    pub rows: Vec<Row>,
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
}

impl Stream {
    /// Joins the items of a builder.
    pub fn new(builder: &Builder) -> Self {
        let mut stream = Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            rows: Vec::new(),
        };
        for item in &builder.items {
            let content = item.encode_content();
            let header_offset = stream.bytes.len() as u64;
            stream.entries.push(header_offset);
            if let Some(raw) = &item.raw {
                stream.bytes.extend_from_slice(raw);
                continue;
            }
            stream.bytes.extend(item.encode_header(content.len()));
            let content_offset = stream.bytes.len() as u64;
            stream.rows.extend(item.row(header_offset, content_offset));
            stream.bytes.extend(filled(content));
        }
        // An entry of a path that comes again is superseded.
        for at in 1..stream.rows.len() {
            let same = stream.rows[at].path == stream.rows[at - 1].path;
            stream.rows[at - 1].flags |= u16::from(same);
        }
        stream.bytes.extend_from_slice(&builder.stream_end);
        builder.apply(Site::Stream, &mut stream.bytes);
        stream
    }
}

/// Fills up to whole blocks of 512 bytes.
pub fn filled(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}
