//! Which system calls touch files, and how.

use nix::libc;

use crate::fault::Kind;

/// A system call that touches files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Which argument is a descriptor that tells whether the call is of interest; none: it always is.
    pub(super) descriptor: Option<usize>,
    /// Which argument says how much, if it can be made less.
    pub(super) amount: Option<usize>,
    /// Which argument holds the flags of opening: without those that make a file it is of no
    /// interest.
    pub(super) open_flags: Option<usize>,
}

/// Looks a system call up by its number.
pub(super) fn find(number: i64) -> Option<Call> {
    let of_file = |name, kind, amount| {
        Some(Call {
            name,
            kind,
            descriptor: Some(0),
            amount,
            open_flags: None,
        })
    };
    let of_name = |name, open_flags| {
        Some(Call {
            name,
            kind: Kind::Name,
            descriptor: None,
            amount: None,
            open_flags,
        })
    };
    match number {
        libc::SYS_read => of_file("read", Kind::Read, Some(2)),
        libc::SYS_pread64 => of_file("pread64", Kind::Read, Some(2)),
        libc::SYS_readv => of_file("readv", Kind::Read, None),
        libc::SYS_preadv => of_file("preadv", Kind::Read, None),
        libc::SYS_preadv2 => of_file("preadv2", Kind::Read, None),
        // Of a listing a shorter buffer makes EINVAL, not a shorter answer.
        libc::SYS_getdents64 => of_file("getdents64", Kind::Read, None),
        libc::SYS_write => of_file("write", Kind::Write, Some(2)),
        libc::SYS_pwrite64 => of_file("pwrite64", Kind::Write, Some(2)),
        libc::SYS_writev => of_file("writev", Kind::Write, None),
        libc::SYS_pwritev => of_file("pwritev", Kind::Write, None),
        libc::SYS_pwritev2 => of_file("pwritev2", Kind::Write, None),
        // Which of the two descriptors is of interest does not matter: both are, or none.
        libc::SYS_copy_file_range => of_file("copy_file_range", Kind::Write, Some(4)),
        libc::SYS_sendfile => of_file("sendfile", Kind::Write, Some(3)),
        libc::SYS_ftruncate => of_file("ftruncate", Kind::Write, None),
        libc::SYS_fallocate => of_file("fallocate", Kind::Write, None),
        libc::SYS_fsync => of_file("fsync", Kind::Sync, None),
        libc::SYS_fdatasync => of_file("fdatasync", Kind::Sync, None),
        libc::SYS_syncfs => of_file("syncfs", Kind::Sync, None),
        libc::SYS_sync_file_range => of_file("sync_file_range", Kind::Sync, None),
        libc::SYS_fchmod => of_file("fchmod", Kind::Name, None),
        libc::SYS_fchown => of_file("fchown", Kind::Name, None),
        libc::SYS_rename => of_name("rename", None),
        libc::SYS_renameat => of_name("renameat", None),
        libc::SYS_renameat2 => of_name("renameat2", None),
        libc::SYS_link => of_name("link", None),
        libc::SYS_linkat => of_name("linkat", None),
        libc::SYS_symlink => of_name("symlink", None),
        libc::SYS_symlinkat => of_name("symlinkat", None),
        libc::SYS_unlink => of_name("unlink", None),
        libc::SYS_unlinkat => of_name("unlinkat", None),
        libc::SYS_rmdir => of_name("rmdir", None),
        libc::SYS_mkdir => of_name("mkdir", None),
        libc::SYS_mkdirat => of_name("mkdirat", None),
        libc::SYS_mknodat => of_name("mknodat", None),
        libc::SYS_utimensat => of_name("utimensat", None),
        libc::SYS_open => of_name("open", Some(1)),
        libc::SYS_openat => of_name("openat", Some(2)),
        _ => None,
    }
}

/// Whether these flags of opening make a file.
pub(super) fn makes(flags: u64) -> bool {
    const MAKES: u64 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
    flags & MAKES != 0
}
