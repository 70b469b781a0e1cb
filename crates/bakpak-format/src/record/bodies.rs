//! The bodies of CHECKPOINT and FINAL (spec, chapter 9).

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::encoding;
use crate::entry::Timestamp;
use crate::error::{FormatError, Structure};
use crate::geometry::{DataOffset, Place, StreamOffset};
use crate::limits::{MAX_CHUNKS_PER_CHECKPOINT, MAX_TREE_LEVEL};

/// The index of all since the CHECKPOINT before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where the CHECKPOINT before stands, if there is one.
    #[serde(with = "encoding::all_ones")]
    pub previous: Option<Place>,
    /// End of the last chunk's stretch.
    pub stream_offset: StreamOffset,
    /// End of the data space so far.
    pub data_offset: DataOffset,
    /// Catalogue rows written so far.
    pub row_count: u64,
    /// The source being read at that point; for resuming only.
    pub cursor: Option<Cursor>,
    /// Every CHUNK since the CHECKPOINT before.
    pub chunks: Vec<ChunkPlace>,
    /// Every CATALOGUE PAGE since then.
    pub pages: Vec<PagePlace>,
    /// Every FACTS since then.
    pub facts: Vec<FactsPlace>,
}

/// How far an entry's content is in the chunks so far, and its source as it was when opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The entry.
    #[serde(with = "encoding::bytes")]
    pub path: Vec<u8>,
    /// How far its content is.
    pub offset: u64,
    /// Of the source.
    pub device: u64,
    /// Of the source.
    pub inode: u64,
    /// Of the source.
    pub size: u64,
    /// Of the source.
    pub mtime: Timestamp,
    /// Of the source.
    pub ctime: Timestamp,
}

/// Where a CHUNK stands, and what it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkPlace {
    /// As in the chunk.
    pub stream_offset: StreamOffset,
    /// As in the chunk.
    pub data_offset: DataOffset,
    /// Of its record header.
    pub place: Place,
}

/// Where a CATALOGUE PAGE stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePlace {
    /// Of its record header.
    pub place: Place,
    /// How many rows it has.
    pub row_count: u32,
}

/// Where FACTS stand, and what they are about. Also an item of part 3 of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsPlace {
    /// The entry; `None` for the archive.
    #[serde(with = "encoding::all_ones")]
    pub entry: Option<StreamOffset>,
    /// Their kind.
    pub kind: u16,
    /// Of their record header.
    pub place: Place,
}

/// The end of an archive: what a reader must have found in it (spec: FIN-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// Length of the stream.
    pub stream_len: u64,
    /// Length of the data space.
    pub data_len: u64,
    /// All data blocks.
    pub block_count: u64,
    /// All chunks.
    pub chunk_count: u64,
    /// All rows of the catalogue.
    pub row_count: u64,
    /// Sum of the sizes of all files that are not superseded.
    pub content_len: u64,
    /// Sources are missing (spec: FIN-3).
    pub incomplete: bool,
    /// What was packed was not enough for a restore, as its writer understood it (spec: FIN-3).
    pub not_restorable: bool,
    /// When packing began.
    pub started: Timestamp,
    /// When packing ended.
    pub finished: Timestamp,
    /// The roots of the three parts of the tree.
    pub trees: [TreeRoot; 3],
    /// BLAKE3 of the bodies of all TREE PAGEs in order.
    pub tree_digest: Digest,
}

/// The topmost page of a part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRoot {
    /// Where its record stands; `None` if the part is empty.
    #[serde(with = "encoding::all_ones")]
    pub place: Option<Place>,
    /// Its level; 0 if the part is empty.
    pub level: u8,
}

/// As FINAL stands in its record.
#[derive(Serialize, Deserialize)]
struct WireFinal {
    counts: [u64; 6],
    flags: u32,
    started: Timestamp,
    finished: Timestamp,
    trees: [TreeRoot; 3],
    tree_digest: Digest,
}

const INCOMPLETE: u32 = 1;
const NOT_RESTORABLE: u32 = 1 << 1;

impl Checkpoint {
    /// What stands before the first one.
    pub const NONE: Self = Self {
        previous: None,
        stream_offset: StreamOffset(0),
        data_offset: DataOffset(0),
        row_count: 0,
        cursor: None,
        chunks: Vec::new(),
        pages: Vec::new(),
        facts: Vec::new(),
    };

    /// Encodes the body of the record.
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    /// Decodes the body of a record.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: the encoding is broken (spec: REC-6), or it lists more than
    ///   16,384 chunks (spec: CKP-2).
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let checkpoint: Self = decode(body)?;
        if checkpoint.chunks.len() > MAX_CHUNKS_PER_CHECKPOINT {
            let what = "it lists more than 16,384 chunks";
            return Err(FormatError::malformed(Structure::Checkpoint, "CKP-2", what));
        }
        Ok(checkpoint)
    }
}

impl Final {
    /// Encodes the body of the record.
    pub fn encode(&self) -> Vec<u8> {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        encoding::encode(&WireFinal {
            counts: [
                self.stream_len,
                self.data_len,
                self.block_count,
                self.chunk_count,
                self.row_count,
                self.content_len,
            ],
            flags: flag(self.incomplete, INCOMPLETE) | flag(self.not_restorable, NOT_RESTORABLE),
            started: self.started,
            finished: self.finished,
            trees: self.trees,
            tree_digest: self.tree_digest,
        })
    }

    /// Decodes the body of a record.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: the encoding is broken (spec: REC-6), or reserved flags are
    ///   set, a time has a billion nanoseconds or more, or an empty part of the tree has a level
    ///   (spec: FIN-1).
    /// - [`FormatError::LimitExceeded`]: a tree is too high (spec: TRE-1).
    pub fn decode(body: &[u8]) -> Result<Self, FormatError> {
        let structure = Structure::Final;
        let malformed = |what| Err(FormatError::malformed(structure, "FIN-1", what));
        let wire: WireFinal = decode(body)?;
        if wire.flags & !(INCOMPLETE | NOT_RESTORABLE) != 0 {
            // spec: FIN-1
            return malformed("reserved flags are set");
        }
        if !wire.started.is_valid() || !wire.finished.is_valid() {
            return malformed("a time has a billion nanoseconds or more");
        }
        for root in wire.trees {
            if root.place.is_none() && root.level != 0 {
                return malformed("an empty part of the tree has a level");
            }
            let max = MAX_TREE_LEVEL.into();
            FormatError::check_range(Structure::Tree, "level", root.level.into(), 0..=max)?;
        }
        let [
            stream_len,
            data_len,
            block_count,
            chunk_count,
            row_count,
            content_len,
        ] = wire.counts;
        Ok(Self {
            stream_len,
            data_len,
            block_count,
            chunk_count,
            row_count,
            content_len,
            incomplete: wire.flags & INCOMPLETE != 0,
            not_restorable: wire.flags & NOT_RESTORABLE != 0,
            started: wire.started,
            finished: wire.finished,
            trees: wire.trees,
            tree_digest: wire.tree_digest,
        })
    }
}

/// Decodes a body to its last byte (spec: REC-6).
pub(super) fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, FormatError> {
    encoding::decode(body).map_err(|_| not_encoded())
}

pub(super) fn not_encoded() -> FormatError {
    let what = "a body does not follow the record encoding";
    FormatError::malformed(Structure::Record, "REC-6", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn checkpoint() -> Checkpoint {
        let time = Timestamp {
            seconds: -1,
            nanos: 5,
        };
        Checkpoint {
            previous: None,
            stream_offset: StreamOffset(1),
            data_offset: DataOffset(2),
            row_count: 3,
            cursor: Some(Cursor {
                path: b"sql/a".to_vec(),
                offset: 4,
                device: 5,
                inode: 6,
                size: 7,
                mtime: time,
                ctime: time,
            }),
            chunks: vec![ChunkPlace {
                stream_offset: StreamOffset(8),
                data_offset: DataOffset(9),
                place: Place(10),
            }],
            pages: vec![PagePlace {
                place: Place(11),
                row_count: 12,
            }],
            facts: vec![FactsPlace {
                entry: None,
                kind: 13,
                place: Place(14),
            }],
        }
    }

    fn end() -> Final {
        let root = TreeRoot {
            place: Some(Place(1)),
            level: 2,
        };
        Final {
            stream_len: 1,
            data_len: 2,
            block_count: 3,
            chunk_count: 4,
            row_count: 5,
            content_len: 6,
            incomplete: true,
            not_restorable: true,
            started: Timestamp::default(),
            finished: Timestamp::default(),
            trees: [root; 3],
            tree_digest: Digest([7; 32]),
        }
    }

    #[test]
    fn bodies_come_back() {
        let checkpoint = checkpoint();
        assert_eq!(
            Checkpoint::decode(&checkpoint.encode()).unwrap(),
            checkpoint
        );
        assert_eq!(
            checkpoint.encode().len(),
            32 + 1 + 8 + 5 + 56 + 8 + 24 + 8 + 12 + 8 + 18
        );
        assert_eq!(Final::decode(&end().encode()).unwrap(), end());
        assert_eq!(end().encode().len(), 48 + 4 + 24 + 27 + 32);
        for (incomplete, not_restorable, flags) in [(false, true, 2), (true, false, 1)] {
            let end = Final {
                incomplete,
                not_restorable,
                ..end()
            };
            assert_eq!(end.encode()[48], flags);
            assert_eq!(Final::decode(&end.encode()).unwrap(), end);
        }
    }

    #[test]
    fn cut_and_lengthened_bodies_are_malformed() {
        for body in [checkpoint().encode(), end().encode()] {
            for len in 0..body.len() {
                assert!(Checkpoint::decode(&body[..len]).is_err());
                assert!(Final::decode(&body[..len]).is_err());
            }
            let longer = [&body[..], &[0]].concat();
            assert!(Checkpoint::decode(&longer).is_err());
            assert!(Final::decode(&longer).is_err());
        }
    }

    #[test]
    fn option_bytes_other_than_0_and_1_are_malformed() {
        let mut body = checkpoint().encode();
        assert_eq!(body[32], 1);
        body[32] = 2;
        assert_eq!(
            Checkpoint::decode(&body).unwrap_err().class(),
            Class::Malformed
        );
    }

    #[test]
    fn a_checkpoint_of_too_many_chunks_is_malformed() {
        let mut checkpoint = checkpoint();
        checkpoint.chunks = vec![checkpoint.chunks[0]; MAX_CHUNKS_PER_CHECKPOINT];
        let body = checkpoint.encode();
        assert!(body.len() < 1 << 20);
        assert!(Checkpoint::decode(&body).is_ok());
        checkpoint.chunks.push(checkpoint.chunks[0]);
        assert!(Checkpoint::decode(&checkpoint.encode()).is_err());
    }

    #[test]
    fn a_final_that_breaks_rules_is_refused() {
        let class = |end: Final| Final::decode(&end.encode()).unwrap_err().class();
        let mut body = end().encode();
        body[48] = 4;
        assert_eq!(Final::decode(&body).unwrap_err().class(), Class::Malformed);
        let mut nanos = end();
        nanos.finished.nanos = 1_000_000_000;
        assert_eq!(class(nanos), Class::Malformed);
        let mut level = end();
        level.trees[2].level = 4;
        assert_eq!(class(level.clone()), Class::LimitExceeded);
        level.trees[2].place = None;
        assert_eq!(class(level), Class::Malformed);
    }
}
