//! Notices when the master key, which is to be sealed, also goes into the archive in clear.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bakpak_format::entry::EntryPath;
use memchr::memmem;
use zeroize::Zeroizing;

/// Larger files are not searched: a key is forgotten in a note or a configuration, not in a backup.
const MAX_SEARCHED_LEN: u64 = 1 << 20;

/// The file in which Octopus keeps connection string and master key.
const CONFIGURATION: &[u8] = b"OctopusServer.config";

/// Searches what passes for the master key.
#[derive(Default)]
pub(super) struct ClearKeySearch {
    /// The key as base64, as the same in UTF-16, and raw.
    needles: Vec<Zeroizing<Vec<u8>>>,
    found: Mutex<Vec<Found>>,
}

/// Something that should not be in an archive in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: EntryPath,
    pub(super) what: What,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The master key that is sealed in the envelope.
    MasterKey,
    /// Octopus' configuration.
    Configuration,
}

/// How far one file has been searched.
#[derive(Default)]
pub(super) struct Watch {
    is_searched: bool,
    next_offset: u64,
    /// The end of what passed last, in which a key may have begun.
    carry: Zeroizing<Vec<u8>>,
}

impl ClearKeySearch {
    /// Looks for this key, as base64 text.
    pub(super) fn for_key(base64: &[u8], raw: &[u8]) -> Self {
        let wide: Vec<u8> = base64.iter().flat_map(|byte| [*byte, 0]).collect();
        let needles = [base64.to_vec(), wide, raw.to_vec()]
            .map(Zeroizing::new)
            .into();
        Self {
            needles,
            ..Self::default()
        }
    }

    /// A file, or something else, begins.
    pub(super) fn watch(&self, path: &EntryPath, file_len: Option<u64>) -> Watch {
        let name = path.components().last().unwrap_or_default();
        if file_len.is_some() && name.eq_ignore_ascii_case(CONFIGURATION) {
            self.note(path, What::Configuration);
        }
        let is_small = file_len.is_some_and(|len| len <= MAX_SEARCHED_LEN);
        Watch {
            is_searched: is_small && !self.needles.is_empty(),
            ..Watch::default()
        }
    }

    /// Whether anything is looked for in content.
    pub(super) fn looks(&self) -> bool {
        !self.needles.is_empty()
    }

    /// Some of its content passes.
    pub(super) fn look(&self, watch: &mut Watch, path: &EntryPath, offset: u64, bytes: &[u8]) {
        if !watch.is_searched {
            return;
        }
        if offset != watch.next_offset {
            watch.carry.clear();
        }
        watch.next_offset = offset + bytes.len() as u64;
        let border = Zeroizing::new([&watch.carry, bytes].concat());
        if self
            .needles
            .iter()
            .any(|needle| memmem::find(&border, needle).is_some())
        {
            self.note(path, What::MasterKey);
        }
        let longest = self
            .needles
            .iter()
            .map(|needle| needle.len())
            .max()
            .unwrap_or(0);
        let keep = border.len().min(longest.saturating_sub(1));
        watch.carry = Zeroizing::new(border[border.len() - keep..].to_vec());
    }

    /// What was found, each once.
    pub(super) fn found(&self) -> Vec<Found> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Found>> {
        // No code panics while it holds the lock, so a poisoned one is still whole.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: &EntryPath, what: What) {
        let found = Found {
            path: path.clone(),
            what,
        };
        let mut all = self.lock();
        if !all.contains(&found) {
            all.push(found);
        }
    }
}

impl Found {
    /// The warning, rule BP106.
    pub(super) fn text(&self) -> String {
        let path = &self.path;
        match self.what {
            What::MasterKey => format!(
                "'{path}' contains the master key in clear: whoever opens the data can read it, \
                 in spite of the envelope (leave it out with --exclude)"
            ),
            What::Configuration => format!(
                "'{path}' holds the database's password and must never be restored into place \
                 (leave it out with --exclude)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"MDEyMzQ1Njc4OWFiY2RlZg==";
    const RAW: &[u8] = b"0123456789abcdef";

    fn path(path: &str) -> EntryPath {
        EntryPath::new(path).unwrap()
    }

    /// Whether the key is found in `content`, read in portions of `portion` bytes.
    fn finds(content: &[u8], portion: usize) -> bool {
        let search = ClearKeySearch::for_key(KEY, RAW);
        let path = path("home/a");
        let mut watch = search.watch(&path, Some(content.len() as u64));
        let mut offset = 0;
        for bytes in content.chunks(portion) {
            search.look(&mut watch, &path, offset, bytes);
            offset += bytes.len() as u64;
        }
        !search.found().is_empty()
    }

    #[test]
    fn a_key_is_found_across_any_border() {
        let content = [b"key: ", KEY, b"\n"].concat();
        for portion in 1..content.len() + 1 {
            assert!(finds(&content, portion), "{portion}");
        }
    }

    #[test]
    fn a_key_is_found_in_other_forms() {
        let wide: Vec<u8> = KEY.iter().flat_map(|byte| [*byte, 0]).collect();
        assert!(finds(&[b"\xff\xfe", wide.as_slice()].concat(), 7));
        assert!(finds(RAW, 5));
        assert!(!finds(&KEY[..KEY.len() - 1], 5));
    }

    #[test]
    fn what_is_read_again_is_reported_once_and_large_files_are_not_searched() {
        let search = ClearKeySearch::for_key(KEY, RAW);
        let small = path("home/small");
        for _ in 0..2 {
            let mut watch = search.watch(&small, Some(KEY.len() as u64));
            search.look(&mut watch, &small, 0, KEY);
        }
        let large = path("home/large");
        let mut watch = search.watch(&large, Some(MAX_SEARCHED_LEN + 1));
        search.look(&mut watch, &large, 0, KEY);
        assert_eq!(
            search.found(),
            [Found {
                path: small,
                what: What::MasterKey
            }]
        );
    }

    #[test]
    fn the_configuration_is_known_by_its_name() {
        let search = ClearKeySearch::default();
        search.watch(&path("home/octopusserver.CONFIG"), Some(10));
        search.watch(&path("home/OctopusServer.config/a"), Some(10));
        search.watch(&path("home/b/OctopusServer.config"), None);
        let found = search.found();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, What::Configuration);
    }
}
