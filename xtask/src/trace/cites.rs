//! Finds where code cites the specification.

use super::spec::{is_label, prefix_of};
use crate::rust_file::RustFile;

/// One label in one line of code.
#[derive(Debug, PartialEq)]
pub struct Cite {
    /// As cited.
    pub label: String,
    /// File and line.
    pub place: String,
    /// What stands there.
    pub site: Site,
}

/// What a cite stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Site {
    /// The crates and the program, outside tests.
    Code,
    /// A test, or a fuzz function.
    Test,
    /// Makers of vectors, benches, chores, the second reader.
    Other,
}

/// All cites of a Rust file.
#[must_use]
pub fn of_rust(file: &RustFile) -> Vec<Cite> {
    let is_product = ["crates/", "cli/"]
        .iter()
        .any(|folder| file.path.starts_with(folder));
    let mut cites = Vec::new();
    for line in &file.lines {
        let site = match (line.in_test || file.path.starts_with("fuzz/"), is_product) {
            (true, _) => Site::Test,
            (false, true) => Site::Code,
            (false, false) => Site::Other,
        };
        let place = format!("{}:{}", file.path, line.number);
        cites.extend(of_line(&line.text).into_iter().map(|label| Cite {
            label,
            place: place.clone(),
            site,
        }));
    }
    cites
}

/// All cites of a file in another language.
#[must_use]
pub fn of_text(path: &str, text: &str) -> Vec<Cite> {
    let numbered = text.lines().enumerate();
    numbered
        .flat_map(|(index, line)| {
            let place = format!("{path}:{}", index + 1);
            let cite = move |label| Cite {
                label,
                place: place.clone(),
                site: Site::Other,
            };
            of_line(line).into_iter().map(cite)
        })
        .collect()
}

/// The labels behind `spec: ` in a line: one, a list with commas, a range with "to".
fn of_line(line: &str) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for part in line.split("spec: ").skip(1) {
        let mut is_range = false;
        for word in part.split(' ') {
            let stripped = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            match (is_label(stripped), is_range) {
                (true, true) => labels.extend(between(labels.last(), stripped)),
                (true, false) => labels.push(stripped.to_owned()),
                _ if matches!(word, "to" | "and") => {}
                _ => break,
            }
            let goes_on = word.ends_with(',') || word.len() == stripped.len();
            is_range = word == "to";
            if !goes_on {
                break;
            }
        }
    }
    labels
}

/// The labels behind `first` up to `last`; only `last` if they are of two chapters.
fn between(first: Option<&String>, last: &str) -> Vec<String> {
    let number = |label: &str| label.split('-').nth(1).and_then(|n| n.parse::<u32>().ok());
    let prefix = prefix_of(last);
    match first
        .filter(|first| prefix_of(first) == prefix)
        .map(|first| number(first))
    {
        Some(Some(from)) => {
            let to = number(last).unwrap_or(from);
            (from + 1..=to)
                .map(|number| format!("{prefix}-{number}"))
                .collect()
        }
        _ => vec![last.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written so, lest this file cites what no specification has.
    fn line(cited: &str) -> String {
        format!("{} {cited}", "// spec:")
    }

    #[test]
    fn cites_are_single_lists_or_ranges() {
        for (cited, labels) in [
            ("ABC-1", vec!["ABC-1"]),
            ("ABC-1).", vec!["ABC-1"]),
            ("ABC-1, ABC-2: DEF-3", vec!["ABC-1", "ABC-2"]),
            (
                "ABC-2 to ABC-4, DEF-1",
                vec!["ABC-2", "ABC-3", "ABC-4", "DEF-1"],
            ),
            ("ABC-1 and DEF-2", vec!["ABC-1", "DEF-2"]),
            ("ABC-1; ABC-2", vec!["ABC-1"]),
            ("chapter 5", vec![]),
        ] {
            assert_eq!(of_line(&line(cited)), labels, "{cited}");
        }
    }

    #[test]
    fn a_cite_knows_what_it_stands_in() {
        let test = format!("#[test]\nfn a() {{\n    {}\n}}\n", line("ABC-2"));
        let text = format!("{}\nfn c() {{}}\n{test}", line("ABC-1"));
        let sites = |path| -> Vec<Site> {
            of_rust(&RustFile::parse(path, &text))
                .iter()
                .map(|cite| cite.site)
                .collect()
        };
        assert_eq!(sites("crates/a/src/b.rs"), [Site::Code, Site::Test]);
        assert_eq!(sites("crates/a/tests/b.rs"), [Site::Test, Site::Test]);
        assert_eq!(sites("test-vectors/src/b.rs"), [Site::Other, Site::Test]);
    }

    #[test]
    fn other_languages_are_read_too() {
        let cites = of_text("a.py", &format!("\nx  # {}", line("ABC-7")));
        assert_eq!(
            (cites[0].label.as_str(), cites[0].place.as_str()),
            ("ABC-7", "a.py:2")
        );
    }
}
