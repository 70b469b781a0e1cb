//! The bakpak archive format: bytes to structures and back, without I/O, keys, threads or clock.
//!
//! ```
//! use bakpak_format::chunk::script::{Instruction, Script};
//!
//! let script = Script(vec![Instruction::Literal(3), Instruction::Zero(5)]);
//! let bytes = script.encode()?;
//! assert_eq!(Script::decode(&bytes, 2)?, script);
//! # Ok::<(), bakpak_format::error::FormatError>(())
//! ```
//!
//! One module per chapter of `format-spec/bakpak-v1.md`, in its order:
//!
//! | module | what | chapter |
//! |---|---|---|
//! | [`geometry`] | where everything lies: offsets, stripes, places | 1, 5, 6 |
//! | [`preamble`], [`header`] | what opens an archive | 2 |
//! | [`slots`] | tables of wrapped keys | 3 |
//! | [`envelope`] | the master-key envelope's body and items | 4 |
//! | [`block`] | the clear and the inner header of a sealed block | 5 |
//! | [`check_page`] | hashes, sector CRCs and head copy of a stripe | 6 |
//! | [`record`] | record header, FACTS, CHECKPOINT, FINAL | 7, 9 |
//! | [`chunk`] | CHUNK with its script | 8 |
//! | [`entry`] | the canonical pax stream | 10 |
//! | [`catalogue`] | rows, catalogue pages, tree pages | 11 |
//! | [`tail`] | tail page, locator, root | 12 |
//! | [`limits`] | every limit | 13 |
//!
//! Guarantees: no input makes a function of this crate panic; lengths are checked before memory is
//! taken; what decodes encodes again to the same bytes. Digests that need no key are checked here.
//! Tags, MACs and commitments are not: their fields are handed out, with the bytes they cover, and
//! whoever holds the keys checks them. A decoded structure is well formed, and believed by nobody.

pub mod block;
pub mod catalogue;
pub mod check_page;
pub mod chunk;
pub mod digest;
pub mod entry;
pub mod envelope;
pub mod error;
pub mod geometry;
pub mod header;
pub mod limits;
pub mod preamble;
pub mod record;
pub mod slots;
pub mod tail;

mod encoding;
mod wire;
