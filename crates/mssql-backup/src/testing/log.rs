//! Log blocks with one transaction each.

use jiff::civil::DateTime;

use crate::lsn::Lsn;
use crate::page::sum_sectors;

/// Bytes of a block: one sector.
pub(super) const BLOCK_LEN: usize = 512;
/// Blocks in a virtual log file of this writer.
const BLOCKS_PER_VLF: u32 = 4096;
/// Where the first block of a virtual log file is.
const FIRST_BLOCK: u32 = 16;

/// The log of a database, from its first block on.
#[derive(Clone, Debug)]
pub(super) struct Log {
    blocks: Vec<(Lsn, [u8; BLOCK_LEN])>,
    end: Lsn,
    /// Whether blocks carry a checksum.
    pub(super) has_checksums: bool,
}

impl Log {
    pub(super) fn new(has_checksums: bool) -> Self {
        let end = Lsn {
            vlf: 25,
            block: FIRST_BLOCK,
            slot: 1,
        };
        Self {
            blocks: Vec::new(),
            end,
            has_checksums,
        }
    }

    /// Where the next record will be.
    pub(super) fn end(&self) -> Lsn {
        self.end
    }

    /// Writes a block with the begin and the commit of one transaction, or, without a time, with
    /// a checkpoint. Tells where its first record is.
    pub(super) fn append(&mut self, commit: Option<DateTime>) -> Lsn {
        const BEGIN: u8 = 0x80;
        const COMMIT: u8 = 0x81;
        const CHECKPOINT: u8 = 0x96;
        let at = self.end;
        let mut block = [0; BLOCK_LEN];
        let records: Vec<Vec<u8>> = match commit {
            Some(time) => vec![record(BEGIN, 0x28, time), record(COMMIT, 0x18, time)],
            None => vec![record(CHECKPOINT, 0x18, DateTime::MIN)],
        };
        let mut offset = 0x48;
        let used = offset + records.iter().map(Vec::len).sum::<usize>() + 2 * records.len();
        for (slot, record) in records.iter().enumerate() {
            put(&mut block, offset, record);
            put_u16(&mut block, used - 2 * (slot + 1), offset);
            offset += record.len();
        }
        // The first and last sector of a block, with the parity of a virtual log file in use.
        block[0] = 0x40 | 0x10 | 0x08;
        put_u16(&mut block, 0x02, records.len());
        put_u16(&mut block, 0x04, used);
        put_u16(&mut block, 0x06, BLOCK_LEN);
        put_u16(&mut block, 0x0A, BLOCK_LEN);
        put(&mut block, 0x0C, &at.vlf.to_le_bytes());
        put(&mut block, 0x10, &at.block.to_le_bytes());
        put(&mut block, 0x14, &1_u32.to_le_bytes());
        if self.has_checksums {
            let sum = sum_sectors(0, &block);
            put(&mut block, 0x18, &sum.to_le_bytes());
        }
        self.blocks.push((at, block));
        self.end = match at.block + 1 {
            block if block < BLOCKS_PER_VLF => Lsn {
                vlf: at.vlf,
                block,
                slot: 1,
            },
            _ => Lsn {
                vlf: at.vlf + 1,
                block: FIRST_BLOCK,
                slot: 1,
            },
        };
        at
    }

    /// The bytes from the block of one record up to that of another.
    pub(super) fn between(&self, from: Lsn, to: Lsn) -> Vec<u8> {
        let place = |lsn: Lsn| (lsn.vlf, lsn.block);
        let blocks = self
            .blocks
            .iter()
            .filter(|(at, _)| (place(from)..place(to)).contains(&place(*at)));
        blocks.flat_map(|(_, bytes)| *bytes).collect()
    }
}

/// A record with a time at the offset.
fn record(operation: u8, time_offset: usize, time: DateTime) -> Vec<u8> {
    let mut record = vec![0; 0x38];
    let days = (time.date() - jiff::civil::date(1900, 1, 1)).get_days();
    let since_midnight = time.time().duration_since(jiff::civil::Time::midnight());
    let ticks = since_midnight.as_millis() * 300 / 1000;
    record[0x16] = operation;
    put(
        &mut record,
        time_offset,
        &u32::try_from(ticks).unwrap_or_default().to_le_bytes(),
    );
    put(
        &mut record,
        time_offset + 4,
        &u32::try_from(days).unwrap_or_default().to_le_bytes(),
    );
    record
}

/// Puts bytes at an offset of a longer slice.
pub(super) fn put(bytes: &mut [u8], offset: usize, part: &[u8]) {
    bytes[offset..offset + part.len()].copy_from_slice(part);
}

pub(super) fn put_u16(bytes: &mut [u8], offset: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    put(bytes, offset, &value.to_le_bytes());
}
