//! Keys and streams to bakpak archives and back: all cryptography, compression and threads.
//!
//! ```
//! use bakpak_codec::input::Input;
//! use bakpak_codec::observer::Unobserved;
//! use bakpak_codec::pack::{PackSettings, pack};
//! use bakpak_codec::secret::{Credential, KeyFile};
//! use bakpak_codec::verify::verify_keyless;
//!
//! let key = Credential::KeyFile(KeyFile::generate()?);
//! let mut archive = Vec::new();
//! let report = pack(std::iter::empty(), PackSettings::new(key), &mut archive, &Unobserved)?;
//! assert_eq!(report.archive_len, 45_056);
//!
//! let input = Input::stream(std::io::Cursor::new(archive));
//! let verified = verify_keyless(input, 1, &Unobserved)?;
//! assert!(verified.findings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | verb | module | from, to |
//! |---|---|---|
//! | pack | [`pack`] | [`source::Source`]s to any `Write` |
//! | pack, after a stop | [`resume`] with [`pack`] | the same, behind what stands in a file |
//! | verify | [`verify`] | [`input::Input`] to a report |
//! | unpack, tar | [`unpack`] | [`input::Input`] to a [`sink::Sink`], or to any `Write` |
//! | list, cat | [`archive`] | a file, by position |
//! | inspect | [`inspect`] | a file's head, without a key |
//! | repair | [`repair`] | a damaged file to a whole one, without a key |
//! | salvage | [`salvage`] | what is left in a damaged file, to a [`salvage::SalvageSink`] |
//! | key | [`slot_change`] | who opens an archive, changed in place |
//! | (on the way) | [`tap`] | each entry's content, as it is packed or verified |
//! | master-key | [`envelope`] | a file's envelope, with its own keys |
//!
//! Inside, below the verbs:
//!
//! | what | modules |
//! |---|---|
//! | the four layers put together, each way | `writer`; `reading` with `pass`, `contents`, `entries`, and beside them `content_hasher`, `sink_belt` |
//! | the stream of entries | `stream`, `order`, `zeros` |
//! | chunks | `chunks`, `compress`; to find repeats `matcher`, `history`; for COPY `data_map`, `data_space`, `chunk_store`, `joined`, `fetch`, `spool` |
//! | records, and the way to one of them | `records`, `decoder`, `index` |
//! | blocks, stripes with their parity, what stands before and behind | `blocks`, `shard`, `stripes`, `parity`, `parity_lane`, `scan`, `head_plan`, `tail` |
//! | what damage has left | `mend`, `found_blocks` |
//! | keys | [`keyring`], `slots`, `opening`, `seal`, [`aead`], `keys` (all derivation), [`random`] |
//! | all threads | `pipeline`, and what goes between them `batches` |
//!
//! Guarantees: no input panics; nothing leaves before it has authenticated; memory does not grow
//! with the data but by a few hundred bytes a stripe and a catalogue page, and in the cases that
//! format-spec/rationale.md, "Scale", names: very many files of several names, entries that changed
//! or are missing, damaged blocks, salvage; the result does not depend on the number of threads.

pub mod aead;
pub mod archive;
mod batches;
mod blocks;
mod chunk_store;
mod chunks;
mod compress;
mod content_hasher;
mod contents;
mod data_map;
mod data_space;
mod decoder;
mod entries;
pub mod envelope;
pub mod error;
mod fetch;
mod found_blocks;
mod grids;
mod head_plan;
mod history;
mod index;
pub mod input;
pub mod inspect;
mod joined;
pub mod keyring;
mod keys;
mod matcher;
mod mend;
pub mod observer;
mod opening;
mod order;
pub mod pack;
pub mod parity;
mod parity_lane;
mod pass;
mod pipeline;
pub mod random;
mod reading;
mod records;
pub mod repair;
pub mod resume;
pub mod salvage;
mod scan;
mod seal;
pub mod secret;
mod shard;
pub mod sink;
mod sink_belt;
pub mod slot_change;
mod slots;
pub mod source;
mod spool;
mod stream;
mod stripes;
mod tail;
pub mod tap;
pub mod unpack;
pub mod verify;
mod weight;
mod write_at;
mod writer;
mod zeros;

pub use pipeline::default_threads;
