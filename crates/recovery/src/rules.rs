//! The rules that decide whether backups can be restored: one table for text, JSON and `explain`.

use std::fmt;

use serde::{Serialize, Serializer};

pub use self::table::{
    AFTER_LAST, ALL, APP_VERSION, BACPAC_HASH, BEFORE_FIRST, BULK_LOGGED, CERTIFICATE_MISSING,
    COLLATION, COPY_ONLY_BASE, CUT_OFF, DAMAGED_SET, DIFFERENTIAL_BASE, DUPLICATE, ENCRYPTED,
    EXPRESS_CAP, FILES_CHANGED, FILES_OLDER, FOLDER_MISSING, HEADER_LACKING, LOG_GAP, LOGIN_SID,
    LOGS_BESIDE_SIMPLE, MASTER_KEY_FORM, MASTER_KEY_MISMATCH, MASTER_KEY_MISSING,
    MASTER_KEY_NOT_PROVED, MASTER_KEY_TOO_LONG, MEDIA_PASSWORD, NO_CHECKSUMS, NO_FULL, NO_SETS,
    NODE_LOCAL, NOT_ALL_NOTED, NOT_PLANNED, ORPHANED_LOG, OTHER_BRANCH, OTHER_DAMAGED, PAGE_COUNT,
    PLATFORM_MAPPING, PORTAL_TLS, PRIVATE_KEY_MISSING, QDRANT_VERSION, RPO_MISSED, SAME_NAME,
    SECRET_IN_TREE, SEVERAL_SETS, SIMPLE_RECOVERY, SIMPLE_STOPAT, STOPAT_AFTER_FILES,
    STRIPE_MISSING, TARGET_TOO_OLD, THUMBPRINT_MISMATCH, UNCERTAIN, UNJUDGED, UNREADABLE,
    VECTORS_MISSING,
};

mod table;

/// A condition of restorability, with what it means and what helps.
///
/// Numbers are never reused: programs and runbooks refer to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The number in the code: 121 of `BP121`.
    pub number: u16,
    /// How grave it is to break it, unless the finding says otherwise.
    pub severity: Severity,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Why it matters: one or two sentences.
    pub why: &'static str,
    /// What to do now: one or two sentences.
    pub now: &'static str,
}

/// How grave a finding is; later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; nothing is lost.
    Info,
    /// The newest state can be restored, but something is lost or at risk.
    Warning,
    /// Something that was backed up, or that was asked for, cannot be restored.
    Error,
}

impl Rule {
    /// The rule of a code such as `BP121`, in either case.
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Self> {
        let prefix = code.get(..2)?;
        let digits = code.get(2..)?;
        let is_code = prefix.eq_ignore_ascii_case("BP") && digits.len() == 3;
        let number: u16 = digits.parse().ok().filter(|_| is_code)?;
        let index = ALL.binary_search_by_key(&number, |rule| rule.number);
        index.ok().map(|index| ALL[index])
    }

    /// Whether it is an error where something newer than all that can be reached is lost by it, and
    /// a warning otherwise; [`Self::severity`] is then only where it begins.
    #[must_use]
    pub fn depends(&self) -> bool {
        const DEPENDING: [u16; 10] = [121, 122, 124, 125, 126, 127, 134, 137, 164, 172];
        DEPENDING.contains(&self.number)
    }

    /// The code that all outputs name it by: `BP121`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("BP{}", self.number)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BP{} {}", self.number, self.title)
    }
}

/// Its code and title only: the texts would bury the facts of a failed test.
impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As its code.
impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.code())
    }
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_and_unique_and_lie_in_the_first_hundred() {
        assert!(ALL.is_sorted_by(|a, b| a.number < b.number));
        for rule in ALL {
            assert!((100..200).contains(&rule.number), "{rule}");
        }
    }

    #[test]
    fn every_rule_is_found_by_its_code_and_nothing_else_is() {
        for rule in ALL {
            assert_eq!(Rule::find(&rule.code()), Some(*rule));
        }
        assert_eq!(Rule::find("bp121"), Some(&LOG_GAP));
        for code in [
            "", "BP", "121", "BP1210", "BP+21", "BP 21", "BX121", "BP199", "ü121", "Bü1",
        ] {
            assert_eq!(Rule::find(code), None, "{code}");
        }
    }

    #[test]
    fn titles_are_short_and_texts_are_whole_sentences() {
        let mut titles: Vec<_> = ALL.iter().map(|rule| rule.title).collect();
        for rule in ALL {
            assert!(rule.title.len() <= 48, "{rule}");
            assert!(!rule.title.ends_with('.'), "{rule}");
            for text in [rule.why, rule.now] {
                assert!(text.ends_with('.') && text.len() <= 260, "{rule}: {text}");
                assert!(
                    text.starts_with(|first: char| first.is_uppercase()),
                    "{rule}: {text}"
                );
                assert!(
                    !text.contains("  ") && !text.contains('\n'),
                    "{rule}: {text}"
                );
                assert!(text.matches(". ").count() <= 1, "{rule}: {text}");
            }
        }
        titles.sort_unstable();
        assert!(
            titles.is_sorted_by(|a, b| a != b),
            "two rules have one title"
        );
    }

    #[test]
    fn severities_are_ordered_by_gravity() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Error);
    }
}
