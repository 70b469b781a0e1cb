//! Walks a ZIP from its first byte to its last, and holds its directory against what passed.
//!
//! The walk is our own because the `zip` crate begins with the directory, which stands at the end:
//! of a file that passes only once that comes too late. Decompression and CRC-32 are flate2's. The
//! layout is that of APPNOTE.TXT 6.3.10, section 4.3.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::fault::{FaultKind, Faults};

use input::Input;

mod input;
#[cfg(test)]
mod tests;

/// How many members are taken; a BACPAC has one for about four megabytes of rows.
pub(crate) const MAX_MEMBERS: u64 = 100_000;
/// The longest names of all members together, in bytes.
const MAX_NAMES_LEN: usize = 16 << 20;
/// How much is decompressed at a time.
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
    /// A member begins, whether or not anything of its content can be told.
    fn begin(&mut self, name: &str);
    /// Its next bytes, decompressed.
    fn bytes(&mut self, bytes: &[u8]);
    /// It has ended, `len` bytes long, and its length and CRC-32 are right.
    fn whole(&mut self, len: u64);
}

/// How far a walk came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// How many members passed.
    pub(crate) member_count: u64,
    /// Whether these are all: the directory behind them was reached.
    pub(crate) saw_all: bool,
}

/// Walks all members, and says what is wrong with the ZIP.
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
) -> io::Result<Walked> {
    let mut walk = Walk {
        input: Input::new(reader),
        visitor,
        faults,
        members: BTreeMap::new(),
        names_len: 0,
        saw_all: false,
    };
    let found = walk.run();
    let walked = Walked {
        member_count: walk.members.len() as u64,
        saw_all: walk.saw_all,
    };
    match found {
        Ok(()) => {}
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::Fault(kind, message)) => faults.add(kind, message),
    }
    Ok(walked)
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
    saw_all: bool,
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
            let offset = self.input.offset();
            match &self.input.array()? {
                LOCAL => self.member(offset)?,
                signature @ (CENTRAL | ZIP64_END | END) => {
                    return self.directory(offset, signature);
                }
                DESCRIPTOR if offset == 0 => {
                    let message = "it is the first part of a ZIP that lies in several files";
                    return Err(Stop::unsupported(message));
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
        let name = self.input.bytes(le16(&header[22..24]))?;
        let extra = self.input.bytes(le16(&header[24..26]))?;
        let mut stated = sum(&header[10..22]);
        let zip64 = zip64(&extra);
        take_from_zip64(zip64, &mut [&mut stated.len, &mut stated.compressed_len]);
        self.names_len += name.len();
        if self.members.len() as u64 == MAX_MEMBERS || self.names_len > MAX_NAMES_LEN {
            let message = format!(
                "it has more than {MAX_MEMBERS} members, or more than {MAX_NAMES_LEN} bytes of names"
            );
            return Err(Stop::Fault(FaultKind::LimitExceeded, message));
        }
        let shown = String::from_utf8_lossy(&name).into_owned();
        let has_descriptor = flags & 1 << 3 != 0;
        // Stored content tells its end only by a length, which some writers give beside the
        // descriptor.
        let is_stored = matches!(stated.compressed_len, 1..IN_ZIP64) && method == STORED;
        let known_len = (!has_descriptor || is_stored).then_some(stated.compressed_len);
        let content_offset = self.input.offset();
        // Before anything else: what cannot be read is there all the same.
        self.visitor.begin(&shown);
        let found = match method {
            _ if flags & 1 != 0 => Err(Stop::unsupported("it is encrypted")),
            STORED | DEFLATED => self.content(method, known_len),
            _ => {
                let message = format!("its compression method {method} is not supported");
                Err(Stop::unsupported(message))
            }
        };
        let found = match found {
            Ok(found) => {
                let is_right = match has_descriptor {
                    true => self.descriptor(found, zip64.is_some())?,
                    false => found == stated,
                };
                if is_right {
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
                let Some(len) = known_len.filter(|_| !has_descriptor) else {
                    let message =
                        "what comes behind a member whose end is not known was not checked";
                    return Err(Stop::Fault(kind, message.into()));
                };
                // No more of it than that has been taken.
                self.input
                    .skip(len - (self.input.offset() - content_offset))?;
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
    fn content(&mut self, method: u64, known_len: Option<u64>) -> Result<Sum, Stop> {
        match (method, known_len) {
            (STORED, Some(len)) => self.stored(len),
            (STORED, None) => self.stored_to_descriptor(),
            _ => self.deflated(known_len),
        }
    }

    fn stored(&mut self, len: u64) -> Result<Sum, Stop> {
        let mut crc = Crc::new();
        let mut left = len;
        while left > 0 {
            let now = self.input.some(Some(left))?.len();
            self.pass_on(now, &mut crc);
            left -= now as u64;
        }
        Ok(Sum::stored(&crc, len))
    }

    /// Stored content whose length stands behind it: it ends where a descriptor tells the CRC-32
    /// and the length of all that came before.
    fn stored_to_descriptor(&mut self) -> Result<Sum, Stop> {
        let mut crc = Crc::new();
        let mut len = 0;
        // Without content the descriptor may lack its signature, and is known by what follows it.
        let empty = Sum::default();
        if Descriptor::of(empty, self.input.ahead(Descriptor::AHEAD)?).is_some_and(|it| it.is_sure)
        {
            return Ok(empty);
        }
        loop {
            let ahead = self.input.ahead(DESCRIPTOR.len())?;
            if ahead.len() < DESCRIPTOR.len() {
                let message = "nothing behind it tells its length and CRC-32: it is damaged, or \
                               the file was cut off";
                return Err(Stop::damaged(message));
            }
            let mut places = ahead.windows(DESCRIPTOR.len());
            let place = places.position(|bytes| bytes == DESCRIPTOR);
            // The last bytes may begin a signature.
            let before = place.unwrap_or(ahead.len() + 1 - DESCRIPTOR.len());
            self.pass_on(before, &mut crc);
            len += before as u64;
            if place.is_none() {
                continue;
            }
            let sum = Sum::stored(&crc, len);
            if Descriptor::of(sum, self.input.ahead(Descriptor::AHEAD)?).is_some() {
                return Ok(sum);
            }
            // It only looks like one: content.
            self.pass_on(1, &mut crc);
            len += 1;
        }
    }

    /// Hands on the next `len` bytes, which have been read, as they are.
    fn pass_on(&mut self, len: usize, crc: &mut Crc) {
        let bytes = self.input.read(len);
        crc.update(bytes);
        self.visitor.bytes(bytes);
        self.input.take(len);
    }

    fn deflated(&mut self, known_len: Option<u64>) -> Result<Sum, Stop> {
        let mut crc = Crc::new();
        let mut inflate = Decompress::new(false);
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let left = known_len.map(|len| len - inflate.total_in());
            // All of it can be within the inflater, which holds back up to 32 KiB of what it made,
            // and gives the rest and the end of the stream only when it is asked again.
            let bytes = match left {
                Some(0) => &[][..],
                _ => self.input.some(left)?,
            };
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
                return Err(Stop::damaged(match left {
                    Some(0) => "its data do not end where they should",
                    _ => "its data cannot be decompressed",
                }));
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

    /// Takes the descriptor behind a member; says whether it is that of what was found.
    fn descriptor(&mut self, found: Sum, is_zip64: bool) -> Result<bool, Stop> {
        let ahead = self.input.ahead(Descriptor::AHEAD)?;
        let fitting = Descriptor::of(found, ahead);
        let len = match fitting {
            Some(descriptor) => descriptor.len,
            None => Descriptor::len_of_wrong(ahead, is_zip64),
        };
        self.input.skip(len as u64)?;
        Ok(fitting.is_some())
    }

    /// The directory, whose first `signature` has been read, to the end of the file.
    fn directory(&mut self, offset: u64, signature: &[u8; 4]) -> Result<(), Stop> {
        let mut signature = *signature;
        let mut count = 0;
        let mut end = self.input.offset() - 4;
        self.saw_all = true;
        while signature == *CENTRAL {
            self.listed()?;
            count += 1;
            end = self.input.offset();
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
        let name = self.input.bytes(le16(&row[24..26]))?;
        let extra = self.input.bytes(le16(&row[26..28]))?;
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
                return Err(names_another_file());
            }
            if record[12..20] != record[20..28] {
                let message = "its ZIP64 end record gives two counts of members";
                return Err(Stop::damaged(message));
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
            // Some writers count no file where there is one.
            if le(&locator[4..8]) != 0 || le(&locator[16..20]) > 1 {
                return Err(names_another_file());
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
            return Err(names_another_file());
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

/// All members stand in this file: it was walked from its first byte on. The parts of a ZIP that
/// was really split do not get that far.
fn names_another_file() -> Stop {
    Stop::damaged("its end record names another file, as if it were a part of several")
}

/// What an end record says of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directory {
    count: u64,
    len: u64,
    offset: u64,
}

impl Sum {
    fn stored(crc: &Crc, len: u64) -> Self {
        Self {
            crc: crc.sum().into(),
            compressed_len: len,
            len,
        }
    }
}

/// The descriptor behind a member, of which nothing tells the layout: its signature is optional,
/// and its lengths take 4 bytes or 8. A ZIP64 extra field should go with long ones, but .NET's
/// packages have them without.
#[derive(Clone, Copy)]
struct Descriptor {
    len: usize,
    /// Whether a member or the directory comes behind it.
    is_sure: bool,
}

impl Descriptor {
    /// The longest one, and the signature behind it.
    const AHEAD: usize = 28;
    /// Lengths of the signature and of each length.
    const LAYOUTS: [(usize, usize); 4] = [(4, 4), (4, 8), (0, 4), (0, 8)];

    /// The layout in which what comes says what was found.
    fn of(found: Sum, ahead: &[u8]) -> Option<Self> {
        let fitting = Self::LAYOUTS.into_iter().filter_map(|(start, width)| {
            let len = start + 4 + 2 * width;
            let (signature, values) = ahead.get(..len)?.split_at(start);
            let lens = &values[4..];
            let stated = Sum {
                crc: le(&values[..4]),
                compressed_len: le(&lens[..width]),
                len: le(&lens[width..]),
            };
            let fits = DESCRIPTOR.starts_with(signature) && stated == found;
            let is_sure = is_followed(ahead, len);
            fits.then_some(Self { len, is_sure })
        });
        // Of an empty member several layouts may fit.
        fitting.max_by_key(|descriptor| descriptor.is_sure)
    }

    /// How long one is that says something else.
    fn len_of_wrong(ahead: &[u8], is_zip64: bool) -> usize {
        let lens = Self::LAYOUTS.map(|(start, width)| start + 4 + 2 * width);
        let followed = lens.into_iter().find(|len| is_followed(ahead, *len));
        let start = if ahead.starts_with(DESCRIPTOR) { 4 } else { 0 };
        let width = if is_zip64 { 8 } else { 4 };
        followed.unwrap_or(start + 4 + 2 * width)
    }
}

/// Whether what follows the first `len` bytes is what can follow a member.
fn is_followed(ahead: &[u8], len: usize) -> bool {
    let behind = ahead.get(len..).unwrap_or_default();
    [LOCAL, CENTRAL].iter().any(|one| behind.starts_with(*one))
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

/// A field of 16 bits.
fn le16(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}
