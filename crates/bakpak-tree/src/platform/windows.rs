//! Windows, by what the standard library offers: files, directories, times, the read-only bit.
//!
//! There are no directory handles here, so what is done by name is done by path; a name that is
//! a link (or another reparse point) is refused where a directory is expected. Owners, access
//! control lists and attributes are neither read nor restored; restoring them is an error of kind
//! `Unsupported`, which the caller counts.

mod dir;
mod file;
mod read;

pub(crate) use dir::Dir;
pub(crate) use file::{
    effective_ids, forbidden_name, is_link_in_the_way, is_root, may_read, next_data,
    path_from_bytes, path_to_bytes, read_at, set_mode, set_mtime, set_owner, set_xattr,
    start_write_back, status_at, status_of, write_all_at,
};
pub(crate) use read::Handle;
