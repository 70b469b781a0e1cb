//! Reads blocks and records again, for COPY and for random access.

use crate::blocks::{OpenError, OpenedBlock, check_clear};
use crate::chunks::{self, new_decompressor};
use crate::compress::Decompressor;
use crate::error::{Finding, ReadError};
use crate::found_blocks::FoundBlocks;
use crate::input::read_exact_at;
use crate::keys::Subkeys;
use crate::opening::not_authentic;
use crate::pipeline::Buffers;
use crate::seal::StripeKey;
use crate::spool::Spool;
use bakpak_format::catalogue::{CataloguePage, Row, Rows};
use bakpak_format::chunk::Chunk;
use bakpak_format::digest::Digest;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{BlockIndex, BlockSize, DataOffset, Geometry, Place, StripeIndex};
use bakpak_format::header::Header;
use bakpak_format::record::{self, RecordHeader, RecordType};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Where sealed blocks can be read again.
pub(crate) enum BlockStore {
    /// The archive itself.
    Archive(File),
    /// What is kept from a pipe.
    Spool(Spool),
    /// Wherever a damaged archive still has them.
    Found(Arc<FoundBlocks>),
}

/// Reads and opens blocks by number, records by place.
pub(crate) struct Fetch {
    geometry: Geometry,
    header: Header,
    head_digest: Digest,
    subkeys: Arc<Subkeys>,
    store: BlockStore,
    key: Option<(StripeIndex, StripeKey)>,
    last: Option<(BlockIndex, OpenedBlock)>,
    decompressor: Option<Decompressor>,
    /// For bodies: fresh memory costs more than what is read into it.
    buffers: Buffers,
}

impl Fetch {
    pub(crate) fn new(
        geometry: Geometry,
        header: &Header,
        head_digest: Digest,
        subkeys: Arc<Subkeys>,
        store: BlockStore,
    ) -> Self {
        Self {
            geometry,
            header: header.clone(),
            head_digest,
            subkeys,
            store,
            key: None,
            last: None,
            decompressor: None,
            buffers: Buffers::new(2),
        }
    }

    pub(crate) fn block_size(&self) -> BlockSize {
        self.geometry.block_size
    }

    pub(crate) fn chunk_size(&self) -> usize {
        self.header.chunk_size
    }

    pub(crate) fn copy_reach(&self) -> u64 {
        self.header.copy_reach
    }

    /// The rows of the page at `place`, not decoded yet.
    pub(crate) fn page(
        &mut self,
        place: Place,
        decompressor: &mut Decompressor,
    ) -> Result<Rows<Bytes>, ReadError> {
        let body = self.record(place, RecordType::CataloguePage)?;
        let page = CataloguePage::decode(&body)?;
        let raw = self.buffers.lend(page_raw(&page, decompressor)?);
        Ok(Rows::new(raw, page.row_count))
    }

    /// Whether sealed blocks are to be kept.
    pub(crate) fn spools(&self) -> bool {
        matches!(self.store, BlockStore::Spool(_))
    }

    /// Keeps a sealed block that came through a pipe.
    ///
    /// # Errors
    ///
    /// The temporary folder is full, or cannot be written.
    pub(crate) fn spool(&mut self, block: &[u8]) -> Result<(), ReadError> {
        let BlockStore::Spool(spool) = &mut self.store else {
            return Ok(());
        };
        spool.push(block).map_err(ReadError::keeping)
    }

    /// Nothing before this block will be read again.
    pub(crate) fn drop_before(&mut self, index: BlockIndex) {
        if let BlockStore::Spool(spool) = &mut self.store {
            spool.drop_before(index);
        }
    }

    /// The raw bytes of the CHUNK at `place`, which must begin at `start` of the data space.
    pub(crate) fn chunk(&mut self, place: Place, start: DataOffset) -> Result<Vec<u8>, ReadError> {
        let body = self.record(place, RecordType::Chunk)?;
        let chunk = Chunk::decode(&body, self.header.chunk_size)?;
        chunk.check_reach(self.header.copy_reach)?;
        if chunk.head.data_offset != start {
            let what = "the chunk stands elsewhere in the data space";
            return Err(FormatError::malformed(Structure::Chunk, "CKP-1", what).into());
        }
        let mut raw = Vec::new();
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            empty => empty.insert(new_decompressor()?),
        };
        chunks::raw_bytes(&chunk.head, chunk.payload, decompressor, &mut raw)?;
        Ok(raw)
    }

    /// The body of the record at `place`, which must be of the kind expected.
    pub(crate) fn record(&mut self, place: Place, kind: RecordType) -> Result<Bytes, ReadError> {
        let (header, body) = self.any_record(place)?;
        if header.known()? == Some(kind) {
            return Ok(body);
        }
        let what = "another record stands where one was said to be";
        Err(FormatError::malformed(Structure::Record, "CKP-1", what).into())
    }

    /// The header of the record at `place`.
    pub(crate) fn record_header(&mut self, place: Place) -> Result<RecordHeader, ReadError> {
        let mut header = Vec::new();
        self.read_payload(place, record::HEADER_LEN, &mut header)?;
        let header = header.first_chunk().ok_or_else(beyond_its_block)?;
        Ok(RecordHeader::decode(header)?)
    }

    /// Header and body of the record at `place`.
    pub(crate) fn any_record(&mut self, place: Place) -> Result<(RecordHeader, Bytes), ReadError> {
        let header = self.record_header(place)?;
        let mut body = self.buffers.take().unwrap_or_default();
        body.clear();
        self.read_payload(
            place.plus(record::HEADER_LEN as u64),
            header.body_len,
            &mut body,
        )?;
        Ok((header, self.buffers.lend(body)))
    }

    /// Appends `len` bytes of joined payload from `place` on.
    fn read_payload(
        &mut self,
        place: Place,
        len: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let (mut index, mut offset) = self.geometry.block_size.locate(place);
        let mut left = len;
        while left > 0 {
            let records = self.block(index)?.records();
            let from = records.get(offset..).unwrap_or_default();
            if from.is_empty() {
                return Err(beyond_its_block());
            }
            let taken = from.len().min(left);
            buffer.reserve_exact(left);
            buffer.extend_from_slice(&from[..taken]);
            left -= taken;
            index = index.plus(1);
            offset = 0;
        }
        Ok(())
    }

    /// A block, opened; the last one is kept.
    pub(crate) fn block(&mut self, index: BlockIndex) -> Result<&OpenedBlock, ReadError> {
        if self.last.as_ref().is_none_or(|(kept, _)| *kept != index) {
            let opened = self.read_block(index)?;
            self.last = Some((index, opened));
        }
        match &self.last {
            Some((_, opened)) => Ok(opened),
            None => Err(not_authentic(Structure::Block, "the block", 0)),
        }
    }

    fn read_block(&mut self, index: BlockIndex) -> Result<OpenedBlock, ReadError> {
        let mut sealed = self
            .last
            .take()
            .map(|(_, block)| block.into_buffer())
            .unwrap_or_default();
        sealed.resize(self.geometry.block_size.bytes(), 0);
        let offset = self.geometry.block_offset(index).0;
        let read = match &self.store {
            BlockStore::Archive(file) => read_exact_at(file, &mut sealed, offset),
            BlockStore::Spool(spool) => spool.read(index, &mut sealed),
            BlockStore::Found(blocks) => blocks.read(index, &mut sealed),
        };
        read.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Finding::from(FormatError::Truncated {
                structure: Structure::Block,
            })
            .at(offset)
            .into(),
            _ => ReadError::reading(source),
        })?;
        self.open(sealed, index)
    }

    /// Opens a sealed block, which must be the one of that number.
    pub(crate) fn open(
        &mut self,
        sealed: Vec<u8>,
        index: BlockIndex,
    ) -> Result<OpenedBlock, ReadError> {
        let offset = self.geometry.block_offset(index).0;
        let header = check_clear(&sealed, index, &self.header.archive_id)
            .map_err(|e| ReadError::from(e).at(offset))?;
        let stripe = StripeIndex(index.0 / self.geometry.data_blocks_per_stripe() as u64);
        let key = self.stripe_key(stripe, header.stripe_salt);
        OpenedBlock::open(sealed, &key).map_err(|e| open_failed(e, index, offset))
    }

    fn stripe_key(&mut self, stripe: StripeIndex, salt: [u8; 16]) -> StripeKey {
        match &self.key {
            Some((kept, key)) if *kept == stripe && *key.salt() == salt => key.clone(),
            _ => {
                let id = self.header.archive_id;
                let key = StripeKey::new(&self.subkeys, id, self.head_digest, stripe, salt);
                self.key = Some((stripe, key.clone()));
                key
            }
        }
    }
}

fn beyond_its_block() -> ReadError {
    let what = "a record reaches beyond the records of its block";
    FormatError::malformed(Structure::Record, "REC-1", what).into()
}

/// The rows of a page (spec: CAT-2).
pub(crate) fn page_rows(
    page: &CataloguePage<'_>,
    decompressor: &mut Decompressor,
) -> Result<Vec<Row>, ReadError> {
    let raw = page_raw(page, decompressor)?;
    Ok(Row::decode_all(&raw, page.row_count)?)
}

/// The encodings of a page's rows (spec: CAT-2).
fn page_raw(
    page: &CataloguePage<'_>,
    decompressor: &mut Decompressor,
) -> Result<Vec<u8>, ReadError> {
    let mut raw = Vec::new();
    decompressor
        .decompress(page.frame, page.raw_len, &mut raw)
        .map_err(|e| chunks::frame_error(e, Structure::Catalogue))?;
    Ok(raw)
}

/// Words a block that does not open.
pub(crate) fn open_failed(error: OpenError, index: BlockIndex, offset: u64) -> ReadError {
    let error = match error {
        OpenError::NotAuthentic(_) => {
            not_authentic(Structure::Block, &format!("block {}", index.0), offset)
        }
        OpenError::Format(error) => ReadError::from(error).at(offset),
    };
    match error {
        ReadError::Fault(finding) => Finding {
            block: Some(index.0),
            ..*finding
        }
        .into(),
        other => other,
    }
}
