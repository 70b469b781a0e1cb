//! Reads the specification: rules with their labels and vectors, and tables.

use std::collections::BTreeSet;

/// Where the specification stands.
pub const PATH: &str = "format-spec/bakpak-v1.md";

/// The specification, taken apart.
pub struct Spec {
    /// All lines.
    pub lines: Vec<Line>,
    /// All labelled requirements.
    pub rules: Vec<Rule>,
    /// All tables.
    pub tables: Vec<Table>,
}

/// A line, with the chapter it stands in.
pub struct Line {
    /// From one.
    pub number: usize,
    /// The number of the nearest heading above: `3.2`.
    pub chapter: String,
    /// As it stands.
    pub text: String,
}

/// A labelled requirement.
pub struct Rule {
    /// Where it begins.
    pub line: usize,
    /// `CHK-3`.
    pub label: String,
    /// The whole block quote in one line.
    pub text: String,
}

/// A vector that a rule names.
#[derive(Debug, PartialEq)]
pub struct NamedVector {
    /// As in the manifest.
    pub name: String,
    /// Whether the specification marks it as a recipe.
    pub recipe: bool,
}

/// What a rule says behind `*Vectors:*`.
#[derive(Debug, PartialEq)]
pub enum Vectors {
    /// These.
    Named(Vec<NamedVector>),
    /// "every vector ..."
    Every,
}

/// A table, without its line of dashes.
pub struct Table {
    /// Where it begins.
    pub line: usize,
    /// The first row.
    pub header: Vec<String>,
    /// The other rows.
    pub rows: Vec<Row>,
}

/// A row of a table.
pub struct Row {
    /// Where it stands.
    pub line: usize,
    /// Its cells, trimmed.
    pub cells: Vec<String>,
}

impl Spec {
    /// Reads the text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = lines(text);
        let rules = rules(&lines);
        let tables = tables(&lines);
        Self {
            lines,
            rules,
            tables,
        }
    }

    /// All labels that it defines.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<&str> {
        self.rules.iter().map(|rule| rule.label.as_str()).collect()
    }
}

impl Rule {
    /// Whether it is a requirement on readers or writers in so many words.
    #[must_use]
    pub fn is_must(&self) -> bool {
        crate::rust_file::has_word(&self.text, "MUST")
    }

    /// The vectors that it names.
    ///
    /// # Errors
    ///
    /// What of its list is no name.
    pub fn vectors(&self) -> Result<Vectors, String> {
        let Some((_, list)) = self.text.split_once("*Vectors:*") else {
            return Ok(Vectors::Named(Vec::new()));
        };
        let list = list.split("*Why:*").next().unwrap_or_default().trim();
        if list.starts_with("every vector") {
            return Ok(Vectors::Every);
        }
        let mut names = Vec::new();
        for item in list.trim_end_matches('.').split(',') {
            names.extend(vectors_of_item(item.trim())?);
        }
        Ok(Vectors::Named(names))
    }
}

impl Table {
    /// Whether it tells the bytes of a structure.
    #[must_use]
    pub fn is_structure(&self) -> bool {
        self.header.iter().take(3).eq(["offset", "len", "field"])
    }
}

/// The labels in a text: three capitals, a dash, a number, not part of a longer word.
#[must_use]
pub fn labels_in(text: &str) -> Vec<&str> {
    let part_of_word = |c: char| c.is_alphanumeric() || "_-".contains(c);
    text.match_indices('-')
        .filter_map(|(dash, _)| {
            let start = dash.checked_sub(3)?;
            let after = text.get(dash + 1..)?;
            let digits = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            let label = text.get(start..dash + 1 + digits)?;
            let alone = !text.get(..start)?.ends_with(part_of_word)
                && !after[digits..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            (alone && is_label(label)).then_some(label)
        })
        .collect()
}

/// Whether a word has the form of a label.
#[must_use]
pub fn is_label(word: &str) -> bool {
    word.split_once('-').is_some_and(|(prefix, number)| {
        prefix.len() == 3
            && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.is_empty()
            && !number.starts_with('0')
    })
}

/// `CHU` of `CHU-7`.
#[must_use]
pub fn prefix_of(label: &str) -> &str {
    label.split('-').next().unwrap_or(label)
}

fn lines(text: &str) -> Vec<Line> {
    let mut chapter = String::new();
    let numbered = text.lines().enumerate();
    numbered
        .map(|(index, text)| {
            if text.starts_with('#') {
                let title = text.trim_start_matches('#').trim_start();
                let number = title.split(' ').next().unwrap_or_default();
                chapter = number.trim_end_matches('.').to_owned();
            }
            Line {
                number: index + 1,
                chapter: chapter.clone(),
                text: text.to_owned(),
            }
        })
        .collect()
}

fn rules(lines: &[Line]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut inside = false;
    for line in lines {
        let Some(quoted) = line.text.strip_prefix('>') else {
            inside = false;
            continue;
        };
        let bold = quoted
            .trim()
            .strip_prefix("**")
            .and_then(|rest| rest.split_once("**"));
        if let Some((label, text)) = bold.filter(|(label, _)| is_label(label)) {
            rules.push(Rule {
                line: line.number,
                label: label.to_owned(),
                text: text.to_owned(),
            });
            inside = true;
        } else if let (true, Some(rule)) = (inside, rules.last_mut()) {
            rule.text.push(' ');
            rule.text.push_str(quoted.trim());
        }
    }
    rules
}

fn tables(lines: &[Line]) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for line in lines {
        if !line.text.starts_with('|') {
            inside = false;
        } else if !inside {
            tables.push(Table {
                line: line.number,
                header: cells(&line.text),
                rows: Vec::new(),
            });
            inside = true;
        } else if let (false, Some(table)) = (line.text.starts_with("|---"), tables.last_mut()) {
            table.rows.push(Row {
                line: line.number,
                cells: cells(&line.text),
            });
        }
    }
    tables
}

/// Cells end at a bar that is not between backticks.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in row.trim().trim_start_matches('|').chars() {
        quoted ^= c == '`';
        match (c, cells.last_mut()) {
            ('|', _) if !quoted => cells.push(String::new()),
            (_, Some(cell)) => cell.push(c),
            _ => {}
        }
    }
    cells.pop(); // behind the last bar
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// One name in backticks, perhaps with `(recipe)`, or a range of names.
fn vectors_of_item(item: &str) -> Result<Vec<NamedVector>, String> {
    let (names, recipe) = match item.strip_suffix("(recipe)") {
        Some(names) => (names.trim_end(), true),
        None => (item, false),
    };
    let names: Vec<String> = match names.split_once(" to ") {
        Some((first, last)) => range(unquote(first)?, unquote(last)?)?,
        None => vec![unquote(names)?.to_owned()],
    };
    Ok(names
        .into_iter()
        .map(|name| NamedVector { name, recipe })
        .collect())
}

fn unquote(name: &str) -> Result<&str, String> {
    name.strip_prefix('`')
        .and_then(|name| name.strip_suffix('`'))
        .filter(|name| !name.is_empty())
        .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        .ok_or_else(|| format!("'{name}' is no name of a vector"))
}

/// `kind-3` to `kind-6`: the names between, both ends included.
fn range(first: &str, last: &str) -> Result<Vec<String>, String> {
    let parts = |name: &str| {
        let (stem, number) = name.rsplit_once('-')?;
        Some((stem.to_owned(), number.parse::<u32>().ok()?))
    };
    match (parts(first), parts(last)) {
        (Some((stem, from)), Some((other, to))) if stem == other && from < to => Ok((from..=to)
            .map(|number| format!("{stem}-{number}"))
            .collect()),
        _ => Err(format!("'{first}' to '{last}' is no range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<Vec<(String, bool)>, String> {
        let spec = Spec::parse(&format!("> **ABC-1** A.\n> *Vectors:* {list}"));
        match spec.rules[0].vectors()? {
            Vectors::Named(names) => Ok(names.into_iter().map(|v| (v.name, v.recipe)).collect()),
            Vectors::Every => Ok(vec![("every".to_owned(), false)]),
        }
    }

    #[test]
    fn lists_of_vectors_have_names_recipes_and_ranges() {
        let name = |name: &str, recipe| (name.to_owned(), recipe);
        assert_eq!(
            names("`a`, `b-1` (recipe)."),
            Ok(vec![name("a", false), name("b-1", true)])
        );
        assert_eq!(
            names("`k-2` to `k-3`."),
            Ok(vec![name("k-2", false), name("k-3", false)])
        );
        assert_eq!(
            names("every vector is also read."),
            Ok(vec![name("every", false)])
        );
    }

    #[test]
    fn a_list_with_anything_else_is_refused() {
        for list in [
            "none",
            "`a` and `b`",
            "`a`,",
            "",
            "`k-3` to `k-2`",
            "`a-1` to `b-2`",
        ] {
            assert!(names(list).is_err(), "{list}");
        }
    }

    #[test]
    fn rules_are_whole_quotes_and_only_those_at_the_beginning_of_a_line() {
        let spec = Spec::parse("**ABC-9** no\n> **ABC-1** A\n> reader MUST.\n>\n> **ABC-2** B\n");
        let rules: Vec<_> = spec
            .rules
            .iter()
            .map(|r| (r.label.as_str(), r.is_must()))
            .collect();
        assert_eq!(rules, [("ABC-1", true), ("ABC-2", false)]);
    }

    #[test]
    fn labels_are_not_parts_of_other_words() {
        let text = "(ABC-1), ABC-12. HMAC-SHA-512 KEY-FILE-1 Abc-1 ABC-0 ABC-3x";
        assert_eq!(labels_in(text), ["ABC-1", "ABC-12"]);
    }

    #[test]
    fn cells_may_hold_bars_between_backticks() {
        let spec = Spec::parse("## 7. A\n| a | b |\n|---|---|\n| `c | d` | e |\n");
        assert_eq!(spec.tables[0].rows[0].cells, ["`c | d`", "e"]);
        assert_eq!(
            (spec.tables[0].line, spec.lines[2].chapter.as_str()),
            (2, "7")
        );
    }
}
