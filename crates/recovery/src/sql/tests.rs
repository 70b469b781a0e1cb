//! Tests of whole scripts as text; what they mean is tested against Microsoft's parser
//! (`tests/tsql.rs`).

use super::*;

fn order() -> RestoreOrder {
    RestoreOrder {
        database: "Octopus".into(),
        target_database: "Octopus".into(),
        purpose: Purpose::Recovery,
        application: Application::Octopus,
        min_major_version: 15,
        database_version: 904,
        contained: false,
        existing: Existing::Refuse,
        steps: vec![step(StepKind::Full, 3), step(StepKind::Log, 7)],
        stop_at: None,
        certificates: Vec::new(),
        logins: Vec::new(),
        tail_file: None,
        path_style: PathStyle::Windows,
        made_from: vec!["a line */ with\nGO\n$(x) {{y}}".into()],
    }
}

fn step(kind: StepKind, file_number: u32) -> RestoreStep {
    RestoreStep {
        kind,
        files: vec!["D:\\r\\a.bak".into()],
        file_number,
        moves: match kind {
            StepKind::Full => vec![FileMove {
                logical_name: "data".into(),
                target_path: "D:\\data.mdf".into(),
            }],
            StepKind::Differential | StepKind::Log => Vec::new(),
        },
        has_checksums: false,
        is_applied_whole: false,
    }
}

fn names(order: &RestoreOrder) -> Vec<&'static str> {
    let scripts = scripts(order).expect("the order is right");
    scripts.iter().map(|script| script.name).collect()
}

/// What the change makes of an order that is right.
fn error(change: impl FnOnce(&mut RestoreOrder)) -> OrderError {
    let mut order = order();
    change(&mut order);
    scripts(&order).expect_err("the order is wrong")
}

#[test]
fn a_script_that_has_nothing_to_do_is_left_out_and_the_others_keep_their_numbers() {
    let mut order = order();
    assert_eq!(
        names(&order),
        [
            "00-preflight",
            "02-verify-media",
            "04-restore",
            "05-recover",
            "07-prove"
        ]
    );
    order.tail_file = Some("D:\\tail.trn".into());
    order.purpose = Purpose::Rehearsal;
    assert_eq!(
        names(&order),
        [
            "00-preflight",
            "02-verify-media",
            "04-restore",
            "05-recover-and-make-harmless",
            "07-prove",
            "08-drop"
        ],
        "a rehearsal leaves the old server alone"
    );
    order.purpose = Purpose::Recovery;
    order.logins.push(Login {
        name: "octopus".into(),
        kind: LoginKind::Windows,
        is_db_owner: true,
    });
    order.certificates.push(Certificate {
        name: None,
        thumbprint: [7; 20],
        files: None,
    });
    order.tail_file = Some("/old/tail.trn".into());
    assert_eq!(
        names(&order).len(),
        8,
        "the old server may be another system"
    );
}

#[test]
fn the_restore_script_reads_as_a_person_would_write_it() {
    let scripts = scripts(&order()).unwrap();
    let restore = scripts.iter().find(|one| one.name == "04-restore").unwrap();
    assert_eq!(
        restore.text,
        "\
-- 04-restore.sql
-- Restores the backup sets in their order. The database stays restoring: nobody can
-- use it before 05. An existing database is not touched.
--
-- Database: Octopus
-- Made from: a line * / with\\u{a}GO\\u{a}$ (x) { {y}}
-- Run: sqlcmd -S SERVER -E -b -V 11 -r 1 -i 04-restore.sql
SET NOCOUNT ON;
SET XACT_ABORT ON;
SET QUOTED_IDENTIFIER ON;
USE [master];
GO
IF DB_ID(N'Octopus') IS NOT NULL
    THROW 50004, N'a database of this name exists; it was not touched.', 1;
PRINT N'backup set 1 of 2';
RESTORE DATABASE [Octopus]
    FROM DISK = N'D:\\r\\a.bak'
    WITH FILE = 3,
         MOVE N'data' TO N'D:\\data.mdf',
         NORECOVERY, STATS = 10;
GO
PRINT N'backup set 2 of 2';
RESTORE LOG [Octopus]
    FROM DISK = N'D:\\r\\a.bak'
    WITH FILE = 7,
         NORECOVERY, STATS = 10;
GO
"
    );
}

#[test]
fn what_must_be_filled_in_is_told_and_stands_in_literals_only() {
    let mut order = order();
    order.logins.push(Login {
        name: "octopus".into(),
        kind: LoginKind::Sql { sid: None },
        is_db_owner: true,
    });
    for (certificate, expected) in [(1, "DMK_PASSWORD"), (2, "PVK_PASSWORD_2")] {
        order.certificates.push(Certificate {
            name: None,
            thumbprint: [certificate; 20],
            files: Some(CertificateFiles {
                certificate: "D:\\a.cer".into(),
                private_key: "D:\\a.pvk".into(),
            }),
        });
        let scripts = scripts(&order).unwrap();
        assert!(scripts[1].placeholders.iter().any(|name| name == expected));
        for script in scripts {
            let marks = script.text.matches("{{").count();
            let literals = script.placeholders.iter().map(|name| {
                let literal = format!("N'{{{{{name}}}}}'");
                script.text.matches(&literal).count()
            });
            let counts: Vec<usize> = literals.collect();
            assert!(counts.iter().all(|count| *count > 0), "{}", script.name);
            assert_eq!(counts.iter().sum::<usize>(), marks, "{}", script.name);
        }
    }
}

#[test]
fn names_and_paths_that_sql_server_cannot_take_are_refused() {
    let long = "x".repeat(129);
    assert!(matches!(
        error(|order| order.target_database = long.clone()),
        OrderError::NameTooLong {
            what: "database",
            found: 129,
            ..
        }
    ));
    let emoji = "\u{1f600}".repeat(65);
    assert!(matches!(
        error(|order| order.steps[0].moves[0].logical_name = emoji),
        OrderError::NameTooLong { found: 130, .. }
    ));
    assert!(matches!(
        error(|order| order.target_database = "a\0b".into()),
        OrderError::NoName { .. }
    ));
    assert!(matches!(
        error(|order| order.steps[1].files[0] = "a.bak".into()),
        OrderError::NoPath { .. }
    ));
    assert!(matches!(
        error(|order| order.steps[1].files[0] = format!("D:\\{}", "x".repeat(257))),
        OrderError::PathTooLong { found: 260, .. }
    ));
    assert!(matches!(
        error(|order| {
            let mut again = order.steps[0].moves[0].clone();
            again.target_path = "d:/DATA.mdf".into();
            order.steps[1].moves.push(again);
        }),
        OrderError::TwoFilesInOnePlace { .. }
    ));
    assert!(matches!(
        error(|order| order.target_database = "MSDB ".into()),
        OrderError::SystemDatabase { .. }
    ));
}

#[test]
fn a_chain_that_no_server_restores_is_refused() {
    assert_eq!(error(|order| order.steps.clear()), OrderError::NoSteps);
    for kinds in [
        &[StepKind::Log][..],
        &[StepKind::Differential],
        &[StepKind::Full, StepKind::Full],
        &[StepKind::Full, StepKind::Log, StepKind::Differential],
    ] {
        let found = error(|order| {
            order.steps = kinds.iter().map(|kind| step(*kind, 1)).collect();
        });
        let number = kinds.len();
        assert_eq!(found, OrderError::StepOutOfOrder { number });
    }
    assert_eq!(
        error(|order| order.steps[1].file_number = 0),
        OrderError::NoFileNumber { number: 2 }
    );
    assert!(matches!(
        error(|order| order.steps[0].files = vec!["D:\\a".into(); 65]),
        OrderError::StripeCount {
            number: 1,
            found: 65,
            max: 64
        }
    ));
    assert!(matches!(
        error(|order| order.steps[0].files.clear()),
        OrderError::StripeCount { found: 0, .. }
    ));
    assert_eq!(
        error(|order| order.steps[0].moves.clear()),
        OrderError::NoMoves
    );
    assert_eq!(
        error(|order| {
            order.stop_at = Some(jiff::civil::date(2024, 1, 1).at(0, 0, 0, 0));
            order.steps.pop();
        }),
        OrderError::StopAtWithoutLog
    );
    assert!(matches!(
        error(|order| order.stop_at = Some(jiff::civil::date(1752, 1, 1).at(0, 0, 0, 0))),
        OrderError::StopAtOutOfRange { .. }
    ));
    assert!(matches!(
        error(|order| order.steps = vec![step(StepKind::Full, 1); 70_081]),
        OrderError::TooMany { max: 70_080, .. }
    ));
    assert_eq!(
        error(|order| {
            order.purpose = Purpose::Rehearsal;
            order.existing = Existing::Replace;
        }),
        OrderError::RehearsalReplaces
    );
}
