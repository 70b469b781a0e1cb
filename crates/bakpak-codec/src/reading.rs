//! One reading of an archive with a key, shared by all verbs that read it whole.

use crate::content_hasher::hashing_beside;
use crate::contents::{ContentReport, Contents, Output};
use crate::data_space::DataSpace;
use crate::decoder::{self, Decoder};
use crate::error::{Finding, ReadError};
use crate::fetch::{BlockStore, Fetch};
use crate::input::Feed;
use crate::keys::Subkeys;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::pass::{Pass, Purpose};
use crate::pipeline::Workers;
use crate::spool::Spool;
use bakpak_format::digest::Digest;
use std::sync::Arc;

/// How far a reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyLevel {
    /// To the tags of all blocks.
    Blocks,
    /// To the content of every entry.
    Full,
}

/// What a reading needs.
pub(crate) struct Reading<'o, 'r> {
    pub(crate) feed: Feed,
    pub(crate) opening: &'o Opening,
    pub(crate) purpose: Purpose,
    pub(crate) threads: usize,
    pub(crate) observer: &'r dyn Observer,
}

/// What a reading has found.
pub(crate) struct ReadResult {
    pub(crate) findings: Vec<Finding>,
    pub(crate) block_count: u64,
    pub(crate) archive_len: u64,
    pub(crate) root: Option<Digest>,
    /// If the stream was decoded to its end.
    pub(crate) contents: Option<ContentReport>,
}

impl<'r> Reading<'_, 'r> {
    /// Reads the archive to its end: with keys as far as `level` says, without them what shows
    /// without.
    pub(crate) fn run(
        self,
        subkeys: Option<Subkeys>,
        level: VerifyLevel,
        output: Output<'r>,
    ) -> Result<ReadResult, ReadError> {
        if subkeys.is_none() || level == VerifyLevel::Blocks {
            return self.run_with(subkeys, None);
        }
        hashing_beside(|hasher| {
            let contents = Contents::new(output, hasher, self.observer)?;
            self.run_with(subkeys, Some(contents))
        })?
    }

    /// With `contents`, what the blocks hold is decoded for it.
    fn run_with(
        self,
        subkeys: Option<Subkeys>,
        contents: Option<Contents<'r>>,
    ) -> Result<ReadResult, ReadError> {
        let workers = Workers::new(self.threads)?;
        let subkeys = subkeys.map(Arc::new);
        let decoder = match (&subkeys, contents) {
            (Some(subkeys), Some(contents)) => {
                Some(self.decoder(Arc::clone(subkeys), &workers, contents)?)
            }
            _ => None,
        };
        let mut pass = Pass::new(
            self.feed,
            self.opening,
            self.purpose,
            &workers,
            self.observer,
        );
        if decoder.is_some() {
            pass = pass.recomputing_parity();
        }
        if let Some(subkeys) = subkeys {
            pass = pass.with_keys(subkeys, decoder);
        }
        let result = pass.run()?;
        let block_count = result.block_count;
        Ok(ReadResult {
            findings: result.findings,
            block_count,
            archive_len: result.archive_len,
            root: result.root,
            contents: result.taker.map(|contents| contents.report(block_count)),
        })
    }

    fn decoder<'w>(
        &self,
        subkeys: Arc<Subkeys>,
        workers: &'w Workers,
        contents: Contents<'r>,
    ) -> Result<Decoder<'w, Contents<'r>>, ReadError>
    where
        'r: 'w,
    {
        let header = &self.opening.head.header;
        // A file can be read again at any place, whatever its chunks are like.
        let from_pipe = self.feed.file().is_none();
        let in_memory = DataSpace::in_memory(header.copy_reach);
        let data_space = match in_memory.filter(|_| from_pipe) {
            Some(data_space) => data_space,
            None => DataSpace::recent(self.fetch(subkeys, workers.threads())?),
        };
        Ok(Decoder::new(
            header,
            workers,
            data_space,
            contents,
            self.observer,
        ))
    }

    fn fetch(&self, subkeys: Arc<Subkeys>, threads: usize) -> Result<Fetch, ReadError> {
        let head = &self.opening.head;
        let store = match self.feed.file() {
            Some(file) => BlockStore::Archive(file.try_clone().map_err(ReadError::reading)?),
            None => BlockStore::Spool(self.spool(threads)?),
        };
        Ok(Fetch::new(
            self.opening.geometry,
            &head.header,
            head.head_digest,
            subkeys,
            store,
        ))
    }

    /// A spool beside the pipe, refused at once if there is not the room for it (spec: RDR-4).
    fn spool(&self, threads: usize) -> Result<Spool, ReadError> {
        let header = &self.opening.head.header;
        let most_len = Spool::most_len(header, decoder::most_under_way(threads));
        if let (Some(needed), Some(free)) = (most_len, self.feed.spool_room())
            && needed > free
        {
            return Err(ReadError::SpoolTooSmall { needed, free });
        }
        self.observer.warn(Warning::Spooling { most_len });
        Spool::new(header).map_err(ReadError::keeping)
    }
}

pub(crate) fn warn_of_signers(opening: &Opening, observer: &dyn Observer) {
    let count = opening.head.header.signers().len();
    if count > 0 {
        observer.warn(Warning::SignersNotChecked { count });
    }
}
