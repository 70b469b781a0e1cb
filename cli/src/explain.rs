//! `bakpak explain`.

use recovery::rules::{self, Rule};

use crate::args::ExplainArguments;
use crate::exit::{Exit, Failure};
use crate::output::event::{self, Event};
use crate::output::{Output, escaped};

/// How many rules are named to whoever asks for one that does not exist.
const NEAR: usize = 3;

/// Tells one rule, or lists all.
///
/// # Errors
///
/// There is no such rule (2).
pub(crate) fn run(arguments: &ExplainArguments, output: &Output) -> anyhow::Result<Exit> {
    match &arguments.code {
        Some(code) => tell(found(code)?, output),
        None => rules::ALL.iter().for_each(|rule| list(rule, output)),
    }
    Ok(Exit::DONE)
}

fn found(typed: &str) -> Result<&'static Rule, Failure> {
    let rule = Rule::find(typed).or_else(|| Rule::find(&format!("BP{typed}")));
    rule.ok_or_else(|| {
        let failure = Failure::usage(format!("there is no rule '{}'", escaped(typed)));
        let near = near(typed).into_iter();
        let failure = near.fold(failure, |failure, rule| {
            failure.hint(format!("`bakpak explain {}`: {}", rule.code(), rule.title))
        });
        failure.hint("`bakpak explain` lists all")
    })
}

/// The rules whose titles have the word, or else those with the nearest numbers.
fn near(typed: &str) -> Vec<&'static Rule> {
    let word = typed.to_lowercase();
    let titled =
        |rule: &&&Rule| word.chars().count() > 2 && rule.title.to_lowercase().contains(&word);
    let by_title: Vec<_> = rules::ALL
        .iter()
        .filter(titled)
        .take(NEAR)
        .copied()
        .collect();
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    match digits.parse::<u16>() {
        Ok(number) if by_title.is_empty() => {
            let mut all = rules::ALL.to_vec();
            all.sort_by_key(|rule| rule.number.abs_diff(number));
            all.truncate(NEAR);
            all
        }
        _ => by_title,
    }
}

fn tell(rule: &Rule, output: &Output) {
    output.line(match rule.depends() {
        true => format!("{rule} (error or warning, as it costs something newer or not)"),
        false => format!("{rule} ({})", rule.severity),
    });
    output.line(format!("  why  {}", rule.why));
    output.line(format!("  now  {}", rule.now));
    output.event(&event(rule));
}

fn list(rule: &Rule, output: &Output) {
    output.line(format!(
        "{}  {:<7}  {}",
        rule.code(),
        rule.severity,
        rule.title
    ));
    output.event(&event(rule));
}

fn event(rule: &Rule) -> Event {
    Event::Rule(event::Rule {
        code: rule.code(),
        severity: rule.severity,
        title: rule.title,
        why: rule.why,
        now: rule.now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_any_case_and_without_its_letters() {
        for typed in ["BP121", "bp121", "121"] {
            assert_eq!(found(typed).unwrap(), &rules::LOG_GAP);
        }
    }

    #[test]
    fn who_asks_for_an_unknown_rule_is_led_to_those_that_are_near() {
        let codes = |typed: &str| {
            near(typed)
                .iter()
                .map(|rule| rule.code())
                .collect::<Vec<_>>()
        };
        assert_eq!(codes("stripe"), ["BP125"]);
        assert!(codes("BP1211").len() == NEAR && codes("BP118").contains(&"BP120".to_owned()));
        assert_eq!(codes("xyz"), [""; 0]);
        assert_eq!(codes(""), [""; 0]);
        assert_eq!(codes("99999999"), [""; 0]);
        let failure = found("nonsense\n").unwrap_err();
        assert_eq!(failure.exit(), Exit::USAGE);
        assert_eq!(failure.to_string(), "there is no rule 'nonsense\\n'");
    }
}
