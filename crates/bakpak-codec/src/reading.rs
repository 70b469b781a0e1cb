//! One reading of an archive with a key, shared by all verbs that read it whole.

use crate::contents::{Contents, Output};
use crate::decoder::Decoder;
use crate::error::ReadError;
use crate::fetch::{BlockStore, Fetch};
use crate::input::Feed;
use crate::keyring::Keyring;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::pass::{Pass, PassPlan, PassResult};
use crate::pipeline::Workers;
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
pub(crate) struct Reading<'a> {
    pub(crate) feed: Feed,
    pub(crate) opening: &'a Opening,
    pub(crate) plan: PassPlan,
    pub(crate) threads: usize,
    pub(crate) observer: &'a dyn Observer,
}

impl Reading<'_> {
    /// Unlocks the archive and reads it to its end.
    pub(crate) fn run<'r>(
        self,
        keyring: &mut dyn Keyring,
        level: VerifyLevel,
        output: Output<'r>,
    ) -> Result<PassResult<Contents<'r>>, ReadError> {
        let subkeys = Arc::new(self.opening.unlock(keyring)?);
        let workers = start_workers(self.threads)?;
        let head = &self.opening.head;
        let decoder = match level {
            VerifyLevel::Blocks => None,
            VerifyLevel::Full => {
                let store = block_store(&self.feed, head.header.copy_reach, self.observer)?;
                let fetch = Fetch::new(
                    self.opening.geometry,
                    &head.header,
                    head.head_digest,
                    Arc::clone(&subkeys),
                    store,
                );
                Some(Decoder::new(
                    &head.header,
                    &workers,
                    fetch,
                    Contents::new(output)?,
                ))
            }
        };
        Pass::new(self.feed, self.opening, self.plan, &workers, self.observer)
            .with_keys(subkeys, decoder)
            .run()
    }
}

/// Where COPY reads from: the file, or a spool beside the pipe (spec: RDR-4).
fn block_store(
    feed: &Feed,
    copy_reach: u64,
    observer: &dyn Observer,
) -> Result<BlockStore, ReadError> {
    if let Some(file) = feed.file() {
        let file = file.try_clone().map_err(|source| ReadError::Io {
            what: "reading the archive",
            source,
        })?;
        return Ok(BlockStore::Archive(file));
    }
    if copy_reach == 0 {
        return Ok(BlockStore::None);
    }
    observer.warn(Warning::Spooling);
    let spool = tempfile::tempfile().map_err(|source| ReadError::NoRoom { source })?;
    Ok(BlockStore::Spool(spool))
}

pub(crate) fn warn_of_signers(opening: &Opening, observer: &dyn Observer) {
    let count = opening.head.header.signers().len();
    if count > 0 {
        observer.warn(Warning::SignersNotChecked { count });
    }
}

pub(crate) fn start_workers(threads: usize) -> Result<Workers, ReadError> {
    Workers::new(threads).map_err(|source| ReadError::Io {
        what: "starting threads",
        source,
    })
}
