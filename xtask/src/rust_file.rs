//! Rust sources as text: code, comments, literals and tests told apart.
//!
//! Not a parser: it knows comments, literals and the indentation that rustfmt gives, which is
//! enough to find words in code, and cheap to trust.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A Rust source file, line by line.
pub struct RustFile {
    /// From the workspace's folder, with `/` between components.
    pub path: String,
    /// All lines in order.
    pub lines: Vec<Line>,
}

/// A line of a Rust source file.
pub struct Line {
    /// From one.
    pub number: usize,
    /// As it stands in the file.
    pub text: String,
    /// Without comments.
    pub uncommented: String,
    /// Without comments, literals blanked.
    pub code: String,
    /// Whether it belongs to a test: `#[test]`, `#[cfg(test)]`, a file of tests.
    pub in_test: bool,
}

impl RustFile {
    /// Takes a file's text apart.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Self {
        let mut lines = split(text);
        let all_tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        mark_tests(&mut lines, all_tests);
        Self {
            path: path.to_owned(),
            lines,
        }
    }

    /// Lines that are not part of a test.
    pub fn outside_tests(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.in_test)
    }
}

/// Reads all Rust files below a folder of the workspace; none if the folder is not there.
///
/// # Errors
///
/// A folder or file that cannot be read.
pub fn read_all(root: &Path, folder: &str) -> Result<Vec<RustFile>> {
    let files = read_texts(root, folder, "rs")?;
    Ok(files
        .iter()
        .map(|(path, text)| RustFile::parse(path, text))
        .collect())
}

/// Reads all files with an extension below a folder, in order, with their paths from `root`.
///
/// # Errors
///
/// A folder or file that cannot be read.
pub fn read_texts(root: &Path, folder: &str, extension: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(found);
    }
    let mut names: Vec<OsString> = fs::read_dir(&path)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect()
        })
        .with_context(|| format!("reading the folder {}", path.display()))?;
    names.sort();
    for name in names {
        let name = name.to_string_lossy().into_owned();
        let below = format!("{folder}/{name}");
        let full = root.join(&below);
        if full.is_dir() && name != "target" {
            found.extend(read_texts(root, &below, extension)?);
        } else if full.is_file() && full.extension().is_some_and(|found| found == extension) {
            let text = fs::read_to_string(&full).with_context(|| format!("reading {below}"))?;
            found.push((below, text));
        }
    }
    Ok(found)
}

/// Whether `word` stands in `text` as a whole word.
#[must_use]
pub fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// What the lexer is inside of.
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

fn split(text: &str) -> Vec<Line> {
    let characters: Vec<char> = text.chars().collect();
    let kinds = kinds(&characters);
    let mut lines = Vec::new();
    let mut start = 0;
    for (index, line) in text.split('\n').enumerate() {
        let len = line.chars().count();
        let part = characters.iter().zip(&kinds).skip(start).take(len);
        let only = |keep: fn(Kind) -> bool| -> String {
            let kept = part
                .clone()
                .map(|(&c, &kind)| if keep(kind) { c } else { ' ' });
            kept.collect::<String>().trim_end().to_owned()
        };
        lines.push(Line {
            number: index + 1,
            text: line.to_owned(),
            uncommented: only(|kind| kind != Kind::Comment),
            code: only(|kind| kind == Kind::Code),
            in_test: false,
        });
        start += len + 1;
    }
    lines
}

fn kinds(characters: &[char]) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(characters.len());
    let mut state = State::Code;
    while kinds.len() < characters.len() {
        let rest = &characters[kinds.len()..];
        let previous = kinds.len().checked_sub(1).map(|at| characters[at]);
        let (kind, len, next) = step(state, rest, previous);
        kinds.extend(std::iter::repeat_n(kind, len.min(rest.len())));
        state = next;
    }
    kinds
}

/// The kind of the next characters, how many, and what comes then.
fn step(state: State, rest: &[char], previous: Option<char>) -> (Kind, usize, State) {
    let second = rest.get(1).copied();
    match state {
        State::Code => step_code(rest, previous),
        State::LineComment if rest[0] == '\n' => (Kind::Code, 1, State::Code),
        State::LineComment => (Kind::Comment, 1, State::LineComment),
        State::BlockComment { depth } => match (rest[0], second) {
            ('/', Some('*')) => (Kind::Comment, 2, State::BlockComment { depth: depth + 1 }),
            ('*', Some('/')) if depth == 1 => (Kind::Comment, 2, State::Code),
            ('*', Some('/')) => (Kind::Comment, 2, State::BlockComment { depth: depth - 1 }),
            _ => (Kind::Comment, 1, State::BlockComment { depth }),
        },
        State::Text => match rest[0] {
            '\\' => (Kind::Literal, 2, State::Text),
            '"' => (Kind::Literal, 1, State::Code),
            _ => (Kind::Literal, 1, State::Text),
        },
        State::RawText { hashes } => {
            let closes = rest[0] == '"'
                && rest
                    .iter()
                    .skip(1)
                    .take(hashes)
                    .filter(|&&c| c == '#')
                    .count()
                    == hashes;
            match closes {
                true => (Kind::Literal, 1 + hashes, State::Code),
                false => (Kind::Literal, 1, State::RawText { hashes }),
            }
        }
    }
}

fn step_code(rest: &[char], previous: Option<char>) -> (Kind, usize, State) {
    let second = rest.get(1).copied();
    let in_word = previous.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match (rest[0], second) {
        ('/', Some('/')) => (Kind::Comment, 2, State::LineComment),
        ('/', Some('*')) => (Kind::Comment, 2, State::BlockComment { depth: 1 }),
        ('"', _) => (Kind::Literal, 1, State::Text),
        ('r', Some('"' | '#')) if !in_word || previous == Some('b') => {
            let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
            match rest.get(1 + hashes) {
                Some('"') => (Kind::Literal, 2 + hashes, State::RawText { hashes }),
                _ => (Kind::Code, 1, State::Code), // a raw identifier
            }
        }
        // A character, not a lifetime: 'x' or '\...'.
        ('\'', Some('\\')) => {
            let len = rest
                .iter()
                .skip(3)
                .position(|&c| c == '\'')
                .map_or(2, |at| at + 4);
            (Kind::Literal, len, State::Code)
        }
        ('\'', Some(_)) if rest.get(2) == Some(&'\'') => (Kind::Literal, 3, State::Code),
        _ => (Kind::Code, 1, State::Code),
    }
}

/// A test begins at its attribute, with the comments above, and ends at the closing brace (or
/// semicolon) that has the attribute's indentation.
fn mark_tests(lines: &mut [Line], all: bool) {
    let mut index = 0;
    while index < lines.len() {
        let code = &lines[index].code;
        let indent = code.len() - code.trim_start().len();
        if ["#[test]", "#[cfg(test)]"]
            .iter()
            .any(|attribute| code.trim() == *attribute)
        {
            let end = (index + 1..lines.len())
                .find(|&at| closes_item(&lines[at].code, indent))
                .unwrap_or(lines.len() - 1);
            let above = lines[..index].iter().rev();
            let comments = above.take_while(|line| line.text.trim_start().starts_with("//"));
            let start = index - comments.count();
            lines[start..=end]
                .iter_mut()
                .for_each(|line| line.in_test = true);
            index = end;
        }
        index += 1;
    }
    if all {
        lines.iter_mut().for_each(|line| line.in_test = true);
    }
}

fn closes_item(code: &str, indent: usize) -> bool {
    let own_indent = code.len() - code.trim_start().len();
    own_indent == indent
        && !code.trim_start().starts_with('#')
        && (code.trim_start().starts_with('}') || code.ends_with(';') || code.ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> Vec<String> {
        RustFile::parse("a.rs", text)
            .lines
            .into_iter()
            .map(|line| line.code)
            .collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(
            code_of("a // b\nc /* d /* e */ f */ g"),
            ["a", "c                   g"]
        );
        assert_eq!(code_of(r#"a("b // \" c") d"#)[0], "a(           ) d");
        assert_eq!(code_of("r#\"x\n\"y\"# z"), ["", "     z"]);
        assert_eq!(code_of(r"f('\'', 'x') 'a: loop"), ["f(    ,    ) 'a: loop"]);
        assert_eq!(code_of(r"f('\u{1}') // x"), ["f(       )"]);
    }

    #[test]
    fn literals_stay_where_only_comments_go() {
        let file = RustFile::parse("a.rs", "const A: &str = \"b\"; // c");
        assert_eq!(file.lines[0].uncommented, "const A: &str = \"b\";");
    }

    #[test]
    fn tests_are_marked_with_their_comments_and_nothing_more() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n\
                    // why\n#[test]\nfn d() {\n}\nfn e() {}\n#[cfg(test)]\nmod tests;\nfn f() {}";
        let file = RustFile::parse("src/a.rs", text);
        let outside: Vec<&str> = file
            .outside_tests()
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(
            outside,
            ["fn a() {}", "fn c() {}", "fn e() {}", "fn f() {}"]
        );
    }

    #[test]
    fn a_file_of_tests_is_all_test() {
        for path in ["x/tests/y.rs", "x/src/y/tests.rs"] {
            assert_eq!(
                RustFile::parse(path, "fn a() {}").outside_tests().count(),
                0,
                "{path}"
            );
        }
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("use hkdf::Hkdf", "hkdf"));
        assert!(!has_word("unsafe_code", "unsafe"));
    }
}
