//! Patterns over the paths of entries.

use bakpak_format::entry::EntryPath;
use globset::{Candidate, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::exit::Failure;

/// Selects entries by patterns, and knows which patterns never matched.
///
/// A pattern that matches a directory selects all below it. Without patterns all is selected.
pub(crate) struct Selection {
    patterns: Vec<Pattern>,
}

struct Pattern {
    typed: String,
    matcher: GlobMatcher,
    matched: bool,
}

impl Selection {
    /// Reads the patterns as they were typed.
    ///
    /// # Errors
    ///
    /// One of them is no pattern.
    pub(crate) fn new(typed: &[String]) -> Result<Self, Failure> {
        let pattern = |typed: &String| {
            let matcher = glob(typed)?.compile_matcher();
            Ok(Pattern {
                typed: typed.clone(),
                matcher,
                matched: false,
            })
        };
        Ok(Self {
            patterns: typed.iter().map(pattern).collect::<Result<_, _>>()?,
        })
    }

    /// Whether everything is selected.
    pub(crate) fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` is selected; all patterns are tried, so that each that matches is known.
    pub(crate) fn selects(&mut self, path: &EntryPath) -> bool {
        if self.is_all() {
            return true;
        }
        let ends = ends_of_ancestors(path.as_bytes());
        let candidates = ends.map(|end| Candidate::from_bytes(&path.as_bytes()[..end]));
        let candidates: Vec<_> = candidates.collect();
        let mut selected = false;
        for pattern in &mut self.patterns {
            if candidates
                .iter()
                .any(|candidate| pattern.matcher.is_match_candidate(candidate))
            {
                pattern.matched = true;
                selected = true;
            }
        }
        selected
    }

    /// Refuses patterns that matched nothing: most likely they were mistyped.
    ///
    /// # Errors
    ///
    /// There are some; all are named.
    pub(crate) fn all_matched(&self) -> Result<(), Failure> {
        let idle = self.patterns.iter().filter(|pattern| !pattern.matched);
        matched_nothing(idle.map(|pattern| pattern.typed.as_str()))
    }
}

/// The patterns as one set, for what matches itself.
///
/// # Errors
///
/// One of them is no pattern.
pub(crate) fn glob_set(typed: &[String]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    for pattern in typed {
        set.add(glob(pattern)?);
    }
    set.build()
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Refuses patterns that matched nothing.
///
/// # Errors
///
/// There are some; all are named.
pub(crate) fn matched_nothing<'a>(idle: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let idle: Vec<_> = idle.map(|typed| format!("'{typed}'")).collect();
    if idle.is_empty() {
        return Ok(());
    }
    let message = format!("nothing in the archive matches {}", idle.join(", "));
    Err(Failure::usage(message)
        .hint("patterns match whole paths, such as 'home/TaskLogs', 'home/*.config' or '**/*.bak'"))
}

fn glob(typed: &str) -> Result<Glob, Failure> {
    let pattern = typed.trim_end_matches('/');
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| Failure::usage(format!("'{typed}' is no pattern: {}", error.kind())))
}

/// Where the path and each of its ancestors end.
fn ends_of_ancestors(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(index, _)| index).chain([path.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(patterns: &[&str], path: &[u8]) -> bool {
        let typed: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        let mut selection = Selection::new(&typed).unwrap();
        selection.selects(&EntryPath::new(path).unwrap())
    }

    #[test]
    fn a_star_stays_within_a_directory_and_two_do_not() {
        assert!(selects(&["sql/*.bak"], b"sql/a.bak"));
        assert!(!selects(&["home/*.log"], b"home/a/b.log"));
        assert!(selects(&["home/**/*.log"], b"home/a/b.log"));
        assert!(selects(&["**/*.log"], b"home/a/b.log"));
        assert!(selects(&["home/{a,b}/[0-9]"], b"home/b/7"));
    }

    #[test]
    fn a_pattern_that_names_a_directory_takes_all_below() {
        for pattern in ["home", "home/", "home/a", "home/*", "*/a"] {
            assert!(selects(&[pattern], b"home/a/b/c"), "{pattern}");
        }
        assert!(!selects(&["home/a"], b"home/ab"));
        assert!(!selects(&["home/a/b/c/d"], b"home/a/b/c"));
    }

    #[test]
    fn names_that_are_not_utf_8_are_matched() {
        assert!(selects(&["home/a*z"], b"home/a\xff\xfez"));
        assert!(selects(&["home/a*z"], b"home/a\nz"));
    }

    #[test]
    fn without_patterns_all_is_selected() {
        assert!(selects(&[], b"home/a"));
    }

    #[test]
    fn patterns_that_matched_nothing_are_named() {
        let typed = ["home/a", "home/b", "home/c"].map(str::to_owned);
        let mut selection = Selection::new(&typed).unwrap();
        selection.selects(&EntryPath::new("home/b/x").unwrap());
        let error = selection.all_matched().unwrap_err().to_string();
        assert_eq!(error, "nothing in the archive matches 'home/a', 'home/c'");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(Selection::new(&["home/[".to_owned()]).is_err());
    }
}
