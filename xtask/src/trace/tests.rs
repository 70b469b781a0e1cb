//! A small house that agrees, broken in one place at a time.

use super::*;

const SPEC: &str = "\
# The format

## 2. Header

| offset | len | field | rule |
|---|---|---|---|
| 0 | 4 | magic `BPHD` | ABC-1 |
| 4 | 4 | length | ABC-2 |

> **ABC-1** A reader MUST refuse another magic (see ABC-2).
> *Why:* UTF-8. *Vectors:* `magic-wrong`, `magic-long` (recipe).

> **ABC-2** A reader MUST refuse a length over 24.

> **ABC-3** Reading. *Vectors:* every vector is read.
";
const ERRATA: &str = "# Errata\n\n## Retired labels\n\n- **ABC-9** was a mistake.\n";
const MANIFEST: &str = r#"
[[vector]]
name = "magic-wrong"
file = "f"
rules = ["ABC-1"]
[[vector]]
name = "magic-long"
recipe = "r"
rules = ["ABC-1"]
[[vector]]
name = "smallest"
file = "g"
rules = ["ABC-3"]
"#;
const DAMAGE: &str = r#"
[[damage]]
name = "damage-magic"
rules = ["ABC-1"]
"#;
const EXCEPTIONS: &str = "";
const TABLES: &str = r#"
[[row]]
chapter = "2"
text = "magic `{}`"
constants = ["header::MAGIC"]
"#;
/// `@` stands for what begins a cite, so that this file cites nothing itself.
const CODE: &str = "\
const MAGIC: &[u8; 4] = b\"BPHD\"; // @ ABC-1
fn refuse() {} // @ ABC-2
#[test]
fn refuses() {
    // @ ABC-2
}
";
const READER: &str = "require(x, \"ABC-1\")  # @ ABC-3";

struct House {
    spec: &'static str,
    code: String,
    inputs: Inputs,
}

fn house() -> House {
    let inputs = Inputs {
        spec: SPEC.to_owned(),
        errata: ERRATA.to_owned(),
        manifest: MANIFEST.to_owned(),
        damage: DAMAGE.to_owned(),
        exceptions: EXCEPTIONS.to_owned(),
        tables: TABLES.to_owned(),
        rust: vec![],
        reader: vec![("reader.py".to_owned(), cited(READER))],
    };
    House {
        spec: SPEC,
        code: CODE.to_owned(),
        inputs,
    }
}

fn cited(text: &str) -> String {
    text.replace('@', "spec:")
}

impl House {
    fn problems(mut self) -> Vec<String> {
        let path = format!("{}/header.rs", constants::FOLDER);
        self.inputs.rust = vec![RustFile::parse(&path, &cited(&self.code))];
        check(&self.inputs).problems
    }

    fn spec(mut self, from: &str, to: &str) -> Self {
        assert!(self.spec.contains(from), "{from}");
        self.inputs.spec = self.spec.replacen(from, to, 1);
        self
    }

    fn code(mut self, from: &str, to: &str) -> Self {
        assert!(self.code.contains(from), "{from}");
        self.code = self.code.replacen(from, to, 1);
        self
    }

    fn manifest(mut self, from: &str, to: &str) -> Self {
        assert!(self.inputs.manifest.contains(from), "{from}");
        self.inputs.manifest = self.inputs.manifest.replacen(from, to, 1);
        self
    }

    fn exception(mut self, label: &str, lacks: &str) -> Self {
        let table = "[[exception]]\nreason = \"because\"\n";
        self.inputs.exceptions = format!("{table}label = \"{label}\"\nlacks = \"{lacks}\"\n");
        self
    }
}

/// One disagreement, with these words in it.
fn assert_one(house: House, words: &str) {
    let problems = house.problems();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains(words), "{problems:#?}");
}

#[test]
fn a_house_that_agrees_has_no_problem() {
    assert_eq!(house().problems(), Vec::<String>::new());
}

#[test]
fn labels_that_are_not_unique_retired_or_unknown_are_found() {
    let spec = format!("{SPEC}\n> **ABC-2** Again.\n");
    assert_one(house().spec(SPEC, &spec), "the label of line");
    let spec = format!("{SPEC}\n> **ABC-9** Again.\n");
    assert_one(house().spec(SPEC, &spec), "retired");
    assert_one(
        house().spec("(see ABC-2)", "(see ABC-4)"),
        "ABC-4 does not exist",
    );
    assert_one(
        house().spec("length | ABC-2", "length | XYZ-1"),
        "XYZ-1 does not exist",
    );
    assert_one(
        house().code("fn refuses", "// @ XYZ-1\nfn refuses"),
        "XYZ-1 does not exist",
    );
    assert_one(
        house().manifest("\"ABC-3\"", "\"ABC-3\", \"ABC-4\""),
        "ABC-4 does not exist",
    );
    let mut other = house();
    other.inputs.reader[0].1 = "\"ABC-5\"".to_owned();
    assert_one(other, "reader.py:1: ABC-5 does not exist");
}

#[test]
fn requirements_without_code_or_check_are_found() {
    assert_one(
        house().code("{} // @ ABC-2", "{}"),
        "ABC-2 has no code site",
    );
    assert_one(
        house().code("    // @ ABC-2", ""),
        "ABC-2 has no vector and no test",
    );
}

#[test]
fn a_cite_in_a_test_is_no_code_site() {
    let house = house().code("fn refuse() {} // @ ABC-2\n", "");
    assert_one(house, "ABC-2 has no code site");
}

#[test]
fn a_written_exception_excuses_what_it_names_and_nothing_else() {
    let broken = || house().code("{} // @ ABC-2", "{}");
    assert_eq!(
        broken().exception("ABC-2", "code").problems(),
        Vec::<String>::new()
    );
    assert_eq!(broken().exception("ABC-2", "check").problems().len(), 2);
}

#[test]
fn an_exception_without_a_need_is_found() {
    assert_one(house().exception("ABC-2", "code"), "needs no exception");
    assert_one(house().exception("ABC-3", "code"), "needs no exception");
    assert_one(house().exception("ABC-7", "check"), "needs no exception");
}

#[test]
fn vectors_of_one_side_only_are_found() {
    assert_one(
        house().spec("`magic-wrong`", "`magic-wrong`, `more`"),
        "the manifest has not",
    );
    assert_one(house().manifest("[\"ABC-3\"]", "[]"), "names no rule");
    assert_one(house().spec("long` (recipe)", "long`"), "without saying so");
    assert_one(house().spec("wrong`", "wrong` (recipe)"), "it has a file");
    let list = house()
        .spec("`magic-wrong`,", "`magic-wrong` or")
        .problems();
    assert!(
        list.iter()
            .any(|problem| problem.contains("is no name of a vector")),
        "{list:?}"
    );
    let twice = "name = \"smallest\"\nrules = [\"ABC-3\"]\n[[vector]]\nname = \"smallest\"";
    assert_one(
        house().manifest("name = \"smallest\"", twice),
        "is there twice",
    );
}

#[test]
fn tables_with_gaps_or_other_numbers_are_found() {
    assert_one(
        house().spec("| 4 | 4 |", "| 5 | 4 |"),
        "the one before ends at 4",
    );
    assert_one(house().spec("`BPHD`", "`BPHE`"), "here stands 'BPHE'");
    assert_one(house().code("BPHD", "BPHE"), "here stands 'BPHD'");
}

#[test]
fn nothing_may_be_empty() {
    let empty = || house().spec(SPEC, "").problems();
    assert!(
        empty()
            .iter()
            .any(|problem| problem.contains("no rule stands in"))
    );
    let manifest = house().manifest(MANIFEST, "").problems();
    assert!(manifest[0].contains("no [[vector]]"), "{manifest:?}");
    let mut other = house();
    other.inputs.reader.clear();
    assert_one(other, "no file of the second reader");
    assert!(
        check(&house().inputs)
            .problems
            .iter()
            .any(|p| p.contains("no Rust file"))
    );
}

#[test]
fn all_disagreements_are_listed_at_once() {
    let house = house()
        .spec("| 4 | 4 |", "| 5 | 4 |")
        .code("{} // @ ABC-2", "{}");
    assert_eq!(house.exception("ABC-7", "code").problems().len(), 3);
}
