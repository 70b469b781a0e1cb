//! Opens one source after another; neighbours are reached through their directory, which stays open.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::platform::Kind;
use crate::platform::os::{Dir, Handle};

/// Remembers where the last source lies.
#[derive(Debug, Default)]
pub(crate) struct Near(Mutex<Option<Place>>);

/// A directory in which something was opened.
#[derive(Debug)]
struct Place {
    root: usize,
    path: Vec<u8>,
    /// Opened for the second source in a row: most directories of a deep tree hold few files.
    dir: Option<Dir>,
}

impl Near {
    /// Opens what lies at `path` under the directory of the root of this number.
    ///
    /// A link on the way or in its place is an error. Where a directory is replaced while it is read,
    /// the new one is read as soon as the old one has lost what is sought.
    pub(crate) fn open(
        &self,
        root: usize,
        root_dir: &Dir,
        path: &[u8],
        kind: Kind,
    ) -> io::Result<Handle> {
        let slash = path.iter().rposition(|&byte| byte == b'/');
        // What is no handle has to be looked at each time: a link may lie there by now.
        let Some(slash) = slash.filter(|_| Dir::IS_HANDLE) else {
            return Handle::open_beneath(root_dir, path, kind);
        };
        let (parent, name) = (&path[..slash], &path[slash + 1..]);
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *place {
            Some(here) if here.root == root && here.path == parent => {
                let dir = match here.dir.take() {
                    Some(dir) => dir,
                    None => Dir::open_beneath(root_dir, parent)?,
                };
                match Handle::open_in(&dir, name, kind) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Handle::open_beneath(root_dir, path, kind)
                    }
                    opened => {
                        here.dir = Some(dir);
                        opened
                    }
                }
            }
            elsewhere => {
                *elsewhere = Some(Place {
                    root,
                    path: parent.to_vec(),
                    dir: None,
                });
                Handle::open_beneath(root_dir, path, kind)
            }
        }
    }
}
