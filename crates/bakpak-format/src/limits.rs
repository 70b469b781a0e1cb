//! Every limit of the format, in one place (spec, chapter 13).

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// Shortest header, digest included (spec: HDR-1).
pub const MIN_HEADER_LEN: usize = 304;

/// Longest header, digest included (spec: HDR-1).
pub const MAX_HEADER_LEN: usize = 64 * KIB;

/// The cover text's last byte stands before this offset (spec: HED-3).
pub const MAX_COVER_END: usize = 2000;

/// Most slots of a table (spec: SLT-2).
pub const MAX_SLOTS: usize = 24;

/// Longest slot (spec: SLT-2).
pub const MAX_SLOT_LEN: usize = 4 * KIB;

/// Smallest area of a slot table (spec: HDR-5).
pub const MIN_SLOT_AREA: usize = 4 * KIB;

/// Largest area of a slot table (spec: HDR-5).
pub const MAX_SLOT_AREA: usize = 64 * KIB;

/// Longest parity of a stripe, in bytes: it is held in memory (spec: HDR-6).
pub const MAX_PARITY_LEN: usize = 64 * MIB;

/// Least and most Argon2id memory in KiB (spec: SLT-7).
pub const ARGON2_MEMORY_KIB: std::ops::RangeInclusive<u64> = 65_536..=1_048_576;

/// Fewest and most Argon2id passes (spec: SLT-7).
pub const ARGON2_PASSES: std::ops::RangeInclusive<u64> = 2..=16;

/// Fewest and most Argon2id lanes (spec: SLT-7).
pub const ARGON2_LANES: std::ops::RangeInclusive<u64> = 1..=16;

/// Most Argon2id memory times passes, in KiB (spec: SLT-7).
pub const MAX_ARGON2_WORK_KIB: u64 = 4 * 1_048_576;

/// Most passphrase slots of a table that a reader tries (spec: SLT-7).
pub const MAX_PASSPHRASE_TRIES: usize = 4;

/// Longest envelope body (spec: HDR-5).
pub const MAX_ENVELOPE_LEN: usize = 256 * KIB;

/// Longest name of an envelope item (spec: ENV-2).
pub const MAX_ITEM_NAME_LEN: usize = 255;

/// Smallest `chunk_size` (spec: HDR-5).
pub const MIN_CHUNK_SIZE: usize = 4 * KIB;

/// Largest `chunk_size` (spec: HDR-5).
pub const MAX_CHUNK_SIZE: usize = 8 * MIB;

/// Longest record body; with its header a record is at most 16 MiB (spec: REC-4).
pub const MAX_RECORD_BODY_LEN: usize = 16 * MIB - 16;

/// Largest zstd window, as a power of two: 8 MiB (spec: CHU-6).
pub const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// Most instructions of a script (spec: CHU-5).
pub const MAX_INSTRUCTIONS: usize = 65_536;

/// Most LITERAL and COPY bytes of a chunk together (spec: CHU-5).
pub const MAX_SCRIPT_BYTES: u64 = 64 * MIB as u64;

/// Copy cost allowed for each LITERAL or COPY byte of the stream (spec: CHU-9).
pub const COPY_COST_FACTOR: u64 = 64;

/// Copy cost allowed from the start (spec: CHU-9).
pub const COPY_COST_FREE: u64 = 256 * MIB as u64;

/// Most chunks between two CHECKPOINTs (spec: CKP-2).
pub const MAX_CHUNKS_PER_CHECKPOINT: usize = 16_384;

/// Longest data of FACTS (spec: FAC-1).
pub const MAX_FACTS_LEN: usize = MIB;

/// Most faults that FACTS about a backup list (spec: FAC-2).
pub const MAX_LISTED_FAULTS: usize = 100;

/// Longest entry path in bytes, and longest link target (spec: ENT-2).
pub const MAX_PATH_LEN: usize = 32 * KIB;

/// Most components of an entry path (spec: ENT-2).
pub const MAX_PATH_DEPTH: usize = 256;

/// Longest value of one extended attribute (spec: ENT-5).
pub const MAX_XATTR_LEN: usize = 64 * KIB;

/// Longest name of a user, a group or an extended attribute (spec, 10.2).
pub const MAX_NAME_LEN: usize = 255;

/// Longest pax record (spec: ENT-5).
pub const MAX_PAX_RECORD_LEN: usize = 72 * KIB;

/// Longest pax records of one entry together (spec: ENT-5).
pub const MAX_PAX_LEN: usize = MIB;

/// Most extents of a sparse map, the closing one included (spec: ENT-7).
pub const MAX_EXTENTS: usize = 1_048_576;

/// Logical sizes and their sums are at most this: below 2^60 (spec: ENT-9).
pub const MAX_LOGICAL_SIZE: u64 = (1 << 60) - 1;

/// Greatest device number, in each half (spec, 10.2).
pub const MAX_DEVICE_NUMBER: u32 = 0o7_777_777;

/// Longest raw content of a catalogue page or a tree page (spec: CAT-2).
pub const MAX_PAGE_RAW_LEN: usize = MIB;

/// Greatest level of a tree page (spec: TRE-1).
pub const MAX_TREE_LEVEL: u8 = 3;

/// Shortest tail page (spec: TAL-1).
pub const MIN_TAIL_PAGE_LEN: usize = 4 * KIB;

/// Longest tail page (spec: TAL-1).
pub const MAX_TAIL_PAGE_LEN: usize = 64 * KIB;
