//! Commands for PowerShell and for Bash: words with their quoting, put together into lines.
//!
//! Names come into a command by [`Word::Quoted`] only, so that no name is read as anything else.

use crate::finding::is_invisible;

/// The shell that a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shell {
    /// Windows PowerShell 5.1 and PowerShell 7.
    PowerShell,
    /// Bash.
    Bash,
}

/// A block of lines that are run one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The shell.
    pub shell: Shell,
    /// The lines, with a line end after each but the last.
    pub text: String,
    /// The arguments of every call of `bakpak` in it.
    pub calls: Vec<Vec<String>>,
}

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Fixed text, as the shell reads it.
    Bare(&'static str),
    /// A text that the shell must not read as anything else.
    Quoted(String),
    /// A named value.
    Value(&'static str),
    /// A named value that there are several of, by its number.
    Numbered(&'static str, usize),
    /// A named value with a text after it.
    After(&'static str, String),
}

/// The longest line, in characters; words that are longer stay whole.
const WIDTH: usize = 78;

/// A block that is being written.
pub(super) struct Block<'a> {
    shell: Shell,
    /// What named values stand for in [`Command::calls`].
    sample: &'a dyn Fn(&str) -> String,
    lines: Vec<String>,
    calls: Vec<Vec<String>>,
}

impl<'a> Block<'a> {
    pub(super) fn new(shell: Shell, sample: &'a dyn Fn(&str) -> String) -> Self {
        Self {
            shell,
            sample,
            lines: Vec::new(),
            calls: Vec::new(),
        }
    }

    pub(super) fn shell(&self) -> Shell {
        self.shell
    }

    pub(super) fn is_powershell(&self) -> bool {
        self.shell == Shell::PowerShell
    }

    /// A line of fixed text.
    pub(super) fn raw(&mut self, line: &str) -> &mut Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A line of words.
    pub(super) fn run(&mut self, words: &[Word]) -> &mut Self {
        let written: Vec<String> = words.iter().map(|word| self.shell.word(word)).collect();
        self.lines.push(self.shell.folded(&written));
        self
    }

    /// A line that gives a variable the content of a word.
    pub(super) fn set(&mut self, name: &str, word: &Word) -> &mut Self {
        let value = self.shell.word(word);
        self.lines.push(match self.shell {
            Shell::PowerShell => format!("${name} = {value}"),
            Shell::Bash => format!("{name}={value}"),
        });
        self
    }

    /// A call of `bakpak`.
    pub(super) fn bakpak(&mut self, words: &[Word]) -> &mut Self {
        let value = |word: &Word| match word {
            Word::Bare(text) => (*text).to_owned(),
            Word::Quoted(text) => text.clone(),
            Word::Value(name) => (self.sample)(name),
            Word::Numbered(name, number) => (self.sample)(&format!("{name}_{number}")),
            Word::After(name, text) => format!("{}{text}", (self.sample)(name)),
        };
        self.calls.push(words.iter().map(value).collect());
        let program = [Word::Bare("bakpak")];
        self.run(&[&program, words].concat())
    }

    pub(super) fn finish(self) -> Command {
        Command {
            shell: self.shell,
            text: self.lines.join("\n"),
            calls: self.calls,
        }
    }
}

impl Shell {
    /// The name by which Markdown marks code of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerShell => "powershell",
            Self::Bash => "bash",
        }
    }

    /// A text that the shell takes as it stands, on one line and without characters that nobody
    /// sees.
    pub(super) fn quote(self, text: &str) -> String {
        match self {
            Self::PowerShell => powershell(text),
            Self::Bash => bash(text),
        }
    }

    /// A line that gives a named value its content.
    pub(super) fn assign(self, name: &str, value: &str) -> String {
        let value = self.quote(value);
        match self {
            Self::PowerShell => format!("${name} = {value}"),
            Self::Bash => format!("{name}={value}"),
        }
    }

    fn word(self, word: &Word) -> String {
        match (self, word) {
            (_, Word::Bare(text)) => (*text).to_owned(),
            (_, Word::Quoted(text)) => self.quote(text),
            (Self::PowerShell, Word::Value(name)) => format!("${name}"),
            (Self::Bash, Word::Value(name)) => format!("\"${name}\""),
            (Self::PowerShell, Word::Numbered(name, number)) => format!("${name}_{number}"),
            (Self::Bash, Word::Numbered(name, number)) => format!("\"${name}_{number}\""),
            (Self::PowerShell, Word::After(name, text)) => match is_plain(text) {
                true => format!("\"${{{name}}}{text}\""),
                false => format!("(${name} + {})", powershell(text)),
            },
            (Self::Bash, Word::After(name, text)) => match is_plain(text) {
                true => format!("\"${{{name}}}{text}\""),
                false => format!("\"${name}\"{}", bash(text)),
            },
        }
    }

    /// Words as a line, or as several if they are many.
    fn folded(self, words: &[String]) -> String {
        let joint = match self {
            Self::PowerShell => " `\n    ",
            Self::Bash => " \\\n    ",
        };
        let (mut text, mut used) = (String::new(), 0);
        for word in units(words) {
            let len = word.chars().count();
            if text.is_empty() {
                used = len;
            } else if used + len + 3 <= WIDTH {
                text.push(' ');
                used += len + 1;
            } else {
                text.push_str(joint);
                used = len + 4;
            }
            text.push_str(&word);
        }
        text
    }
}

/// Words that stay on one line: an option and its value, a pipe and what it leads to.
fn units(words: &[String]) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in words {
        let is_option = word.starts_with('-') && word != "--";
        match units.last_mut() {
            Some(unit) if word.starts_with([')', ']', ';']) || (is_open && !is_option) => {
                unit.push(' ');
                unit.push_str(word);
            }
            _ => units.push(word.clone()),
        }
        is_open = is_option || matches!(word.as_str(), "|" | "Tee-Object" | "tee");
    }
    units
}

/// Whether a text means itself between double quotes, in both shells.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./\\: ".contains(c);
    // A backslash before the closing quote would take it away in Bash.
    text.chars().all(is_plain) && !text.ends_with('\\')
}

fn powershell(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut literal = String::new();
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            if !literal.is_empty() {
                parts.push(format!("'{}'", std::mem::take(&mut literal)));
            }
            parts.push(format!("[char]{}", u32::from(c)));
        } else {
            // PowerShell takes typographic quotes for the plain one.
            if matches!(c, '\'' | '\u{2018}'..='\u{201B}') {
                literal.push(c);
            }
            literal.push(c);
        }
    }
    if !literal.is_empty() || parts.is_empty() {
        parts.push(format!("'{literal}'"));
    }
    match parts.as_slice() {
        [one] if one.starts_with('\'') => one.clone(),
        // A text comes first, or numbers would be added.
        parts => format!("('' + {})", parts.join(" + ")),
    }
}

fn bash(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut quoted = "$'".to_owned();
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            _ if c.is_control() || is_invisible(c) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_a_text() {
        assert_eq!(powershell("it's $x `n"), "'it''s $x `n'");
        assert_eq!(powershell("a\u{2019}b"), "'a\u{2019}\u{2019}b'");
        assert_eq!(powershell("a\nb"), "('' + 'a' + [char]10 + 'b')");
        assert_eq!(powershell(""), "''");
        assert_eq!(bash("it's $x"), "'it'\\''s $x'");
        assert_eq!(bash("a\n'\\"), "$'a\\U0000000a\\'\\\\'");
    }

    #[test]
    fn a_value_and_what_follows_it_are_one_word() {
        let word = Word::After("HOME", "\\Packages".to_owned());
        assert_eq!(Shell::PowerShell.word(&word), "\"${HOME}\\Packages\"");
        let word = Word::After("HOME", "/$x".to_owned());
        assert_eq!(Shell::PowerShell.word(&word), "($HOME + '/$x')");
        assert_eq!(Shell::Bash.word(&word), "\"$HOME\"'/$x'");
    }

    #[test]
    fn a_long_command_goes_over_several_lines() {
        let words = vec!["x".repeat(30); 3];
        let folded = Shell::Bash.folded(&words);
        assert_eq!(folded.lines().count(), 2);
        assert!(folded.lines().next().unwrap().ends_with(" \\"));
    }

    #[test]
    fn calls_hold_what_the_program_gets() {
        let sample = |name: &str| format!("of {name}");
        let mut block = Block::new(Shell::Bash, &sample);
        block.bakpak(&[
            Word::Bare("list"),
            Word::Value("ARCHIVE"),
            Word::Quoted("a'b".to_owned()),
        ]);
        let command = block.finish();
        assert_eq!(command.text, "bakpak list \"$ARCHIVE\" 'a'\\''b'");
        assert_eq!(command.calls, [["list", "of ARCHIVE", "a'b"]]);
    }

    /// Bash itself reads every quoted text back.
    #[cfg(unix)]
    #[test]
    fn bash_reads_what_was_meant() {
        for text in [
            "it's",
            "a\nb\t\u{202e}c",
            "$(x) `y` \"z\" \\",
            "-n",
            "\u{e9}\u{1f600}",
            "",
        ] {
            let script = format!("printf %s {}", bash(text));
            let run = std::process::Command::new("bash")
                .args(["-c", &script])
                .env("LC_ALL", "C.UTF-8")
                .output();
            match run {
                Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap(), text),
                Err(_) => eprintln!("NOT RUN: there is no bash"),
            }
        }
    }
}
