//! `pack`: sources in, archive out.

use crate::compress::DEFAULT_LEVEL;
use crate::error::{Missing, PackError};
use crate::keys::Subkeys;
use crate::matcher::{Matcher, MatcherSettings};
use crate::observer::{Observer, Warning};
use crate::pipeline::{Belt, Buffers, Spares, Workers, beside, default_threads, in_front};
use crate::random::Random;
use crate::records::Closing;
use crate::secret::Credential;
use crate::slots::passphrase::DEFAULT_ARGON2;
use crate::source::Source;
use crate::stripes::{Tools, random_failed};
use crate::tap::tapping_beside;
use crate::writer::{ArchiveWriter, Start, WriterSettings};
use ahead::{Batch, OnlyProbe};
use bakpak_format::digest::Digest;
use bakpak_format::entry::{EntryPath, Timestamp};
use bakpak_format::envelope::EnvelopeItem;
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::header::ArchiveId;
use bakpak_format::record::{Facts, MissingFacts};
use bakpak_format::slots::Argon2Params;
use entries::EntryWriter;
use plan::{item_facts_of, plan_head};
use resumed::Before;
use std::io::Write;
use std::sync::Arc;
use zeroize::Zeroizing;

pub use resumed::resume;

mod ahead;
mod entries;
mod plan;
mod resumed;

/// Raw bytes in a chunk, where the block size is not asked to be smaller than that.
const CHUNK_SIZE: usize = 1 << 20;

/// Most raw bytes in a chunk where blocks of 4 KiB are asked for (spec: BLK-7): their stripes hold
/// 2 MB. Without such a wish chunks are cut before the block size is known.
const SMALL_CHUNK_SIZE: usize = 256 << 10;

/// How to pack.
pub struct PackSettings {
    /// zstd level, 1 to 9.
    pub level: i32,
    /// Worker threads.
    pub threads: usize,
    /// Block size; by default it follows from the archive's size.
    pub block_size: Option<BlockSize>,
    /// Longest raw data of a chunk, 4 KiB to 1 MiB; by default 1 MiB, with blocks of 4 KiB a quarter of
    /// that, and no more (spec: BLK-7). Small ones make an archive of little data have as many chunks
    /// as one of much.
    pub chunk_size: Option<usize>,
    /// What `head` shows; must follow HED-3.
    pub cover_text: String,
    /// What opens the archive.
    pub key: Credential,
    /// The master-key envelope.
    pub envelope: Option<EnvelopeSettings>,
    /// Cost of passphrase slots.
    pub argon2: Argon2Params,
    /// How much parity the archive gets; in memory there is as much of it as a stripe has.
    pub parity: ParityGeometry,
    /// Total size of the sources, if known: sets the segment length.
    pub expected_len: Option<u64>,
    /// What to look for that stands in the archive already; `None`: nothing.
    pub matching: Option<Matching>,
    /// Sources that were found unreadable before.
    pub missing: Vec<Missing>,
    /// Leave out what cannot be read, and mark the archive, instead of failing.
    pub allow_incomplete: bool,
    /// Asked before FINAL is written, when all taps are finished (see [`crate::tap::Tap`]): whether
    /// what was packed is enough for a restore. If not, the archive is marked (spec: FIN-3). `None`:
    /// nobody can tell, and there is no mark.
    pub restorable: Option<Box<dyn FnOnce() -> bool + Send>>,
    /// When packing began.
    pub started: Timestamp,
    /// Tells the time at the end.
    pub clock: fn() -> Timestamp,
    /// The generator.
    pub random: Random,
}

/// How far to look for what stands in the archive already (format-spec/rationale.md, "Matching").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Bytes of recent data that are compared byte by byte; they are kept in memory, but for what
    /// no copy may reach. At most [`Self::MAX_HISTORY_LEN`], and 4,096 chunks; 0: nothing is
    /// compared.
    pub history_len: usize,
    /// Bytes of memory for the table of segments that stood there before; 0: there is none, and
    /// nothing is hashed for it.
    pub table_memory: usize,
    /// The promise to readers: no copy reaches further back in the data space (spec: CHU-8). 0:
    /// there are no copies; all ones: from anywhere.
    pub copy_reach: u64,
}

/// The envelope's own key, and what goes in (spec: ENV-3).
pub struct EnvelopeSettings {
    /// What opens the envelope.
    pub key: Credential,
    /// The items, of different names.
    pub items: Vec<EnvelopeItem>,
}

/// What was packed.
#[derive(Clone, Debug)]
pub struct PackReport {
    /// Names the archive.
    pub archive_id: ArchiveId,
    /// Root of the archive.
    pub root: Digest,
    /// Length of the archive.
    pub archive_len: u64,
    /// Length of the stream.
    pub stream_len: u64,
    /// Sum of the sizes of all files.
    pub content_len: u64,
    /// Rows in the catalogue.
    pub entries: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of the stream that are copies.
    pub copied_bytes: u64,
    /// Bytes of the stream that are zeros by instruction.
    pub zero_bytes: u64,
    /// Files that changed while they were read.
    pub changed: u64,
    /// What stood of it before, from a run that was stopped; 0: nothing.
    pub kept_len: u64,
    /// What is not in it.
    pub missing: Vec<Missing>,
}

impl Matching {
    /// Most history, since it is held in memory. The matcher's table addresses 4,096 chunks: 4 GiB
    /// where they have 1 MiB, but less than this where they are small, with 4 KiB 16 MiB.
    pub const MAX_HISTORY_LEN: usize = 1 << 30;

    /// What to tell the matcher.
    fn settings(&self, expected_len: Option<u64>) -> MatcherSettings {
        let reach = Some(self.copy_reach).filter(|&reach| reach < u64::MAX);
        // What is held ends with the chunk in which the reach does.
        let within =
            usize::try_from(self.copy_reach).map_or(usize::MAX, |r| r.saturating_add(CHUNK_SIZE));
        MatcherSettings {
            history_len: self.history_len.min(within),
            table_memory: self.table_memory,
            total_len: reach.into_iter().chain(expected_len).min(),
        }
    }

    /// Whether anything can be found at all.
    fn finds_any(&self) -> bool {
        self.copy_reach > 0 && (self.history_len > 0 || self.table_memory > 0)
    }
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            history_len: 48 << 20,
            table_memory: 40 << 20,
            copy_reach: u64::MAX,
        }
    }
}

impl PackSettings {
    /// The defaults, with one key.
    pub fn new(key: Credential) -> Self {
        Self {
            level: DEFAULT_LEVEL,
            threads: default_threads(),
            block_size: None,
            chunk_size: None,
            cover_text: String::new(),
            key,
            envelope: None,
            argon2: DEFAULT_ARGON2,
            parity: ParityGeometry::THREE,
            expected_len: None,
            matching: Some(Matching::default()),
            missing: Vec::new(),
            allow_incomplete: false,
            restorable: None,
            started: Timestamp::default(),
            clock: Timestamp::default,
            random: Random::system(),
        }
    }
}

/// Packs the sources, which come in canonical order, into an archive.
///
/// # Errors
///
/// - [`PackError::Unreadable`]: sources could not be read, and `allow_incomplete` is not set; all
///   of them are named. What was written by then is no archive.
/// - [`PackError::NothingReadable`]: likewise, though `allow_incomplete` is set.
/// - [`PackError::Settings`]: the settings contradict the format, or sources are out of order.
/// - [`PackError::Io`]: the output, or the random generator.
/// - [`PackError::Interrupted`]: the observer asked for it.
pub fn pack(
    sources: impl Iterator<Item = Box<dyn Source>> + Send,
    mut settings: PackSettings,
    output: impl Write + Send,
    observer: &dyn Observer,
) -> Result<PackReport, PackError> {
    // What promises no copies is read from a pipe without keeping anything.
    settings.matching = settings.matching.filter(Matching::finds_any);
    let mut random = std::mem::replace(&mut settings.random, Random::system());
    let plan = plan_head(&settings, &mut random)?;
    settings.random = random;
    let keyed = Keyed {
        archive_id: plan.archive_id,
        subkeys: Arc::clone(&plan.data.subkeys),
        item_facts: item_facts_of(&settings, &plan.data.subkeys),
    };
    let start = Start::New(Box::new(plan));
    write_archive(sources, settings, (keyed, start, None), output, observer)
}

/// What an archive's keys give.
struct Keyed {
    archive_id: ArchiveId,
    subkeys: Arc<Subkeys>,
    item_facts: Vec<Facts>,
}

/// Writes an archive, or what is still to come of it.
fn write_archive(
    sources: impl Iterator<Item = Box<dyn Source>> + Send,
    mut settings: PackSettings,
    (keyed, start, before): (Keyed, Start, Option<Before>),
    mut output: impl Write + Send,
    observer: &dyn Observer,
) -> Result<PackReport, PackError> {
    let mut random = std::mem::replace(&mut settings.random, Random::system());
    let matcher = match settings.matching.filter(Matching::finds_any) {
        Some(matching) => {
            let key = Zeroizing::new(random.array().map_err(random_failed)?);
            Some(Matcher::new(&key, matching.settings(settings.expected_len)))
        }
        None => None,
    };
    let workers = Workers::new(settings.threads)?;
    let buffers = Buffers::new(4 * settings.threads + 8);
    let given_back = buffers.clone();
    let mut written_len = 0;
    let write = |bytes: Vec<u8>| {
        output.write_all(&bytes)?;
        written_len += bytes.len() as u64;
        given_back.give(bytes);
        Ok(())
    };
    let depth = settings.threads + 2;
    let (packed, written) = beside(depth, write, |belt| {
        let writer_settings = WriterSettings {
            level: settings.level,
            block_size: settings.block_size,
            history_len: settings.matching.map_or(0, |m| m.history_len),
        };
        let tools = Tools {
            subkeys: &keyed.subkeys,
            workers: &workers,
            buffers,
            random,
            output: belt,
        };
        let archive = ArchiveWriter::new(start, writer_settings, matcher, tools)?;
        tapping_beside(|tapping| {
            let mut entries = EntryWriter::new(archive, tapping, observer);
            if let Some(before) = before {
                entries.go_on(before)?;
            }
            let facts = (keyed.archive_id, keyed.item_facts.clone());
            pack_entries(entries, sources, &mut settings, facts)
        })?
    })?;
    // An output that fails stops the belt; then its own error is the one that tells.
    written.map_err(|source| PackError::Io {
        what: "writing the archive",
        source,
    })?;
    output.flush().map_err(|source| PackError::Io {
        what: "writing the archive",
        source,
    })?;
    packed.map(|report| PackReport {
        archive_len: written_len,
        ..report
    })
}

fn pack_entries(
    mut entries: EntryWriter<'_>,
    sources: impl Iterator<Item = Box<dyn Source>> + Send,
    settings: &mut PackSettings,
    (archive_id, item_facts): (ArchiveId, Vec<Facts>),
) -> Result<PackReport, PackError> {
    entries.missing(settings.missing.iter().cloned());
    let only_probe = OnlyProbe::default();
    let spares = Spares::new(ahead::MAX_BATCHES);
    // Where they stop before their end, nobody waits for the rest.
    let read = |belt: Belt<Batch>| {
        let _ = ahead::prepare(sources, &only_probe, &spares, &belt);
    };
    in_front(ahead::DEPTH, read, |batches| {
        let hash = |belt: Belt<Batch>| {
            let _ = ahead::hash(batches, &belt);
        };
        in_front(ahead::DEPTH, hash, |batches| {
            let give_back = |batch: Batch| batch.give_back(&spares);
            pack_batches(&mut entries, batches, settings, &only_probe, give_back)
        })?
    })??;
    if !settings.allow_incomplete && entries.has_missing() {
        return Err(PackError::Unreadable(entries.into_missing()));
    }
    if entries.has_missing() && !entries.holds_something() && item_facts.is_empty() {
        return Err(PackError::NothingReadable(entries.into_missing()));
    }
    for facts in item_facts {
        entries.archive_facts(facts);
    }
    let restorable = settings.restorable.take().is_none_or(|ask| ask());
    entries.finish(archive_id, |content_len, incomplete| Closing {
        content_len,
        incomplete,
        not_restorable: !restorable,
        started: settings.started,
        finished: (settings.clock)(),
    })
}

/// Packs what was read ahead, as far as anything is still to be packed.
fn pack_batches(
    entries: &mut EntryWriter<'_>,
    batches: impl Iterator<Item = Batch>,
    settings: &PackSettings,
    only_probe: &OnlyProbe,
    give_back: impl Fn(Batch),
) -> Result<(), PackError> {
    let mut last_path: Option<EntryPath> = None;
    for mut batch in batches {
        // Where sources are only probed, a batch may have none.
        entries.check_cancelled()?;
        for prepared in batch.sources.drain(..) {
            // Only the writer lets an entry supersede another: no two sources share a path.
            if last_path
                .as_ref()
                .is_some_and(|last| last >= prepared.path())
            {
                let path = prepared.path();
                let what = format!("'{path}' comes after a path that it must precede");
                return Err(PackError::Settings(what));
            }
            match &mut last_path {
                Some(last) => last.clone_from(prepared.path()),
                None => last_path = Some(prepared.path().clone()),
            }
            if settings.allow_incomplete || !entries.has_missing() {
                entries.put(prepared, &batch.content)?;
            } else {
                // Nothing is written any more, but whoever has to mend rights wants the whole list.
                only_probe.set();
                entries.note_if_unreadable(&prepared)?;
            }
        }
        give_back(batch);
    }
    Ok(())
}

pub(crate) fn missing_facts(missing: &Missing) -> Facts {
    MissingFacts {
        path: missing.path.as_bytes().to_vec(),
        reason: missing.reason.clone().into_bytes(),
    }
    .into()
}

/// Tells the observer that a source is left out.
pub(crate) fn warn_unreadable(observer: &dyn Observer, missing: &Missing) {
    observer.warn(Warning::Unreadable {
        path: missing.path.clone(),
        reason: missing.reason.clone(),
    });
}
