//! Directories to entries and back: walk and read a tree, stage and publish one.
//!
//! Knows file systems and nothing else: no cryptography, no archive.
//!
//! ```no_run
//! use bakpak_format::entry::EntryPath;
//! use bakpak_tree::{Root, Stage, StageOptions, TargetMode, Walk};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = EntryPath::new("home").ok_or("not an entry path")?;
//! let walked = Walk::new([Root::itself(home, "/srv/octopus")]).run()?;
//! let to = "/srv/copy".as_ref();
//! let mut stage = Stage::create(to, TargetMode::New, StageOptions::default(), &[7; 16])?;
//! let mut buffer = vec![0; 64 * 1024];
//! for mut source in walked.sources() {
//!     stage.begin(&source.open()?.entry, None)?;
//!     let mut offset = 0;
//!     loop {
//!         let len = source.read_at(offset, &mut buffer)?;
//!         if len == 0 {
//!             break;
//!         }
//!         stage.write(offset, &buffer[..len])?;
//!         offset += len as u64;
//!     }
//!     stage.end()?;
//! }
//! let report = stage.publish()?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `walk`, `tree`, `roll` | what there is to pack, in canonical order, in little memory |
//! | `source`, `near`, `links` | one of these, open for reading; names that share a file |
//! | `stage`, `cursor`, `spool` | what was unpacked, not yet under its final name |
//! | `target`, `publish`, `journal`, `leftover`, `remains` | renaming it into place; undoing that if killed |
//! | `earlier` | what killed runs had unpacked, taken over if it is what the archive gives |
//! | `finished` | a mark by which a completed target is known whose run was killed |
//! | `later` | what came to a target since, and must not be undone |
//! | `names`, `metadata`, `owners`, `report` | what a target can hold, and what was lost |
//! | `output` | a file that appears under its name only when complete |
//! | `platform` | what differs between operating systems |
//!
//! Guarantees: nothing outside the target is touched, whatever lies or is put inside it; nothing
//! that was there is overwritten or deleted; a killed run leaves a stage, never half a target, once
//! the next run has undone what it did; nothing that others may have written tells us what to do.

mod cursor;
mod earlier;
mod error;
mod finished;
mod journal;
mod later;
mod leftover;
mod links;
mod metadata;
mod names;
mod near;
mod output;
mod owners;
mod platform;
mod publish;
mod remains;
mod report;
mod roll;
mod source;
mod spool;
mod stage;
mod target;
mod tree;
mod walk;

pub use earlier::Reusable;
pub use error::{OutputError, StageError, WalkError, is_full};
pub use finished::{Finished, completed_before};
pub use journal::{DAMAGED, SALVAGE_REPORT};
pub use names::{Clash, ClashReason};
pub use output::PendingFile;
pub use platform::{FileId, Room};
pub use report::{Loss, LossKind, Report};
pub use source::{FileSource, Identity, Opened, SourceSize};
pub use stage::{Stage, StageOptions, TargetMode};
pub use target::room;
pub use walk::{Finding, FindingKind, Root, Sources, Walk, Walked};
