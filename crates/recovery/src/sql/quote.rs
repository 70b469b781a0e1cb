//! Names and texts as T-SQL that every client reads in the same way.

use std::fmt::Write;

/// A name in brackets: `]` is doubled.
pub(super) fn identifier(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A text as a literal: `'` is doubled.
pub(super) fn literal(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

/// Whether clients pass a piece of SQL on as it stands.
///
/// Not so with
/// - other characters than ASCII: `sqlcmd` reads files in the code page of the machine;
/// - line breaks: the client looks for `GO`, `:r` and `!!` at the start of a line, also inside a
///   literal, and the last of these runs programs;
/// - `$(`: `sqlcmd` puts a variable in there, also inside a literal;
/// - `{{`: whoever fills in the secrets would put one into a name.
pub(super) fn is_plain(sql: &str) -> bool {
    let ascii = sql.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    ascii && !BROKEN_PAIRS.iter().any(|pair| sql.contains(pair))
}

/// What must not stand in a script: two characters that mean something to who reads it first.
const BROKEN_PAIRS: [&str; 2] = ["$(", "{{"];

/// A text as an expression of plain literals and `NCHAR`: `N'caf' + NCHAR(233)`.
///
/// `NCHAR` gets UTF-16 units: above 65535 it works under some collations only.
pub(super) fn expression(text: &str) -> String {
    let mut parts = Vec::new();
    let mut plain = String::new();
    for c in text.chars() {
        let pair_ends = plain
            .chars()
            .last()
            .is_some_and(|last| BROKEN_PAIRS.contains(&format!("{last}{c}").as_str()));
        if !matches!(c, ' '..='~') || pair_ends {
            take_literal(&mut plain, &mut parts);
        }
        match c {
            ' '..='~' => plain.push(c),
            _ => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                parts.extend(units.map(|unit| format!("NCHAR({unit})")));
            }
        }
    }
    take_literal(&mut plain, &mut parts);
    match parts.is_empty() {
        true => literal(""),
        false => parts.join(" + "),
    }
}

fn take_literal(plain: &mut String, parts: &mut Vec<String>) {
    if !plain.is_empty() {
        parts.push(literal(&std::mem::take(plain)));
    }
}

/// A text for a comment that starts with `--`: one line of ASCII, without comment marks.
pub(super) fn comment(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        let pair = (shown.chars().last(), c);
        if matches!(
            pair,
            (Some('$'), '(') | (Some('{'), '{') | (Some('/'), '*') | (Some('*'), '/')
        ) {
            shown.push(' ');
        }
        match c {
            ' '..='~' => shown.push(c),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    shown
}

/// Length as SQL Server counts it: UTF-16 units.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_marks_are_doubled() {
        assert_eq!(identifier("a]b[c'd"), "[a]]b[c'd]");
        assert_eq!(literal("a]b[c'd"), "N'a]b[c''d'");
    }

    #[test]
    fn an_expression_holds_only_what_every_client_passes_on() {
        assert_eq!(expression(""), "N''");
        assert_eq!(expression("it's"), "N'it''s'");
        assert_eq!(
            expression("a\r\nGO"),
            "N'a' + NCHAR(13) + NCHAR(10) + N'GO'"
        );
        assert_eq!(expression("caf\u{e9}"), "N'caf' + NCHAR(233)");
        assert_eq!(expression("\u{1f600}"), "NCHAR(55357) + NCHAR(56832)");
        assert_eq!(expression("$(x)"), "N'$' + N'(x)'");
        assert_eq!(expression("{{{X"), "N'{' + N'{' + N'{X'");
    }

    #[test]
    fn what_a_client_would_change_is_not_plain() {
        assert!(is_plain("RESTORE DATABASE [a b] -- $ ( {x}"));
        for text in ["a\nb", "a\tb", "\u{7f}", "\u{e9}", "$(x)", "{{x}}"] {
            assert!(!is_plain(text), "{text:?}");
        }
    }

    #[test]
    fn a_comment_stays_one_comment() {
        let text = comment("x */ y /* z\n GO \u{202e} $(a) {{b}}");
        assert_eq!(text, "x * / y / * z\\u{a} GO \\u{202e} $ (a) { {b}}");
    }
}
