//! The header and the table of contents of a dump, the same in custom, tar and directory format.

use std::io::{self, BufRead};

use jiff::civil::DateTime;

/// What starts a header.
const MAGIC: &[u8; 5] = b"PGDMP";
/// The archive versions that are read: PostgreSQL 9.0 writes 1.12, 17 and 18 write 1.16.
const VERSIONS: std::ops::RangeInclusive<u8> = 12..=16;
/// Since this one tables have an access method.
const WITH_TABLE_AM: u8 = 14;
/// Since this one the header names the compression, not only its level.
const WITH_COMPRESSION: u8 = 15;
/// Since this one entries have the kind of their relation, and large objects come in groups.
pub(super) const WITH_RELKIND: u8 = 16;
/// How much of a string is kept; the rest is read over.
const KEPT_LEN: u64 = 1 << 10;
/// How many entries with data are kept.
pub(super) const MAX_DATA_ENTRIES: usize = 250_000;
/// How many names of extensions are kept.
const MAX_EXTENSIONS: usize = 100;

/// How the data of a dump is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// zlib streams (in files, gzip).
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// What the extra field of an entry holds, which depends on the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// Custom format: where the data is in the file.
    Offset,
    /// Tar and directory format: the name of the file with the data.
    FileName,
}

/// The header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: (u8, u8, u8),
    int_size: u8,
    offset_size: u8,
    pub(super) format: u8,
    pub(super) compression: Compression,
    pub(super) created: Option<DateTime>,
    pub(super) database_name: Option<String>,
    pub(super) server_version: Option<String>,
    pub(super) pg_dump_version: Option<String>,
}

/// The table of contents, as far as it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Toc {
    /// How many entries it has.
    pub(super) entry_count: u64,
    /// Those that have data.
    pub(super) data: Vec<DataEntry>,
    /// The extensions that the dump creates.
    pub(super) extensions: Vec<String>,
}

/// An entry that has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataEntry {
    pub(super) dump_id: i64,
    /// Whether the data is a group of large objects.
    pub(super) is_blobs: bool,
    pub(super) place: Place,
}

/// Where the data of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this file, but where was not known when the table was written.
    Somewhere,
    /// In this file, at this offset.
    Offset(u64),
    /// In this file of a directory or tar.
    File(String),
}

/// Why a header or table cannot be read; errors of the reader apart.
#[derive(Debug, thiserror::Error)]
pub(super) enum TocError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    LimitExceeded(String),
}

/// Bytes with a count of those that were read.
pub(super) struct Source<R> {
    reader: R,
    pub(super) offset: u64,
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    /// One byte. None at the end.
    pub(super) fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.fill_buf()?.first().copied();
        self.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    pub(super) fn byte(&mut self) -> io::Result<u8> {
        self.next_byte()?.ok_or_else(|| self.cut())
    }

    /// Passes `len` bytes to `each`, in pieces.
    pub(super) fn pass(
        &mut self,
        len: u64,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut left_len = len;
        while left_len > 0 {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Err(self.cut());
            }
            let piece_len = available
                .len()
                .min(usize::try_from(left_len).unwrap_or(usize::MAX));
            each(&available[..piece_len])?;
            self.consume(piece_len);
            left_len -= piece_len as u64;
        }
        Ok(())
    }

    /// An integer: a sign byte, then `int_size` bytes.
    pub(super) fn int(&mut self, head: &Head) -> io::Result<i64> {
        let sign = self.byte()?;
        let value = i64::try_from(self.unsigned(head.int_size)?).ok();
        match (sign, value) {
            (0, Some(value)) => Ok(value),
            (1, Some(value)) => Ok(-value),
            _ => Err(self.damaged("an integer")),
        }
    }

    fn unsigned(&mut self, size: u8) -> io::Result<u64> {
        let mut value = 0;
        for index in 0..size {
            value |= u64::from(self.byte()?) << (8 * u32::from(index));
        }
        Ok(value)
    }

    /// A string, of which [`KEPT_LEN`] bytes are kept. None is none, not empty.
    fn string(&mut self, head: &Head) -> io::Result<Option<String>> {
        let Ok(len) = u64::try_from(self.int(head)?) else {
            return Ok(None);
        };
        let mut kept = Vec::new();
        self.pass(len, |piece| {
            let room = (KEPT_LEN as usize).saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            Ok(())
        })?;
        Ok(Some(String::from_utf8_lossy(&kept).into_owned()))
    }

    /// An offset: a byte that says whether it is set, then the offset.
    fn offset(&mut self, head: &Head) -> io::Result<Option<Place>> {
        let state = self.byte()?;
        let offset = self.unsigned(head.offset_size)?;
        match state {
            1 => Ok(Some(Place::Somewhere)),
            2 => Ok(Some(Place::Offset(offset))),
            3 => Ok(None),
            _ => Err(self.damaged("the state of an offset")),
        }
    }

    fn consume(&mut self, len: usize) {
        self.reader.consume(len);
        self.offset += len as u64;
    }

    fn cut(&self) -> io::Error {
        let message = format!("it ends at offset {}, inside a structure", self.offset);
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    }

    pub(super) fn damaged(&self, what: &str) -> io::Error {
        let message = format!("{what} before offset {} has no possible value", self.offset);
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

impl Head {
    /// Reads the header.
    pub(super) fn read<R: BufRead>(source: &mut Source<R>) -> Result<Self, TocError> {
        for expected in MAGIC {
            if source.byte()? != *expected {
                return Err(source.damaged("the magic number").into());
            }
        }
        let version = (source.byte()?, source.byte()?, source.byte()?);
        if version.0 != 1 || !VERSIONS.contains(&version.1) {
            let message = format!(
                "dumps of archive version {}.{} are not read",
                version.0, version.1
            );
            return Err(TocError::Unsupported(message));
        }
        let (int_size, offset_size) = (source.byte()?, source.byte()?);
        if !(1..=8).contains(&int_size) || !(1..=8).contains(&offset_size) {
            return Err(source.damaged("the size of integers").into());
        }
        let mut head = Self {
            version,
            int_size,
            offset_size,
            format: source.byte()?,
            compression: Compression::None,
            created: None,
            database_name: None,
            server_version: None,
            pg_dump_version: None,
        };
        head.compression = head.read_compression(source)?;
        head.created = head.read_time(source)?;
        head.database_name = source.string(&head)?;
        head.server_version = source.string(&head)?;
        head.pg_dump_version = source.string(&head)?;
        Ok(head)
    }

    fn read_compression<R: BufRead>(
        &self,
        source: &mut Source<R>,
    ) -> Result<Compression, TocError> {
        if self.version.1 < WITH_COMPRESSION {
            let level = source.int(self)?;
            return Ok(if level == 0 {
                Compression::None
            } else {
                Compression::Gzip
            });
        }
        match source.byte()? {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Lz4),
            3 => Ok(Compression::Zstd),
            _ => Err(source.damaged("the kind of compression").into()),
        }
    }

    /// C's `struct tm`, in the local time of the machine that ran `pg_dump`.
    fn read_time<R: BufRead>(&self, source: &mut Source<R>) -> io::Result<Option<DateTime>> {
        let mut fields = [0; 7];
        for field in &mut fields {
            *field = source.int(self)?;
        }
        let [second, minute, hour, day, month, year, _is_dst] = fields;
        let small = |value: i64| i8::try_from(value).ok();
        let date_time = || {
            let year = i16::try_from(year.checked_add(1900)?).ok()?;
            let (month, day) = (small(month.checked_add(1)?)?, small(day)?);
            DateTime::new(
                year,
                month,
                day,
                small(hour)?,
                small(minute)?,
                small(second)?,
                0,
            )
            .ok()
        };
        Ok(date_time())
    }
}

impl Toc {
    /// Reads the table of contents, which follows the header.
    pub(super) fn read<R: BufRead>(
        source: &mut Source<R>,
        head: &Head,
        extra: Extra,
    ) -> Result<Self, TocError> {
        let mut toc = Self::default();
        let count = source.int(head)?;
        for _ in 0..count {
            toc.read_entry(source, head, extra)?;
            toc.entry_count += 1;
            if toc.data.len() > MAX_DATA_ENTRIES {
                let message = format!("more than {MAX_DATA_ENTRIES} entries have data");
                return Err(TocError::LimitExceeded(message));
            }
        }
        Ok(toc)
    }

    fn read_entry<R: BufRead>(
        &mut self,
        source: &mut Source<R>,
        head: &Head,
        extra: Extra,
    ) -> io::Result<()> {
        let dump_id = source.int(head)?;
        if dump_id <= 0 {
            return Err(source.damaged("the number of an entry"));
        }
        let has_data = match source.int(head)? {
            0 => false,
            1 => true,
            _ => return Err(source.damaged("whether an entry has data")),
        };
        let _table_oid = source.string(head)?;
        let _oid = source.string(head)?;
        let tag = source.string(head)?;
        let description = source.string(head)?;
        let _section = source.int(head)?;
        // Definition, DROP and COPY statements, schema, tablespace.
        for _ in 0..5 {
            source.string(head)?;
        }
        if head.version.1 >= WITH_TABLE_AM {
            source.string(head)?;
        }
        if head.version.1 >= WITH_RELKIND {
            source.int(head)?;
        }
        let _owner = source.string(head)?;
        match source.string(head)?.as_deref() {
            Some("true" | "false") => {}
            _ => return Err(source.damaged("whether a table has OIDs")),
        }
        // Dependencies, up to one that is none.
        while source.string(head)?.is_some() {}
        let place = match extra {
            Extra::Offset => source.offset(head)?,
            Extra::FileName => {
                let name = source.string(head)?;
                name.filter(|name| !name.is_empty()).map(Place::File)
            }
        };
        if let Some(place) = place.filter(|_| has_data) {
            let is_blobs = description.as_deref() == Some("BLOBS");
            self.data.push(DataEntry {
                dump_id,
                is_blobs,
                place,
            });
        }
        if description.as_deref() == Some("EXTENSION") && self.extensions.len() < MAX_EXTENSIONS {
            self.extensions.extend(tag);
        }
        Ok(())
    }
}
