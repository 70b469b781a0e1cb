//! Compares numbers of the specification with constants of the code, as `tables.toml` pairs them.

use super::constants::{Constants, Value};
use super::manifest::{tables, text_of, texts_of};
use super::spec::{self, Spec};
use std::collections::BTreeSet;

/// Where the pairs stand.
pub const PATH: &str = "xtask/tables.toml";

/// The chapter whose table has one row for each limit.
const LIMITS_CHAPTER: &str = "13";

/// The module whose constants are all limits.
const LIMITS_MODULE: &str = "limits";

/// A place of the specification, and what the code says to the numbers there.
struct Pair {
    chapter: String,
    /// The place, each number or name to compare written as `{}`.
    text: String,
    /// An expression over constants for each of them.
    constants: Vec<String>,
}

/// All disagreements, and how many numbers were compared.
///
/// # Errors
///
/// What is wrong with the list.
pub fn check(
    spec: &Spec,
    constants: &Constants,
    list: &str,
) -> Result<(Vec<String>, usize), String> {
    let pairs: Vec<Pair> = tables(list, "row")?
        .iter()
        .map(pair)
        .collect::<Result<_, _>>()?;
    let mut problems = Vec::new();
    let mut compared = 0;
    let mut lines = BTreeSet::new();
    for pair in &pairs {
        match captures(spec, pair) {
            Ok((line, found)) => {
                compared += found.len();
                lines.insert(line);
                let compared = found.iter().zip(&pair.constants);
                problems.extend(compared.filter_map(|(said, constant)| {
                    compare(constants, said, constant)
                        .err()
                        .map(|why| format!("{}:{line}: {why}", spec::PATH))
                }));
            }
            Err(why) => problems.push(format!("{PATH}: {why}")),
        }
    }
    problems.extend(unpaired_tables(spec, &lines));
    problems.extend(unpaired_limits(spec, constants, &pairs, &lines));
    Ok((problems, compared))
}

fn pair(table: &toml::Table) -> Result<Pair, String> {
    let pair = Pair {
        chapter: text_of(table, "chapter")?,
        text: text_of(table, "text")?,
        constants: texts_of(table, "constants")?,
    };
    let places = pair.text.matches("{}").count();
    match places == pair.constants.len() && places > 0 {
        true => Ok(pair),
        false => Err(format!(
            "'{}' has {places} places, {} constants",
            pair.text,
            pair.constants.len()
        )),
    }
}

/// The one line that a pair means, and what stands there in each `{}`.
fn captures(spec: &Spec, pair: &Pair) -> Result<(usize, Vec<String>), String> {
    let of_chapter = spec
        .lines
        .iter()
        .filter(|line| line.chapter == pair.chapter);
    let mut found = of_chapter.filter_map(|line| Some((line.number, fit(&line.text, &pair.text)?)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(format!(
            "chapter {} has no line '{}'",
            pair.chapter, pair.text
        )),
        (Some((one, _)), Some((two, _))) => Err(format!(
            "'{}' may be line {one} or {two} of the specification",
            pair.text
        )),
    }
}

/// What stands in each `{}` if the pattern occurs in the line; at the line's end it is the rest.
fn fit(line: &str, pattern: &str) -> Option<Vec<String>> {
    let mut parts = pattern.split("{}");
    let first = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    line.match_indices(first).find_map(|(start, _)| {
        let mut line = line.get(start + first.len()..)?;
        let mut found = Vec::new();
        for part in &rest {
            let end = if part.is_empty() {
                line.len()
            } else {
                line.find(part)?
            };
            found.push(line[..end].to_owned());
            line = &line[end + part.len()..];
        }
        Some(found)
    })
}

fn compare(constants: &Constants, said: &str, expression: &str) -> Result<(), String> {
    let agrees = match constants.compute(expression)? {
        Value::Number(value) => quantity(said) == Some(value),
        Value::Text(value) => said == value,
        Value::Range(..) => return Err(format!("'{expression}' is a range")),
    };
    match (agrees, constants.compute(expression)?) {
        (true, _) => Ok(()),
        (false, value) => Err(format!(
            "here stands '{said}', but {expression} is {value:?}"
        )),
    }
}

/// `65,536`, `8 MiB`, `16 MiB - 16`, `2^60`, each perhaps with a word behind it.
fn quantity(text: &str) -> Option<i128> {
    if let Some((left, right)) = text.split_once(" - ") {
        return Some(quantity(left)? - quantity(right)?);
    }
    let mut words = text.split_whitespace();
    let digits = words.next()?.replace(',', "");
    let number = match digits.split_once('^') {
        Some((base, power)) => base
            .parse::<i128>()
            .ok()?
            .checked_pow(power.parse().ok()?)?,
        None => digits.parse().ok()?,
    };
    let unit = match words.next() {
        None | Some("bytes") => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some(_) => return None,
    };
    words.next().is_none().then_some(number * unit)
}

/// Structure tables of which no number is compared.
fn unpaired_tables(spec: &Spec, lines: &BTreeSet<usize>) -> Vec<String> {
    let structures = spec.tables.iter().filter(|table| table.is_structure());
    structures
        .filter(|table| !table.rows.iter().any(|row| lines.contains(&row.line)))
        .map(|table| {
            format!(
                "{}:{}: {PATH} has no row for this structure",
                spec::PATH,
                table.line
            )
        })
        .collect()
}

/// Rows of the table of limits, and constants of the file of limits, that are not compared.
fn unpaired_limits(
    spec: &Spec,
    constants: &Constants,
    pairs: &[Pair],
    lines: &BTreeSet<usize>,
) -> Vec<String> {
    let chapter = spec
        .lines
        .iter()
        .filter(|line| line.chapter == LIMITS_CHAPTER);
    let numbers: BTreeSet<usize> = chapter.map(|line| line.number).collect();
    let rows = spec.tables.iter().flat_map(|table| &table.rows);
    let unpaired_rows = rows
        .filter(|row| numbers.contains(&row.line) && !lines.contains(&row.line))
        .map(|row| {
            format!(
                "{}:{}: {PATH} does not compare this limit",
                spec::PATH,
                row.line
            )
        });
    let all: Vec<&String> = pairs.iter().flat_map(|pair| &pair.constants).collect();
    let is_private_unit = |path: &&str| path.ends_with("::KIB") || path.ends_with("::MIB");
    let unpaired_constants = constants
        .of_module(LIMITS_MODULE)
        .filter(|path| !is_private_unit(path))
        .filter(|path| {
            !all.iter()
                .any(|text| crate::rust_file::has_word(text, path))
        })
        .map(|path| format!("{PATH}: the limit {path} is compared with nothing"));
    unpaired_rows.chain(unpaired_constants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust_file::RustFile;

    const SPEC: &str = "\
## 2. Header

| offset | len | field |
|---|---|---|
| 0 | 4 | magic `BPHD` |
| 4 | 60 | length: 64 to 8 MiB |

## 13. Limits

| what | limit |
|---|---|
| slots | 24, each 4,096 bytes |
";
    const CODE: &str = "pub const MAX_SLOTS: usize = 24;\npub const MAX_SLOT_LEN: usize = 4096;\n";
    const LIST: &str = r#"
[[row]]
chapter = "2"
text = "| magic `{}` |"
constants = ["header::MAGIC"]
[[row]]
chapter = "13"
text = "| slots | {}, each {} |"
constants = ["limits::MAX_SLOTS", "limits::MAX_SLOT_LEN"]
"#;

    fn run(spec: &str, code: &str, list: &str) -> Result<(Vec<String>, usize), String> {
        let header = "const MAGIC: &[u8; 4] = b\"BPHD\";\n";
        let files = [("limits", code), ("header", header)]
            .map(|(name, text)| RustFile::parse(&format!("crates/f/src/{name}.rs"), text));
        check(&Spec::parse(spec), &Constants::collect(&files), list)
    }

    fn problems(spec: &str, code: &str, list: &str) -> Vec<String> {
        run(spec, code, list).expect("a whole list").0
    }

    #[test]
    fn what_agrees_is_counted() {
        assert_eq!(run(SPEC, CODE, LIST), Ok((vec![], 3)));
    }

    #[test]
    fn another_number_on_either_side_is_found() {
        for (spec, code) in [
            (SPEC.replace("24,", "25,"), CODE.to_owned()),
            (SPEC.to_owned(), CODE.replace("4096", "4095")),
            (SPEC.replace("BPHD", "BPHE"), CODE.to_owned()),
        ] {
            let problems = problems(&spec, &code, LIST);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("here stands"), "{problems:?}");
        }
    }

    #[test]
    fn what_is_not_compared_is_found() {
        let more = format!("{CODE}pub const MAX_PATH_LEN: usize = 1;\n");
        assert!(problems(SPEC, &more, LIST)[0].contains("limits::MAX_PATH_LEN"));
        let row = format!("{SPEC}| path | 32,768 bytes |\n");
        assert!(problems(&row, CODE, LIST)[0].contains("does not compare this limit"));
        let table = SPEC.replace("## 13", "| offset | len | field |\n| 0 | 9 | x |\n\n## 13");
        assert!(problems(&table, CODE, LIST)[0].contains("no row for this structure"));
    }

    #[test]
    fn a_pair_that_fits_no_line_or_two_is_found() {
        let list = LIST.replace("| slots |", "| slats |");
        assert!(
            problems(SPEC, CODE, &list)
                .iter()
                .any(|why| why.contains("has no line"))
        );
        let twice = format!("{SPEC}| slots | 24, each 4,096 bytes |\n");
        assert!(
            problems(&twice, CODE, LIST)
                .iter()
                .any(|why| why.contains("may be line"))
        );
        assert!(run(SPEC, CODE, &LIST.replace("{}, each {}", "{}")).is_err());
    }

    #[test]
    fn quantities_have_units_and_powers() {
        for (text, value) in [
            ("65,536", Some(65_536)),
            ("8 MiB", Some(8 << 20)),
            ("16 MiB - 16", Some((16 << 20) - 16)),
            ("2^60", Some(1 << 60)),
            ("4,096 bytes", Some(4096)),
            ("many", None),
            ("4 apples", None),
        ] {
            assert_eq!(quantity(text), value, "{text}");
        }
    }
}
