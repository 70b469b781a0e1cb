//! One reading of an archive with a key, shared by all verbs that read it whole.

use crate::contents::{Contents, Output};
use crate::decoder::Decoder;
use crate::error::ReadError;
use crate::fetch::{BlockStore, Fetch};
use crate::input::Feed;
use crate::keys::Subkeys;
use crate::observer::{Observer, Warning};
use crate::opening::Opening;
use crate::pass::{Pass, PassResult, Purpose};
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
pub(crate) struct Reading<'o, 'r> {
    pub(crate) feed: Feed,
    pub(crate) opening: &'o Opening,
    pub(crate) purpose: Purpose,
    pub(crate) threads: usize,
    pub(crate) observer: &'r dyn Observer,
}

impl<'r> Reading<'_, 'r> {
    /// Reads the archive to its end: with keys as far as `level` says, without them what shows
    /// without.
    pub(crate) fn run(
        self,
        subkeys: Option<Subkeys>,
        level: VerifyLevel,
        output: Output<'r>,
    ) -> Result<PassResult<Contents<'r>>, ReadError> {
        let workers = Workers::new(self.threads).map_err(|source| ReadError::Io {
            what: "starting threads",
            source,
        })?;
        let subkeys = subkeys.map(Arc::new);
        let decoder = match (&subkeys, level) {
            (Some(subkeys), VerifyLevel::Full) => {
                Some(self.decoder(Arc::clone(subkeys), &workers, output)?)
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
        if let Some(subkeys) = subkeys {
            pass = pass.with_keys(subkeys, decoder);
        }
        pass.run()
    }

    fn decoder<'w>(
        &self,
        subkeys: Arc<Subkeys>,
        workers: &'w Workers,
        output: Output<'r>,
    ) -> Result<Decoder<'w, Contents<'r>>, ReadError>
    where
        'r: 'w,
    {
        let head = &self.opening.head;
        let store = block_store(&self.feed, head.header.copy_reach, self.observer)?;
        let fetch = Fetch::new(
            self.opening.geometry,
            &head.header,
            head.head_digest,
            subkeys,
            store,
        );
        let contents = Contents::new(output, self.observer)?;
        Ok(Decoder::new(
            &head.header,
            workers,
            fetch,
            contents,
            self.observer,
        ))
    }
}

/// Where COPY reads from: the file, or a spool beside the pipe (spec: RDR-4).
fn block_store(
    feed: &Feed,
    copy_reach: u64,
    observer: &dyn Observer,
) -> Result<BlockStore, ReadError> {
    if let Some(file) = feed.file() {
        let file = file.try_clone().map_err(ReadError::reading)?;
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
