//! Generated T-SQL, read by Microsoft's parsers: it is right, and means what the order says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail too"
)]

#[path = "support/meaning.rs"]
mod meaning;
#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "../../../cli/tests/support/needs.rs"]
mod needs;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/orders.rs"]
mod orders;

use meaning::{assert_meaning, secret};
use oracle::Answer;
use orders::{NAMES, hostile_name, shape, tame_names};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use recovery::sql::{RestoreOrder, Script, scripts};

const SHAPES: usize = 60;
const HOSTILE_ORDERS: usize = 120;

#[test]
fn the_parsers_refuse_what_is_no_tsql() {
    let wrong = [
        "RESTORE DATABSE [x] FROM DISK = N'a'",
        "RESTORE LOG [x] FROM DISK = N'a' WITH FILE = ;",
        "RESTORE LOG [x] FROM DISK = N'a' WITH NO_SUCH_OPTION;",
        "BACKUP LOG [x] TO DISK = N'it's';",
        "DECLARE @batch nvarchar(max) = N'RESTORE';\nEXEC (@batch + N' NOTHING');",
    ];
    let Some(answers) = oracle::read(wrong) else {
        return;
    };
    for (sql, answer) in wrong.iter().zip(&answers) {
        assert!(!answer.errors.is_empty(), "{sql}");
    }
}

#[test]
fn every_script_means_what_its_order_says() {
    let mut runner = TestRunner::deterministic();
    let shapes = (0..SHAPES).map(|_| shape().new_tree(&mut runner).unwrap().current());
    let names = tame_names();
    let orders: Vec<_> = shapes.map(|shape| shape.order(&names)).collect();
    let Some(read) = read_all(&orders) else {
        return;
    };
    for (order, scripts) in orders.iter().zip(&read) {
        assert_order(order, scripts);
    }
}

/// Every name of an order is hostile: the statements stay the same, and hold the names unchanged.
#[test]
fn no_name_changes_what_a_script_does() {
    let (hostile, tame) = hostile_and_tame();
    let (Some(hostile_read), Some(tame_read)) = (read_all(&hostile), read_all(&tame)) else {
        return;
    };
    for (index, order) in hostile.iter().enumerate() {
        assert_order(order, &hostile_read[index]);
        assert_eq!(hostile_read[index].len(), tame_read[index].len());
        for ((script, answer), (_, tame)) in hostile_read[index].iter().zip(&tame_read[index]) {
            assert_eq!(answer.batches.len(), tame.batches.len(), "{}", script.text);
            assert_eq!(answer.types(), tame.types(), "{}", script.text);
        }
    }
}

/// Needs no parser.
#[test]
fn no_name_changes_what_a_client_does() {
    let (hostile, tame) = hostile_and_tame();
    for (hostile, tame) in hostile.iter().zip(&tame) {
        let (hostile, tame) = (scripts(hostile).unwrap(), scripts(tame).unwrap());
        for (script, tame) in hostile.iter().zip(&tame) {
            assert_eq!(script.name, tame.name);
            assert_eq!(script.placeholders, tame.placeholders);
            let count = |script: &Script| client_batches(&script.text);
            assert_eq!(count(script), count(tame), "{}", script.text);
        }
    }
}

/// Orders of the same shapes with both kinds of names.
fn hostile_and_tame() -> (Vec<RestoreOrder>, Vec<RestoreOrder>) {
    let mut runner = TestRunner::deterministic();
    let cases = (shape(), vec(hostile_name(), NAMES));
    let cases = (0..HOSTILE_ORDERS).map(|_| cases.new_tree(&mut runner).unwrap().current());
    let orders = cases.map(|(shape, names)| (shape.order(&names), shape.order(&tame_names())));
    orders.unzip()
}

/// The scripts of all orders with what the parsers say of each.
fn read_all(orders: &[RestoreOrder]) -> Option<Vec<Vec<(Script, Answer)>>> {
    let made: Vec<Vec<Script>> = orders.iter().map(|one| scripts(one).unwrap()).collect();
    let texts: Vec<String> = made.iter().flatten().map(fill_in).collect();
    let mut answers = oracle::read(texts.iter().map(String::as_str))?.into_iter();
    let with_answers = |scripts: Vec<Script>| {
        let answers = answers.by_ref();
        scripts.into_iter().zip(answers).collect()
    };
    Some(made.into_iter().map(with_answers).collect())
}

/// Fills in secrets with a quote in them, as the header says how: in every literal twice.
fn fill_in(script: &Script) -> String {
    script
        .placeholders
        .iter()
        .fold(script.text.clone(), |text, name| {
            text.replace(
                &format!("{{{{{name}}}}}"),
                &secret(name).replace('\'', "''"),
            )
        })
}

fn assert_order(order: &RestoreOrder, scripts: &[(Script, Answer)]) {
    for (script, answer) in scripts {
        assert_eq!(answer.errors, [""; 0], "{}", script.text);
        assert_eq!(client_batches(&script.text), answer.batches.len());
    }
    assert_meaning(order, scripts);
}

/// How many batches a client sends; it must find nothing else to do before the server sees them.
fn client_batches(text: &str) -> usize {
    assert!(
        text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')),
        "{text}"
    );
    assert!(!text.contains("$("), "{text}");
    let lines = text.lines().map(|line| line.trim_start().to_lowercase());
    lines
        .inspect(|line| assert!(!line.starts_with(':') && !line.starts_with("!!"), "{text}"))
        .filter(|line| line.split_whitespace().next() == Some("go"))
        .count()
}
