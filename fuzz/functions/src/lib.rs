//! One function for every parser: each takes any bytes, and panics only if a promise is broken.
//!
//! The promises: no input makes a parser panic or hang; what is taken encodes again to the same
//! bytes; what one reader takes, the others take too. `tests/mutations.rs` runs all of them on the
//! stable toolchain, over the test vectors and seeded mutations; `fuzz/fuzz_targets` runs them
//! under libfuzzer.

pub mod archives;
pub mod foreign;
pub mod media;
pub mod structures;

#[path = "../../../crates/bakpak-codec/tests/support/forge.rs"]
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "the codec's tests use the same file, and more of it"
)]
pub mod forge;

/// A function of this crate.
pub type FuzzFunction = fn(&[u8]);

/// All of them, by name.
pub const ALL: [(&str, FuzzFunction); 28] = [
    ("head", structures::head),
    ("slots", structures::slots),
    ("envelope", structures::envelope),
    ("block", structures::block),
    ("check_page", structures::check_page),
    ("record", structures::record),
    ("chunk", structures::chunk),
    ("script", structures::script),
    ("entry", structures::entry),
    ("path", structures::path),
    ("sparse_map", structures::sparse_map),
    ("catalogue_page", structures::catalogue_page),
    ("tree_page", structures::tree_page),
    ("tail", structures::tail),
    ("key_file", structures::key_file),
    ("media", media::media),
    ("xpress", media::xpress),
    ("container", media::container),
    ("stream", archives::stream),
    ("records", archives::records),
    ("archive_keyless", archives::archive_keyless),
    ("repair", archives::repair),
    ("salvage", archives::salvage),
    ("archive_with_key", archives::archive_with_key),
    ("bacpac", foreign::bacpac),
    ("pg_dump", foreign::pg_dump),
    ("qdrant", foreign::qdrant),
    ("certificate", foreign::certificate),
];
