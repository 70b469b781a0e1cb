//! What a pack that was stopped has left behind: how much of it is whole, and what it holds.

use crate::decoder::Decoder;
use crate::error::ReadError;
use crate::fetch::{BlockStore, Fetch};
use crate::input::Feed;
use crate::keyring::Keyring;
use crate::keys::Subkeys;
use crate::observer::Observer;
use crate::opening::Opening;
use crate::pipeline::Workers;
use crate::stripes::HeadParts;
use bakpak_format::digest::Digest;
use bakpak_format::geometry::{ArchiveOffset, BlockSize, Geometry, ParityGeometry, StripeIndex};
use bakpak_format::header::{ArchiveId, Head};
use std::fs::File;
use std::sync::Arc;

mod content;
mod cursor;
mod replay;
mod so_far;
mod whole;

pub(crate) use content::{ContentSink, OpenContent};
pub(crate) use so_far::{Ending, SoFar};

/// A partial file that was opened with its key.
pub struct Partial {
    file: File,
    opening: Opening,
    subkeys: Arc<Subkeys>,
    /// Of the stripes that are whole, once they are checked.
    page_digests: Vec<Digest>,
}

impl Partial {
    /// Opens what a pack has left.
    ///
    /// `None` if there is nothing to go on with: no head, or not enough for one stripe.
    ///
    /// # Errors
    ///
    /// - [`ReadError::NoKeyFits`], [`ReadError::NoKeyOffered`]: it is of another key.
    /// - [`ReadError::Fault`]: its head does not authenticate.
    /// - [`ReadError::Io`].
    pub fn open(file: File, keyring: &mut dyn Keyring) -> Result<Option<Self>, ReadError> {
        let len = file.metadata().map_err(ReadError::reading)?.len();
        let opening = match Opening::read(&mut Feed::at(&file, 0)?) {
            Ok(opening) if opening.findings.is_empty() => opening,
            // It was torn before any stripe was complete, or is no archive's beginning.
            Ok(_) | Err(ReadError::Fault(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if len < opening.geometry.stripe_offset(StripeIndex(1)).0 {
            return Ok(None);
        }
        let subkeys = Arc::new(opening.unlock(keyring)?);
        Ok(Some(Self {
            file,
            opening,
            subkeys,
            page_digests: Vec::new(),
        }))
    }

    /// Checks every byte of its stripes, from the first on to the one that is cut or torn: who lost
    /// power has no promise that what was written first is on disk. Gives their number.
    pub(crate) fn check(
        &mut self,
        threads: usize,
        observer: &dyn Observer,
    ) -> Result<usize, ReadError> {
        self.page_digests = whole::page_digests(&self.file, &self.opening, threads, observer)?;
        Ok(self.page_digests.len())
    }

    /// The archive's block size.
    pub fn block_size(&self) -> BlockSize {
        self.opening.geometry.block_size
    }

    /// The archive's parity.
    pub fn parity(&self) -> ParityGeometry {
        self.opening.geometry.parity
    }

    /// The archive's promise to readers from a pipe (spec: CHU-8).
    pub fn copy_reach(&self) -> u64 {
        self.opening.head.header.copy_reach
    }

    /// The archive's cover text.
    pub fn cover_text(&self) -> &str {
        &self.opening.head.cover_text
    }

    /// Whether secrets are sealed in it.
    pub fn has_envelope(&self) -> bool {
        self.opening.geometry.has_envelope()
    }

    pub(crate) fn archive_id(&self) -> ArchiveId {
        self.opening.head.header.archive_id
    }

    pub(crate) fn head(&self) -> &Head {
        &self.opening.head
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.opening.geometry
    }

    pub(crate) fn subkeys(&self) -> &Arc<Subkeys> {
        &self.subkeys
    }

    /// Where so many stripes end.
    pub(crate) fn end_of(&self, stripes: usize) -> ArchiveOffset {
        self.geometry().stripe_offset(StripeIndex(stripes as u64))
    }

    /// The digests of the first check pages.
    pub(crate) fn page_digests(&self, stripes: usize) -> &[Digest] {
        &self.page_digests[..stripes.min(self.page_digests.len())]
    }

    /// What stands before the stripes, for the copies in those to come.
    pub(crate) fn head_parts(&self) -> HeadParts {
        let bytes = &self.opening.bytes;
        HeadParts {
            head: bytes.head.clone(),
            data_slots: bytes.data_slots.clone(),
            envelope_slots: bytes.envelope_slots.clone(),
            envelope: bytes.envelope.clone(),
            head_digest: self.opening.head.head_digest,
            archive_id: self.archive_id(),
        }
    }

    fn fetch(&self) -> Result<Fetch, ReadError> {
        let head = self.head();
        let file = self.file.try_clone().map_err(ReadError::reading)?;
        Ok(Fetch::new(
            self.geometry(),
            &head.header,
            head.head_digest,
            Arc::clone(&self.subkeys),
            BlockStore::Archive(file),
        ))
    }

    fn decoder<'w, T: crate::decoder::StreamTaker>(
        &self,
        workers: &'w Workers,
        taker: T,
        observer: &'w dyn Observer,
    ) -> Result<Decoder<'w, T>, ReadError> {
        let data_space = crate::data_space::DataSpace::recent(self.fetch()?);
        let header = &self.head().header;
        Ok(Decoder::new(header, workers, data_space, taker, observer))
    }
}
