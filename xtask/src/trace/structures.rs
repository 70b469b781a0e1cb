//! Checks that the offsets and lengths of structure tables add up.

use super::spec::{PATH, Row, Spec, Table};
use std::collections::BTreeMap;

/// All rows that do not begin where the row before ends.
#[must_use]
pub fn gaps(spec: &Spec) -> Vec<String> {
    let structures = spec.tables.iter().filter(|table| table.is_structure());
    structures.flat_map(gaps_of_table).collect()
}

/// Structure tables of the specification.
#[must_use]
pub fn count(spec: &Spec) -> usize {
    spec.tables
        .iter()
        .filter(|table| table.is_structure())
        .count()
}

fn gaps_of_table(table: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for (row, next) in table.rows.iter().zip(table.rows.iter().skip(1)) {
        let (Some(end), Some(begin)) = (end_of(row), sum(cell(next, 0))) else {
            continue;
        };
        if end != begin {
            problems.push(format!(
                "{PATH}:{}: this field begins at {}, the one before ends at {}",
                next.line,
                cell(next, 0),
                words(&end)
            ));
        }
    }
    problems
}

/// A sum of a number and symbols, each with how often it occurs.
type Sum = BTreeMap<String, i64>;

/// Where a field ends, if its row says so.
fn end_of(row: &Row) -> Option<Sum> {
    if let Some((_, limit)) = cell(row, 2).split_once("zeros up to ") {
        return sum(limit.split(',').next().unwrap_or(limit));
    }
    let mut end = sum(cell(row, 0))?;
    for (symbol, count) in sum(cell(row, 1))? {
        *end.entry(symbol).or_default() += count;
    }
    end.retain(|_, count| *count != 0);
    Some(end)
}

fn cell(row: &Row, index: usize) -> &str {
    row.cells.get(index).map_or("", String::as_str)
}

/// `T - 256`, `240 + extensions_len`, `32`; `None` for all that is no such sum.
fn sum(text: &str) -> Option<Sum> {
    let mut sum = Sum::new();
    let mut sign = 1;
    let mut terms_wanted = true;
    for word in text.split_whitespace() {
        match (word, terms_wanted) {
            ("+", false) => sign = 1,
            ("-", false) => sign = -1,
            (_, false) => return None,
            (word, true) => {
                let digits = word.replace(',', "");
                match digits.parse::<i64>() {
                    Ok(number) => *sum.entry(String::new()).or_default() += sign * number,
                    Err(_) if is_symbol(word) => {
                        *sum.entry(word.to_owned()).or_default() += sign;
                    }
                    Err(_) => return None,
                }
            }
        }
        terms_wanted = !terms_wanted;
    }
    sum.retain(|_, count| *count != 0);
    (!terms_wanted).then_some(sum)
}

fn is_symbol(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn words(sum: &Sum) -> String {
    let number = sum.get("").copied().unwrap_or(0);
    let symbols = sum.iter().filter(|(symbol, _)| !symbol.is_empty());
    let terms: String = symbols
        .map(|(symbol, count)| format!("{count:+} * {symbol} "))
        .collect();
    format!("{terms}{number:+}")
        .trim_start_matches('+')
        .replace("1 * ", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps_in(rows: &str) -> usize {
        let text = format!("| offset | len | field |\n|---|---|---|\n{rows}");
        gaps(&Spec::parse(&text)).len()
    }

    #[test]
    fn whole_tables_have_no_gaps() {
        for rows in [
            "| 0 | 4 | a |\n| 4 | 1,000 | b |\n| 1004 | rest | c |\n",
            "| 0 | n | a |\n| n | 4 | zeros up to T - 4 |\n| T - 4 | 4 | c |\n",
            "| 64 | B - 80 | a |\n| B - 16 | 16 | b |\n",
            "| 15 | ... | a |\n| 20 | 4 * n / 8 | b |\n| 99 | 1 | c |\n",
        ] {
            assert_eq!(gaps_in(rows), 0, "{rows}");
        }
    }

    #[test]
    fn gaps_and_overlaps_are_found() {
        for rows in [
            "| 0 | 4 | a |\n| 5 | 1 | b |\n",
            "| 0 | 4 | a |\n| 3 | 1 | b |\n",
            "| 240 + e | 32 | a |\n| 273 + e | 1 | b |\n",
            "| 240 + e | 32 | a |\n| 272 | 1 | b |\n",
            "| 64 | B - 80 | a |\n| B - 15 | 16 | b |\n",
            "| n | ... | zeros up to S - 64 |\n| S - 60 | 4 | b |\n",
        ] {
            assert_eq!(gaps_in(rows), 1, "{rows}");
        }
    }
}
