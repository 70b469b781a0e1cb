//! A rule that was broken, with the facts.

use std::fmt;

use serde::Serialize;

use crate::rules::{Rule, Severity};

/// One broken rule: what the user reads, what JSON carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule; in JSON its code.
    #[serde(rename = "code")]
    pub rule: &'static Rule,
    /// How grave it is here, which may differ from the rule's own severity.
    pub severity: Severity,
    /// The database that it is about. None if it is about a file.
    pub database: Option<String>,
    /// The facts: which file and set, which LSNs and times. Names in it are quoted and escaped.
    pub message: String,
    /// What to do now, where more is known than the rule says.
    pub help: String,
}

impl Finding {
    /// A finding with the rule's own severity and help.
    #[must_use]
    pub fn new(rule: &'static Rule, message: String) -> Self {
        Self {
            rule,
            severity: rule.severity,
            database: None,
            message,
            help: rule.now.to_owned(),
        }
    }

    /// The same of a database, by its plain name.
    #[must_use]
    pub fn of(self, database: &str) -> Self {
        let database = Some(database.to_owned());
        Self { database, ..self }
    }

    /// The same with another severity.
    #[must_use]
    pub fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// One line: `BP121 log chain gap: the log from ... to ... is missing`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)
    }
}

/// Puts a text that came from a file between quotes, so that it cannot pass for anything else.
///
/// Control characters are escaped, also those that change the direction of text.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        if character.is_control() || is_invisible(character) || character == '\'' {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('\'');
    quoted
}

/// Whether it is one of the invisible characters that reorder or break what is shown.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::LOG_GAP;

    #[test]
    fn names_cannot_pass_for_text_or_control_the_terminal() {
        assert_eq!(quoted("C:\\sql\\ä.bak"), "'C:\\sql\\ä.bak'");
        assert_eq!(quoted("a'\n\u{1b}[2J"), "'a\\'\\n\\u{1b}[2J'");
        assert_eq!(quoted("x\u{202E}kab.y"), "'x\\u{202e}kab.y'");
    }

    #[test]
    fn a_finding_is_one_line_of_text_and_an_object_of_json() {
        let finding = Finding::new(&LOG_GAP, "facts".to_owned()).of("orders");
        assert_eq!(finding.to_string(), "BP121 log chain gap: facts");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["code"], "BP121");
        assert_eq!(json["severity"], "error");
        assert_eq!(json["database"], "orders");
        assert_eq!(json["help"], LOG_GAP.now);
    }
}
