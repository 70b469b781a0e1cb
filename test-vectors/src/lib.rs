//! The test vectors of the bakpak archive format: small archives, each with at most one fault.
//!
//! `manifest.toml` names them all, with what a reader must say; `accept/` and `reject/` hold them;
//! `components/` holds single structures with their inputs. Everything is made by this crate:
//!
//! ```text
//! cargo run -p bakpak-vectors -- write            writes manifest, folders and components anew
//! cargo run -p bakpak-vectors -- recipes FOLDER   writes there what is too large to be stored
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`vectors`] | the programs, one for each vector, by chapter of the specification |
//! | [`builder`] | makes an archive, with a fault at one site |
//! | [`records`], [`stream`], [`zstd_frame`] | what stands in the blocks |
//! | [`keys`] | chapter 3, apart from the codec |
//! | [`damage`] | what happens to archives, and what a repair must make of it |
//! | [`manifest`], [`components`] | the files of the folder |
//!
//! The same bytes come out each time; a test compares them with what is committed.

mod assembly;
pub mod builder;
pub mod components;
pub mod damage;
pub mod keys;
pub mod manifest;
mod parity;
mod plan;
pub mod records;
pub mod stream;
pub mod vectors;
pub mod zstd_frame;
