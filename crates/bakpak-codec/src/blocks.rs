//! Blocks: the sequence of records in sealed pieces of one size (spec: chapter 5).

use crate::aead::NotAuthentic;
use crate::pipeline::Buffers;
use crate::seal::StripeKey;
use bakpak_format::block::{self, BlockHeader, InnerHeader};
use bakpak_format::digest;
use bakpak_format::digest::Digest;
use bakpak_format::error::FormatError;
use bakpak_format::geometry::{BlockIndex, BlockSize};
use bakpak_format::header::ArchiveId;
use bytes::Bytes;

/// Where the payload begins in a block.
pub(crate) const PAYLOAD_OFFSET: usize = block::CLEAR_LEN + block::INNER_LEN;

/// A block that is being filled with records.
pub(crate) struct OpenBlock {
    bytes: Vec<u8>,
    end: usize,
    first_record: Option<u32>,
}

/// A block as it lies in the file, with the checksums that its check page lists.
pub(crate) struct SealedBlock {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sums: ShardSums,
}

/// What a check page says about one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardSums {
    pub(crate) hash: Digest,
    pub(crate) sector_crcs: Vec<u32>,
}

/// A block that has authenticated.
pub(crate) struct OpenedBlock {
    bytes: Vec<u8>,
    pub(crate) inner: InnerHeader,
}

impl OpenBlock {
    /// An empty block in `buffer`, whatever that held.
    pub(crate) fn new(block_size: BlockSize, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.reserve_exact(block_size.bytes());
        buffer.resize(PAYLOAD_OFFSET, 0);
        Self {
            bytes: buffer,
            end: block_size.bytes() - block::TAG_LEN,
            first_record: None,
        }
    }

    /// Bytes of records in it.
    pub(crate) fn used(&self) -> usize {
        self.bytes.len() - PAYLOAD_OFFSET
    }

    /// Whether no more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() == self.end
    }

    /// A record begins at the next byte.
    pub(crate) fn mark_record(&mut self) {
        let here = self.used() as u32; // below 4 MiB
        self.first_record.get_or_insert(here);
    }

    /// Adds as many of `bytes` as fit and returns how many those are.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.end - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Seals it, the rest of the payload as zeros.
    pub(crate) fn seal(
        mut self,
        key: &StripeKey,
        index: BlockIndex,
        nonce: [u8; 12],
    ) -> SealedBlock {
        let inner = InnerHeader {
            used_len: self.used(),
            first_record: self.first_record,
        };
        self.bytes[block::CLEAR_LEN..PAYLOAD_OFFSET].copy_from_slice(&inner.encode());
        self.bytes.resize(self.end + block::TAG_LEN, 0);
        key.seal(index, nonce, &mut self.bytes);
        let sums = ShardSums::of(&self.bytes);
        SealedBlock {
            bytes: self.bytes,
            sums,
        }
    }
}

impl ShardSums {
    pub(crate) fn of(shard: &[u8]) -> Self {
        Self {
            hash: Digest::of(shard),
            sector_crcs: digest::sector_crcs(shard).collect(),
        }
    }
}

impl OpenedBlock {
    /// Opens a sealed block; on failure nothing of it is left (spec: BLK-4).
    pub(crate) fn open(mut sealed: Vec<u8>, key: &StripeKey) -> Result<Self, OpenError> {
        let text = key.open(&mut sealed)?;
        let (inner, payload) = text
            .split_first_chunk::<{ block::INNER_LEN }>()
            .ok_or(OpenError::NotAuthentic(NotAuthentic))?;
        let inner = InnerHeader::decode(inner, payload.len())?;
        block::check_padding(payload, inner.used_len)?;
        Ok(Self {
            bytes: sealed,
            inner,
        })
    }

    /// The records in it.
    pub(crate) fn records(&self) -> &[u8] {
        &self.bytes[PAYLOAD_OFFSET..PAYLOAD_OFFSET + self.inner.used_len]
    }

    /// The whole payload, zeros behind the records included.
    pub(crate) fn payload_len(&self) -> usize {
        self.bytes.len() - PAYLOAD_OFFSET - block::TAG_LEN
    }

    /// The records in it; the buffer goes back to `buffers` when nobody holds any of them.
    pub(crate) fn into_records(self, buffers: &Buffers) -> Bytes {
        let range = PAYLOAD_OFFSET..PAYLOAD_OFFSET + self.inner.used_len;
        buffers.lend(self.bytes).slice(range)
    }

    /// The buffer, for reuse.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// A block does not open, or opens to what the format does not allow.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    NotAuthentic(#[from] NotAuthentic),
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Checks what a block says in clear: header checksum, number and archive (spec: BLK-1, BLK-2).
pub(crate) fn check_clear(
    bytes: &[u8],
    index: BlockIndex,
    archive_id: &ArchiveId,
) -> Result<BlockHeader, FormatError> {
    let clear = bytes.first_chunk::<{ block::CLEAR_LEN }>().ok_or_else(|| {
        FormatError::damaged(
            bakpak_format::error::Structure::Block,
            "it is shorter than its header",
        )
    })?;
    let header = BlockHeader::decode(clear)?;
    header.check_place(index, archive_id)?;
    Ok(header)
}
