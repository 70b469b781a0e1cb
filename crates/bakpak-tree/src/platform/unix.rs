//! Linux.

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
