//! Walks a ZIP from its first byte to its last, and holds its directory against what passed.
//!
//! The walk is our own because the `zip` crate begins with the directory, which stands at the end:
//! of a file that passes only once that comes too late. Decompression and CRC-32 are flate2's. The
//! layout is that of APPNOTE.TXT 6.3.10, section 4.3.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::fault::{FaultKind, Faults};

use descriptor::Descriptor;
use input::Input;

mod descriptor;
mod directory;
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
