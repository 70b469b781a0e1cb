//! Walks a ZIP from its first byte to its last, and holds its directory against what passed.
//!
//! The walk is our own because the `zip` crate begins with the directory, which stands at the end:
//! of a file that passes only once that comes too late. Decompression and CRC-32 are flate2's. The
//! layout is that of APPNOTE.TXT 6.3.10, section 4.3.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::fault::{FaultKind, Faults};

#[cfg(test)]
mod tests;

/// How many members are taken; a BACPAC has one for about four megabytes of rows.
pub(crate) const MAX_MEMBERS: usize = 100_000;
/// The longest names of all members together, in bytes.
const MAX_NAMES_LEN: usize = 16 << 20;
const BUFFER_LEN: usize = 64 << 10;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const ZIP64_END: &[u8; 4] = b"PK\x06\x06";
const ZIP64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
const END: &[u8; 4] = b"PK\x05\x06";

const STORED: u64 = 0;
const DEFLATED: u64 = 8;
/// In a short field: the value stands in the ZIP64 extra field.
const IN_ZIP64: u64 = 0xFFFF_FFFF;
const COUNT_IN_ZIP64: u64 = 0xFFFF;
const DISK_IN_ZIP64: u64 = 0xFFFF;

/// Who is told of the members as they pass.
pub(crate) trait Visitor {
    /// A member begins.
    fn begin(&mut self, name: &str);
    /// Its next bytes, decompressed.
    fn bytes(&mut self, bytes: &[u8]);
    /// It has ended, `len` bytes long, and its length and CRC-32 are right.
    fn whole(&mut self, len: u64);
}

/// Walks all members, and says what is wrong with the ZIP; tells how many members there were.
///
/// What is damaged within a member of known length does not stop the walk.
///
/// # Errors
///
/// What the reader returns.
pub(crate) fn check(
    reader: impl Read,
    visitor: &mut impl Visitor,
    faults: &mut Faults,
) -> io::Result<u64> {
    let mut walk = Walk {
        input: Input {
            reader: BufReader::with_capacity(BUFFER_LEN, reader),
            offset: 0,
        },
        visitor,
        faults,
        members: BTreeMap::new(),
        names_len: 0,
    };
    let found = walk.run();
    let member_count = walk.members.len() as u64;
    match found {
        Ok(()) => {}
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::Fault(kind, message)) => faults.add(kind, message),
    }
    Ok(member_count)
}

/// Why the walk, or a member, cannot be gone on with.
enum Stop {
    Io(io::Error),
    Fault(FaultKind, String),
}

impl Stop {
    fn damaged(message: impl Into<String>) -> Self {
        Self::Fault(FaultKind::Damaged, message.into())
    }

    fn unsupported(message: impl Into<String>) -> Self {
        Self::Fault(FaultKind::Unsupported, message.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let message = "it ends before its directory does: it was cut off";
                Self::Fault(FaultKind::Truncated, message.into())
            }
            _ => Self::Io(error),
        }
    }
}

struct Walk<'a, R, V> {
    input: Input<R>,
    visitor: &'a mut V,
    faults: &'a mut Faults,
    /// The members that have passed, by their names.
    members: BTreeMap<Vec<u8>, Passed>,
    names_len: usize,
}

/// What passed of a member.
struct Passed {
    offset: u64,
    method: u64,
    sum: Sum,
    is_listed: bool,
}

/// CRC-32 and lengths, by which the content of a member is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    crc: u64,
    compressed_len: u64,
    len: u64,
}

impl<R: Read, V: Visitor> Walk<'_, R, V> {
    fn run(&mut self) -> Result<(), Stop> {
        loop {
            let offset = self.input.offset;
            match &self.input.array()? {
                LOCAL => self.member(offset)?,
                signature @ (CENTRAL | ZIP64_END | END) => {
                    return self.directory(offset, signature);
                }
                _ => {
                    let what = "is neither a member nor the directory";
                    return Err(Stop::damaged(format!(
                        "what stands at byte {offset} {what}"
                    )));
                }
            }
        }
    }

    fn member(&mut self, offset: u64) -> Result<(), Stop> {
        let header: [u8; 26] = self.input.array()?;
        let [flags, method] = [&header[2..4], &header[4..6]].map(le);
        let name = self.input.bytes(le(&header[22..24]))?;
        let extra = self.input.bytes(le(&header[24..26]))?;
        let mut stated = sum(&header[10..22]);
        let zip64 = zip64(&extra);
        take_from_zip64(zip64, &mut [&mut stated.len, &mut stated.compressed_len]);
        self.names_len += name.len();
        if self.members.len() == MAX_MEMBERS || self.names_len > MAX_NAMES_LEN {
            let message = format!(
                "it has more than {MAX_MEMBERS} members, or more than {MAX_NAMES_LEN} bytes of names"
            );
            return Err(Stop::Fault(FaultKind::LimitExceeded, message));
        }
        let shown = String::from_utf8_lossy(&name).into_owned();
        let has_descriptor = flags & 1 << 3 != 0;
        let known_len = (!has_descriptor).then_some(stated.compressed_len);
        let content_offset = self.input.offset;
        let found = match method {
            _ if flags & 1 != 0 => Err(Stop::unsupported("it is encrypted")),
            STORED | DEFLATED => self.content(&shown, method, known_len),
            _ => {
                let message = format!("its compression method {method} is not supported");
                Err(Stop::unsupported(message))
            }
        };
        let found = match found {
            Ok(found) => {
                if has_descriptor {
                    stated = self.descriptor(found, zip64.is_some())?;
                }
                if found == stated {
                    self.visitor.whole(found.len);
                } else {
                    let message = "its length or CRC-32 is not that of its content";
                    self.faults.add_in(&shown, FaultKind::Damaged, message);
                }
                found
            }
            Err(Stop::Io(error)) => return Err(Stop::Io(error)),
            Err(Stop::Fault(kind, message)) => {
                self.faults.add_in(&shown, kind, message);
                let Some(len) = known_len else {
                    let message =
                        "what comes behind a member whose end is not known was not checked";
                    return Err(Stop::Fault(kind, message.into()));
                };
                // No more of it than that has been taken.
                self.input
                    .skip(len - (self.input.offset - content_offset))?;
                stated
            }
        };
        let passed = Passed {
            offset,
            method,
            sum: found,
            is_listed: false,
        };
        if self.members.insert(name, passed).is_some() {
            let message = "there are two members of this name";
            self.faults.add_in(&shown, FaultKind::Damaged, message);
        }
        Ok(())
    }

    /// Takes the content of a member, no more than `known_len` bytes of it.
    fn content(&mut self, name: &str, method: u64, known_len: Option<u64>) -> Result<Sum, Stop> {
        self.visitor.begin(name);
        match (method, known_len) {
            (STORED, Some(len)) => self.stored(len),
            (STORED, None) => Err(Stop::unsupported("where it ends stands behind it only")),
            _ => self.deflated(known_len),
        }
    }

    fn stored(&mut self, len: u64) -> Result<Sum, Stop> {
        let mut crc = Crc::new();
        let mut left = len;
        while left > 0 {
            let bytes = self.input.some(Some(left))?;
            crc.update(bytes);
            self.visitor.bytes(bytes);
            let taken = bytes.len();
            left -= taken as u64;
            self.input.take(taken);
        }
        Ok(Sum {
            crc: crc.sum().into(),
            compressed_len: len,
            len,
        })
    }

    fn deflated(&mut self, known_len: Option<u64>) -> Result<Sum, Stop> {
        let mut crc = Crc::new();
        let mut inflate = Decompress::new(false);
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let left = known_len.map(|len| len - inflate.total_in());
            if left == Some(0) {
                return Err(Stop::damaged("its data do not end where they should"));
            }
            let bytes = self.input.some(left)?;
            let before = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(bytes, &mut buffer, FlushDecompress::None)
                .map_err(|_| Stop::damaged("its data cannot be decompressed"))?;
            let [taken, made] = [
                inflate.total_in() - before.0,
                inflate.total_out() - before.1,
            ]
            .map(|len| usize::try_from(len).expect("it is within a buffer"));
            self.input.take(taken);
            crc.update(&buffer[..made]);
            self.visitor.bytes(&buffer[..made]);
            if status == Status::StreamEnd {
                break;
            }
            if taken == 0 && made == 0 {
                return Err(Stop::damaged("its data cannot be decompressed"));
            }
        }
        if known_len.is_some_and(|len| len != inflate.total_in()) {
            return Err(Stop::damaged("its data end before they should"));
        }
        Ok(Sum {
            crc: crc.sum().into(),
            compressed_len: inflate.total_in(),
            len: inflate.total_out(),
        })
    }

    /// What the descriptor behind a member says of it. Its lengths are long ones if the member has
    /// a ZIP64 extra field or they would not fit; its signature is optional.
    fn descriptor(&mut self, found: Sum, is_zip64: bool) -> Result<Sum, Stop> {
        let mut first: [u8; 4] = self.input.array()?;
        if first == *DESCRIPTOR {
            first = self.input.array()?;
        }
        let is_long = is_zip64 || found.compressed_len.max(found.len) >= IN_ZIP64;
        let lens = self.input.bytes(if is_long { 16 } else { 8 })?;
        let (compressed_len, len) = lens.split_at(lens.len() / 2);
        Ok(Sum {
            crc: le(&first),
            compressed_len: le(compressed_len),
            len: le(len),
        })
    }

    /// The directory, whose first `signature` has been read, to the end of the file.
    fn directory(&mut self, offset: u64, signature: &[u8; 4]) -> Result<(), Stop> {
        let mut signature = *signature;
        let mut count = 0;
        let mut end = self.input.offset - 4;
        while signature == *CENTRAL {
            self.listed()?;
            count += 1;
            end = self.input.offset;
            signature = self.input.array()?;
        }
        let found = Directory {
            count,
            len: end - offset,
            offset,
        };
        for (name, member) in &self.members {
            if !member.is_listed {
                let name = String::from_utf8_lossy(name);
                let message = "it is not in the directory";
                self.faults.add_in(&name, FaultKind::Damaged, message);
            }
        }
        let stated = self.end(end, signature)?;
        if stated != found {
            return Err(Stop::damaged(
                "the record at its end is not that of its directory",
            ));
        }
        match self.input.is_at_end()? {
            true => Ok(()),
            false => Err(Stop::damaged("something was appended to it")),
        }
    }

    /// One row of the directory, behind its signature.
    fn listed(&mut self) -> Result<(), Stop> {
        let row: [u8; 42] = self.input.array()?;
        let name = self.input.bytes(le(&row[24..26]))?;
        let extra = self.input.bytes(le(&row[26..28]))?;
        self.input.skip(le(&row[28..30]))?;
        let mut stated = sum(&row[12..24]);
        let mut offset = le(&row[38..42]);
        let lens = &mut [&mut stated.len, &mut stated.compressed_len, &mut offset];
        take_from_zip64(zip64(&extra), lens);
        let method = le(&row[6..8]);
        let message = match self.members.get_mut(&name) {
            Some(member) if member.is_listed => "it is in the directory twice",
            Some(member) => {
                member.is_listed = true;
                let is_on_first_disk = matches!(le(&row[30..32]), 0 | DISK_IN_ZIP64);
                let is_same =
                    (offset, method, stated) == (member.offset, member.method, member.sum);
                if is_same && is_on_first_disk {
                    return Ok(());
                }
                "the directory says something else of it"
            }
            None => "it is in the directory only",
        };
        let name = String::from_utf8_lossy(&name);
        self.faults.add_in(&name, FaultKind::Damaged, message);
        Ok(())
    }

    /// What the records behind the directory, from `offset` on, say of it.
    fn end(&mut self, offset: u64, signature: [u8; 4]) -> Result<Directory, Stop> {
        let mut long = None;
        let mut signature = signature;
        if signature == *ZIP64_END {
            let len = le(&self.input.array::<8>()?);
            let record: [u8; 44] = self.input.array()?;
            self.input.skip(len.saturating_sub(44))?;
            if record[4..12] != [0; 8] {
                return Err(in_several_files());
            }
            long = Some(Directory {
                count: le(&record[20..28]),
                len: le(&record[28..36]),
                offset: le(&record[36..44]),
            });
            let locator: [u8; 20] = self.input.array()?;
            if !locator.starts_with(ZIP64_LOCATOR) || le(&locator[8..16]) != offset {
                return Err(Stop::damaged("its ZIP64 end record is not located"));
            }
            signature = self.input.array()?;
        }
        if signature != *END {
            return Err(Stop::damaged("behind its directory is no end record"));
        }
        let record: [u8; 18] = self.input.array()?;
        self.input.skip(le(&record[16..18]))?;
        let short = Directory {
            count: le(&record[6..8]),
            len: le(&record[8..12]),
            offset: le(&record[12..16]),
        };
        let [disk, directory_disk, here] = [0, 2, 4].map(|at| le(&record[at..at + 2]));
        let are_first = [disk, directory_disk]
            .iter()
            .all(|disk| *disk == 0 || long.is_some() && *disk == DISK_IN_ZIP64);
        if !are_first {
            return Err(in_several_files());
        }
        if here != short.count {
            return Err(Stop::damaged("its end record gives two counts of members"));
        }
        let Some(long) = long else { return Ok(short) };
        let agree = |short, long, limit| short == limit || short == long;
        let is_same = agree(short.count, long.count, COUNT_IN_ZIP64)
            && agree(short.len, long.len, IN_ZIP64)
            && agree(short.offset, long.offset, IN_ZIP64);
        match is_same {
            true => Ok(long),
            false => Err(Stop::damaged("its two end records differ")),
        }
    }
}

fn in_several_files() -> Stop {
    Stop::unsupported("it is a part of a ZIP that lies in several files")
}

/// What an end record says of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directory {
    count: u64,
    len: u64,
    offset: u64,
}

/// The file, and how far it has been read.
struct Input<R> {
    reader: BufReader<R>,
    offset: u64,
}

impl<R: Read> Input<R> {
    fn array<const LEN: usize>(&mut self) -> io::Result<[u8; LEN]> {
        let mut array = [0; LEN];
        self.reader.read_exact(&mut array)?;
        self.offset += LEN as u64;
        Ok(array)
    }

    /// As many bytes as a length field of 16 bits can tell.
    fn bytes(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).expect("it is at most 65,535")];
        self.reader.read_exact(&mut bytes)?;
        self.offset += len;
        Ok(bytes)
    }

    /// What has been read and not taken, at least one byte and at most `most_len`.
    fn some(&mut self, most_len: Option<u64>) -> io::Result<&[u8]> {
        if self.is_at_end()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = self.reader.buffer();
        let most_len = most_len.unwrap_or(u64::MAX);
        let len = usize::try_from(most_len).map_or(bytes.len(), |most| most.min(bytes.len()));
        Ok(&bytes[..len])
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                found => return found.map(<[u8]>::is_empty),
            }
        }
    }

    fn take(&mut self, len: usize) {
        self.reader.consume(len);
        self.offset += len as u64;
    }

    fn skip(&mut self, len: u64) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let now = self.some(Some(left))?.len();
            self.take(now);
            left -= now as u64;
        }
        Ok(())
    }
}

/// The CRC-32 and both lengths, as they stand one behind the other.
fn sum(fields: &[u8]) -> Sum {
    Sum {
        crc: le(&fields[..4]),
        compressed_len: le(&fields[4..8]),
        len: le(&fields[8..12]),
    }
}

/// The data of the ZIP64 extra field.
fn zip64(extra: &[u8]) -> Option<&[u8]> {
    let mut rest = extra;
    loop {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let data = behind.get(..usize::try_from(le(&head[2..4])).ok()?)?;
        if le(&head[..2]) == 1 {
            return Some(data);
        }
        rest = &behind[data.len()..];
    }
}

/// Replaces the values that say they stand in the ZIP64 extra field, where they follow each other.
fn take_from_zip64(zip64: Option<&[u8]>, values: &mut [&mut u64]) {
    let mut rest = zip64.unwrap_or_default();
    for value in values {
        if **value == IN_ZIP64
            && let Some((long, behind)) = rest.split_first_chunk::<8>()
        {
            **value = le(long);
            rest = behind;
        }
    }
}

/// An unsigned integer of up to 8 bytes.
fn le(bytes: &[u8]) -> u64 {
    let fold = |value, byte: &u8| value << 8 | u64::from(*byte);
    bytes.iter().rev().fold(0, fold)
}
