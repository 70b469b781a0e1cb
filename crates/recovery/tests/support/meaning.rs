//! What each script of an order must mean.

use recovery::sql::{
    Application, Certificate, Existing, Login, LoginKind, Purpose, RestoreOrder, RestoreStep,
    Script, StepKind,
};
use serde_json::{Value, json};

use crate::oracle::Answer;
use crate::orders::STOP_AT;

/// What the tests fill in: a quote in it must not end the literal.
pub(crate) fn secret(name: &str) -> String {
    format!("{name}'s value'")
}

/// Asserts that every script holds the statements that its order asks for.
pub(crate) fn assert_meaning(order: &RestoreOrder, scripts: &[(Script, Answer)]) {
    for (script, answer) in scripts {
        match script.name {
            "00-preflight" => check_preflight(order, answer),
            "01-certificates" => check_certificates(order, answer),
            "02-verify-media" => check_media(order, answer),
            "03-tail-of-log" => check_tail(order, answer),
            "04-restore" => check_restore(order, answer),
            "05-recover" | "05-recover-and-make-harmless" => check_recover(order, script, answer),
            "06-logins" => check_logins(order, answer),
            "07-prove" => check_prove(order, answer),
            "08-drop" => check_drop(answer),
            other => panic!("script {other} is not tested"),
        }
    }
    let has = |name| scripts.iter().any(|(script, _)| script.name == name);
    assert_eq!(has("01-certificates"), !order.certificates.is_empty());
    assert_eq!(has("06-logins"), !order.logins.is_empty());
    assert_eq!(has("08-drop"), order.purpose == Purpose::Rehearsal);
    let may_touch_old = order.purpose == Purpose::Recovery;
    assert_eq!(
        has("03-tail-of-log"),
        order.tail_file.is_some() && may_touch_old
    );
}

fn check_preflight(order: &RestoreOrder, answer: &Answer) {
    assert_only(
        answer,
        &[
            "TryCatchStatement",
            "RestoreStatement",
            "BeginEndBlockStatement",
        ],
    );
    let mut files: Vec<&String> = order.steps.iter().flat_map(|step| &step.files).collect();
    files.sort();
    files.dedup();
    let label = |path: &&String| {
        json!({"type": "RestoreStatement", "kind": "LabelOnly", "database": null,
            "devices": [["Disk", path]], "options": []})
    };
    let expected: Vec<Value> = files.iter().map(label).collect();
    assert_equal(&answer.of_type("RestoreStatement"), &expected);
    assert_equal(&answer.of_type("ThrowStatement"), &[throw(50000)]);
}

fn check_certificates(order: &RestoreOrder, answer: &Answer) {
    let numbered = (1..).zip(&order.certificates);
    let create = |(number, one): (u32, &Certificate)| {
        let files = one.files.as_ref()?;
        let digits: String = one
            .thumbprint
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        let name = one.name.clone().unwrap_or(format!("restored_{digits}"));
        Some(json!({"type": "CreateCertificateStatement", "name": name,
            "file": files.certificate, "key": files.private_key,
            "password": secret(&format!("PVK_PASSWORD_{number}"))}))
    };
    let expected: Vec<Value> = numbered.filter_map(create).collect();
    assert_equal(&answer.of_type("CreateCertificateStatement"), &expected);
    let master_keys = answer.of_type("CreateMasterKeyStatement").len();
    assert_eq!(master_keys, usize::from(!expected.is_empty()));
}

fn check_media(order: &RestoreOrder, answer: &Answer) {
    assert_only(answer, &["RestoreStatement"]);
    let verify = |step: &RestoreStep| {
        let mut options = vec![json!(["File", step.file_number.to_string()])];
        options.extend(moves_of(step));
        options.extend(step.has_checksums.then(|| json!(["Checksum"])));
        restore("VerifyOnly", None, &step.files, options)
    };
    let expected: Vec<Value> = order.steps.iter().map(verify).collect();
    assert_equal(&answer.of_type("RestoreStatement"), &expected);
    assert_eq!(
        answer.of_type("ThrowStatement").len(),
        order.certificates.len()
    );
}

fn moves_of(step: &RestoreStep) -> impl Iterator<Item = Value> {
    let moves = step.moves.iter();
    moves.map(|one| json!(["Move", one.logical_name, one.target_path]))
}

fn check_tail(order: &RestoreOrder, answer: &Answer) {
    assert_only(answer, &["BackupTransactionLogStatement"]);
    let online = ["NoRecovery", "NoInit", "Checksum", "Stats"];
    let damaged = ["NoTruncate", "NoRecovery", "NoInit", "Checksum", "Stats"];
    let backup = |options: &[&str]| {
        json!({"type": "BackupTransactionLogStatement", "database": order.database,
            "devices": [["Disk", order.tail_file]], "options": options})
    };
    let expected = [backup(&online), backup(&damaged)];
    assert_equal(&answer.of_type("BackupTransactionLogStatement"), &expected);
    // It must not run elsewhere than on the old server.
    let types = answer.types();
    let first_backup = types
        .iter()
        .position(|kind| *kind == "BackupTransactionLogStatement");
    let throws = types.iter().take(first_backup.unwrap());
    assert_eq!(throws.filter(|kind| **kind == "ThrowStatement").count(), 2);
}

fn check_restore(order: &RestoreOrder, answer: &Answer) {
    let target = Some(order.target_database.as_str());
    let replaces = order.existing == Existing::Replace;
    let step = |step: &RestoreStep| {
        let mut options = vec![json!(["File", step.file_number.to_string()])];
        options.extend(moves_of(step));
        if step.kind == StepKind::Full {
            options.extend(replaces.then(|| json!(["Replace"])));
        }
        options.extend(step.has_checksums.then(|| json!(["Checksum"])));
        let stops = step.kind == StepKind::Log && !step.is_applied_whole && order.stop_at.is_some();
        options.extend(stops.then(|| json!(["StopAt", STOP_AT])));
        options.extend([json!(["NoRecovery"]), json!(["Stats", "10"])]);
        let kind = match step.kind {
            StepKind::Log => "TransactionLog",
            _ => "Database",
        };
        restore(kind, target, &step.files, options)
    };
    let expected: Vec<Value> = order.steps.iter().map(step).collect();
    assert_equal(&answer.of_type("RestoreStatement"), &expected);

    // The first batch that restores holds what guards it.
    let first = &answer.batches[1 + usize::from(order.contained)];
    let types: Vec<_> = first
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    let restore = types
        .iter()
        .position(|kind| *kind == "RestoreStatement")
        .unwrap();
    let guard = match order.existing {
        Existing::Refuse => "ThrowStatement",
        Existing::Replace => "AlterDatabaseSetStatement",
    };
    assert!(types[..restore].contains(&guard), "{types:?}");
    let alters = match order.existing {
        Existing::Refuse => vec![],
        Existing::Replace => vec![set(order, "SingleUser")],
    };
    assert_equal(&answer.of_type("AlterDatabaseSetStatement"), &alters);
}

fn check_recover(order: &RestoreOrder, script: &Script, answer: &Answer) {
    let target = Some(order.target_database.as_str());
    let recovery = restore("Database", target, &[], vec![json!(["Recovery"])]);
    assert_equal(&answer.of_type("RestoreStatement"), &[recovery]);
    let (alters, is_harmless) = match (order.purpose, order.application) {
        (Purpose::Recovery, _) => (vec!["PageVerify", "MultiUser"], false),
        (_, Application::Octopus) => (vec!["RestrictedUser", "PageVerify", "MultiUser"], true),
        _ => (vec!["RestrictedUser", "PageVerify"], false),
    };
    let alters: Vec<Value> = alters.iter().map(|option| set(order, option)).collect();
    assert_equal(&answer.of_type("AlterDatabaseSetStatement"), &alters);
    assert_eq!(script.name == "05-recover-and-make-harmless", is_harmless);
    let tables = |kind: &str| -> Vec<Value> {
        let changes = answer.of_type(kind).into_iter();
        changes.map(|change| change["table"].clone()).collect()
    };
    let (deleted, updated) = match is_harmless {
        true => (
            vec![
                "OctopusServerNode",
                "OctopusServerNodeStatus",
                "ExtensionConfiguration",
            ],
            vec!["Subscription", "ProjectTrigger", "Machine", "Worker"],
        ),
        false => (vec![], vec![]),
    };
    assert_eq!(tables("DeleteStatement"), deleted);
    assert_eq!(tables("UpdateStatement"), updated);
    let owners = answer.of_type("AlterAuthorizationStatement");
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0]["database"], json!(order.target_database));
}

fn check_logins(order: &RestoreOrder, answer: &Answer) {
    let create = |(number, login): (u32, &Login)| {
        let mut found = json!({"type": "CreateLoginStatement", "name": login.name,
            "DefaultDatabase": order.target_database});
        match login.kind {
            LoginKind::Windows => found["source"] = json!("WindowsCreateLoginSource"),
            LoginKind::Sql { sid } => {
                found["source"] = json!("PasswordCreateLoginSource");
                found["password"] = json!(secret(&format!("LOGIN_PASSWORD_{number}")));
                if sid.is_some() {
                    found["Sid"] = json!(format!("0x{}", "A5".repeat(16)));
                }
            }
        }
        found
    };
    let expected: Vec<Value> = (1..).zip(&order.logins).map(create).collect();
    assert_equal(&answer.of_type("CreateLoginStatement"), &expected);
    let names = |kind: &str| -> Vec<Value> {
        let users = answer.of_type(kind).into_iter();
        users.map(|user| user["name"].clone()).collect()
    };
    let expected: Vec<&String> = order.logins.iter().map(|login| &login.name).collect();
    assert_eq!(json!(names("CreateUserStatement")), json!(expected));
    assert_eq!(json!(names("AlterUserStatement")), json!(expected));
    let owners = order.logins.iter().filter(|login| login.is_db_owner);
    let owners: Vec<Value> = owners
        .map(
            |login| json!({"type": "AlterRoleStatement", "name": "db_owner", "member": login.name}),
        )
        .collect();
    assert_equal(&answer.of_type("AlterRoleStatement"), &owners);
    let used = answer.of_type("UseStatement");
    let used: Vec<&Value> = used.iter().map(|one| &one["database"]).collect();
    let mut expected = vec![json!("master")];
    expected.resize(order.logins.len() + 2, json!(order.target_database));
    assert_equal(&used, &expected);
}

fn check_prove(order: &RestoreOrder, answer: &Answer) {
    assert_only(answer, &["DbccStatement", "SelectStatement"]);
    let check = json!({"type": "DbccStatement", "command": "CheckDB",
        "arguments": [order.target_database]});
    assert_equal(&answer.of_type("DbccStatement"), &[check]);
}

/// What keeps it from another database comes before it.
fn check_drop(answer: &Answer) {
    let types = answer.types();
    let drop = types
        .iter()
        .position(|kind| kind.starts_with("DropDatabase"));
    let before = &types[..drop.unwrap()];
    assert_eq!(
        before
            .iter()
            .filter(|kind| **kind == "ThrowStatement")
            .count(),
        2
    );
    let drops = types.iter().filter(|kind| kind.starts_with("Drop"));
    assert_eq!(drops.count(), 1);
}

/// A script that changes nothing holds no other statements than these and harmless ones.
fn assert_only(answer: &Answer, allowed: &[&str]) {
    const HARMLESS: [&str; 7] = [
        "DeclareVariableStatement",
        "IfStatement",
        "PredicateSetStatement",
        "PrintStatement",
        "SetVariableStatement",
        "ThrowStatement",
        "UseStatement",
    ];
    for kind in answer.types() {
        assert!(
            HARMLESS.contains(&kind) || allowed.contains(&kind),
            "{kind}"
        );
    }
}

fn assert_equal(found: &[&Value], expected: &[Value]) {
    let expected: Vec<&Value> = expected.iter().collect();
    assert_eq!(found, expected);
}

fn restore(kind: &str, database: Option<&str>, files: &[String], options: Vec<Value>) -> Value {
    let devices: Vec<Value> = files.iter().map(|path| json!(["Disk", path])).collect();
    json!({"type": "RestoreStatement", "kind": kind, "database": database, "devices": devices,
        "options": options})
}

fn set(order: &RestoreOrder, option: &str) -> Value {
    json!({"type": "AlterDatabaseSetStatement", "database": order.target_database,
        "options": [option]})
}

fn throw(number: u32) -> Value {
    json!({"type": "ThrowStatement", "number": number.to_string()})
}
