//! A script: its batches under a header that says what it is and how it is run.

use super::batch::Batch;
use super::order::RestoreOrder;
use super::quote;

/// A T-SQL script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file's name without `.sql`, as `04-restore`.
    pub name: &'static str,
    /// The script: ASCII, lines ended by a line feed.
    pub text: String,
    /// What must be filled in, without the braces, in the order of first use.
    pub placeholders: Vec<String>,
}

/// A script before its header is put on.
pub(super) struct Draft {
    /// As in [`Script`].
    pub(super) name: &'static str,
    /// What it does and when to run it; a line each.
    pub(super) about: &'static [&'static str],
    /// What runs, in order.
    pub(super) batches: Vec<Batch>,
}

impl Draft {
    /// Puts header and preamble on.
    pub(super) fn finish(self, order: &RestoreOrder) -> Script {
        let mut placeholders: Vec<String> = Vec::new();
        for secret in self.batches.iter().flat_map(Batch::secrets) {
            if !placeholders.iter().any(|known| known == secret) {
                placeholders.push(secret.to_owned());
            }
        }
        let mut text = self.header(order, &placeholders);
        text.push_str(PREAMBLE);
        for batch in &self.batches {
            batch.render(&mut text);
        }
        Script {
            name: self.name,
            text,
            placeholders,
        }
    }

    fn header(&self, order: &RestoreOrder, placeholders: &[String]) -> String {
        let mut lines = vec![format!("{}.sql", self.name)];
        lines.extend(self.about.iter().map(|line| (*line).to_owned()));
        lines.push(String::new());
        lines.push(format!("Database: {}", order.target_database));
        let sources = order.made_from.iter();
        lines.extend(sources.map(|source| format!("Made from: {source}")));
        if !placeholders.is_empty() {
            let names = placeholders.join(", ");
            lines.push(format!(
                "Fill in, where it stands in double braces (write ' twice): {names}"
            ));
        }
        // -b and -V end the run at the first error, -r 1 shows errors apart from results.
        lines.push(format!(
            "Run: sqlcmd -S SERVER -E -b -V 11 -r 1 -i {}.sql",
            self.name
        ));
        let comment = |line: String| match line.is_empty() {
            true => "--\n".to_owned(),
            false => format!("-- {}\n", quote::comment(&line)),
        };
        lines.into_iter().map(comment).collect()
    }
}

/// What every script starts with. `sqlcmd` connects with QUOTED_IDENTIFIER off, and then tables
/// with filtered indexes refuse changes.
const PREAMBLE: &str = "\
SET NOCOUNT ON;
SET XACT_ABORT ON;
SET QUOTED_IDENTIFIER ON;
USE [master];
GO
";
