//! The directory behind the members, and the records that end a ZIP.

use std::io::Read;

use super::{
    CENTRAL, END, IN_ZIP64, Stop, Visitor, Walk, ZIP64_END, ZIP64_LOCATOR, le, le16, sum,
    take_from_zip64, zip64,
};
use crate::fault::FaultKind;

const COUNT_IN_ZIP64: u64 = 0xFFFF;
const DISK_IN_ZIP64: u64 = 0xFFFF;

/// What an end record says of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directory {
    count: u64,
    len: u64,
    offset: u64,
}

impl<R: Read, V: Visitor> Walk<'_, R, V> {
    /// The directory, whose first `signature` has been read, to the end of the file.
    pub(super) fn directory(&mut self, offset: u64, signature: &[u8; 4]) -> Result<(), Stop> {
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
