//! Reads what `trace` needs of the lists in TOML: vectors, exceptions.

use toml::{Table, Value};

/// Where the manifest of the test vectors stands.
pub const MANIFEST: &str = "test-vectors/manifest.toml";

/// Where the damages stand that a repair mends or not.
pub const DAMAGE: &str = "test-vectors/damage.toml";

/// Where the written exceptions stand.
pub const EXCEPTIONS: &str = "xtask/trace-exceptions.toml";

/// A test vector, as far as the trace is concerned.
pub struct Vector {
    /// Its name.
    pub name: String,
    /// The labels that it shows.
    pub rules: Vec<String>,
    /// Whether it is made when it is needed and has no file.
    pub recipe: bool,
}

/// A requirement that has no code site, or no vector and no test, and why.
pub struct Exception {
    /// Its label.
    pub label: String,
    /// What it has not.
    pub lacks: Lack,
    /// Why not.
    pub reason: String,
}

/// What an exception is from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lack {
    /// No line of code cites it.
    Code,
    /// No vector and no test shows it.
    Check,
}

/// The vectors of a manifest.
///
/// # Errors
///
/// What is wrong with the manifest; that it has no vector is wrong too.
pub fn vectors(text: &str) -> Result<Vec<Vector>, String> {
    let vectors = tables(text, "vector")?;
    if vectors.is_empty() {
        return Err("no [[vector]] stands in it".to_owned());
    }
    vectors.iter().map(vector).collect()
}

/// The damages of their manifest: rules name them as they do vectors.
///
/// # Errors
///
/// What is wrong with the manifest; that it has no damage is wrong too.
pub fn damages(text: &str) -> Result<Vec<Vector>, String> {
    let damages = tables(text, "damage")?;
    if damages.is_empty() {
        return Err("no [[damage]] stands in it".to_owned());
    }
    damages.iter().map(vector).collect()
}

/// The written exceptions; there may be none.
///
/// # Errors
///
/// What is wrong with the list.
pub fn exceptions(text: &str) -> Result<Vec<Exception>, String> {
    tables(text, "exception")?.iter().map(exception).collect()
}

/// The tables of one array, `[[name]]`.
///
/// # Errors
///
/// What is wrong with the text.
pub fn tables(text: &str, name: &str) -> Result<Vec<Table>, String> {
    let top: Table = text.parse().map_err(|error| format!("{error}"))?;
    let items = match top.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(format!("'{name}' is no array of tables")),
    };
    let table = |item: &Value| item.as_table().cloned();
    items
        .iter()
        .map(table)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("'{name}' holds more"))
}

/// A text field of a table.
///
/// # Errors
///
/// That it is missing or no text.
pub fn text_of(table: &Table, field: &str) -> Result<String, String> {
    let value = table.get(field).and_then(Value::as_str);
    value
        .map(str::to_owned)
        .ok_or_else(|| format!("an entry without '{field}': {table:?}"))
}

/// A list of texts of a table; empty if it is missing.
///
/// # Errors
///
/// That it is no list of texts.
pub fn texts_of(table: &Table, field: &str) -> Result<Vec<String>, String> {
    let Some(value) = table.get(field) else {
        return Ok(Vec::new());
    };
    let texts = value
        .as_array()
        .map(|items| items.iter().map(Value::as_str));
    texts
        .and_then(|mut texts| texts.try_fold(Vec::new(), |all, text| Some(push(all, text?))))
        .ok_or_else(|| format!("'{field}' is no list of texts: {table:?}"))
}

fn push(mut all: Vec<String>, text: &str) -> Vec<String> {
    all.push(text.to_owned());
    all
}

fn vector(table: &Table) -> Result<Vector, String> {
    Ok(Vector {
        name: text_of(table, "name")?,
        rules: texts_of(table, "rules")?,
        recipe: table.contains_key("recipe") && !table.contains_key("file"),
    })
}

fn exception(table: &Table) -> Result<Exception, String> {
    let label = text_of(table, "label")?;
    let lacks = match text_of(table, "lacks")?.as_str() {
        "code" => Lack::Code,
        "check" => Lack::Check,
        other => {
            return Err(format!(
                "{label} lacks '{other}', which is neither code nor check"
            ));
        }
    };
    let reason = text_of(table, "reason")?;
    if reason.trim().is_empty() {
        return Err(format!("{label} has an empty reason"));
    }
    Ok(Exception {
        label,
        lacks,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_broken_manifest_is_an_error() {
        for text in [
            "",
            "vector = 1",
            "[[vector]]\nrules = []",
            "[[vector]]\nname = 1",
            "[",
        ] {
            assert!(vectors(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_vector_with_a_file_is_no_recipe() {
        let text = "[[vector]]\nname = \"a\"\nrules = [\"X\"]\nrecipe = \"r\"\n\
                    [[vector]]\nname = \"b\"\nrecipe = \"r\"\nfile = \"f\"";
        let vectors = vectors(text).expect("a whole manifest");
        assert!(vectors[0].recipe && !vectors[1].recipe);
        assert_eq!(vectors[0].rules, ["X"]);
    }

    #[test]
    fn an_exception_has_a_reason_and_says_from_what() {
        let text = |lacks, reason| {
            format!("[[exception]]\nlabel = \"L\"\nlacks = \"{lacks}\"\nreason = \"{reason}\"")
        };
        assert!(exceptions(&text("code", "because")).is_ok());
        assert!(exceptions(&text("code", " ")).is_err());
        assert!(exceptions(&text("nothing", "because")).is_err());
    }
}
