//! A runbook as Markdown (CommonMark, with GitHub's tables).

use std::fmt::Write;

use super::document::{Document, Section, Step};
use super::words::shown;

impl Document {
    /// The runbook as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n", escaped(&self.title));
        // Writing to a String does not fail.
        for banner in &self.banners {
            let _ = write!(text, "\n> **{}**\n", escaped(banner));
        }
        text.push('\n');
        table(&mut text, &self.facts);
        for strip in &self.strips {
            let _ = write!(text, "\n{}\n", escaped(&strip.in_words()));
        }
        for section in &self.sections {
            write_section(&mut text, section);
        }
        text
    }
}

fn write_section(text: &mut String, section: &Section) {
    let _ = write!(text, "\n## {}  {}", section.number, escaped(&section.title));
    if let Some(minutes) = section.minutes {
        let _ = write!(text, " (about {minutes} min)");
    }
    let _ = write!(text, "\n\n*{}*\n", escaped(&section.why));
    for step in &section.steps {
        text.push('\n');
        match step {
            Step::Text(line) => {
                let _ = writeln!(text, "{}", escaped(line));
            }
            Step::Check(line) => {
                let _ = writeln!(text, "- [ ] Check: {}", escaped(line));
            }
            Step::Warning(line) => {
                let _ = writeln!(text, "> **Warning:** {}", escaped(line));
            }
            Step::Table(rows) => table(text, rows),
            Step::Command(command) => {
                let fence = fence(&command.text);
                let shell = command.shell.name();
                let _ = writeln!(text, "{fence}{shell}\n{}\n{fence}", command.text);
            }
        }
    }
}

fn table(text: &mut String, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {} | {} |", escaped(name), escaped(value));
    }
}

/// Longer than any run of backticks in a text.
fn fence(text: &str) -> String {
    let (mut longest, mut run) = (2, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest + 1)
}

/// A text that is shown as it is.
fn escaped(text: &str) -> String {
    let text = shown(text);
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut before: Option<char> = None;
    for (index, c) in text.char_indices() {
        let is_mark = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => true,
            // Between letters it marks nothing.
            '_' => {
                !(before.is_some_and(char::is_alphanumeric)
                    && text[index + 1..].starts_with(char::is_alphanumeric))
            }
            // Marks of a heading, list or quote, at the start of a line only.
            '#' | '+' | '-' | '=' | ':' => index == 0,
            // `1.` and `1)` start a list.
            '.' | ')' => index > 0 && text[..index].bytes().all(|byte| byte.is_ascii_digit()),
            // An address that is no link of ours.
            '@' => true,
            _ => false,
        };
        if is_mark {
            escaped.push('\\');
        }
        escaped.push(c);
        before = Some(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_markdown_is_escaped() {
        assert_eq!(
            escaped("a_b _c <i>*x*</i> [l](u)"),
            "a_b \\_c \\<i\\>\\*x\\*\\</i\\> \\[l\\](u)"
        );
        assert_eq!(escaped("# a"), "\\# a");
        assert_eq!(escaped("12. a 3. b"), "12\\. a 3. b");
        assert_eq!(escaped("a\n# b"), "a\\\\u{a}# b");
    }

    #[test]
    fn no_command_ends_its_own_block() {
        assert_eq!(fence("a"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
