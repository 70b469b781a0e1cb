//! Every limit of the format, in one place.

/// Longest entry path in bytes.
pub const MAX_PATH_LEN: usize = 32 * 1024;

/// Most components of an entry path.
pub const MAX_PATH_DEPTH: usize = 256;

/// Longest value of one extended attribute.
pub const MAX_XATTR_LEN: usize = 64 * 1024;
