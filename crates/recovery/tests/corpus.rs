//! Plans for published backups, held against what restoring them with SQL Server gave.
//!
//! The files themselves are not needed, only their decoded headers; without those the tests say
//! that they did not run.

#![allow(clippy::unwrap_used, reason = "what the corpus lacks fails the test")]

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use mssql_backup::check::LogSummary;
use mssql_backup::guid::Guid;
use mssql_backup::lsn::Lsn;
use mssql_backup::set::{Flags, RecoveryModel};
use recovery::catalogue::Catalogue;
use recovery::media::MediaFile;
use recovery::plan::{Plan, PlanRequest, Verdict, plan};
use recovery::verdict::{Policy, Standing, judge};
use serde_json::Value;

use self::history::{codes, steps};

#[path = "support/history.rs"]
mod history;
#[path = "../../../cli/tests/support/needs.rs"]
#[allow(dead_code, reason = "this program needs no other programs")]
mod needs;

/// What is decoded of the files with this in their path; None where there is no corpus.
fn decoded(part: &str) -> Option<Vec<MediaFile>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/bak");
    let Ok(lines) = std::fs::read_to_string(beside.join("DECODED.jsonl")) else {
        needs::refused("the corpus of published backups is not here");
        return None;
    };
    let files = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let wanted = files.filter(|file| file["file"].as_str().unwrap().contains(part));
    let files: Vec<MediaFile> = wanted.map(|file| media_file(&file)).collect();
    assert!(
        !files.is_empty(),
        "nothing in the corpus has {part} in its path"
    );
    Some(files)
}

fn media_file(file: &Value) -> MediaFile {
    let path = file["file"].as_str().unwrap();
    let name = path.rsplit('/').next().unwrap();
    // Some are named after the server first, which is nobody's business.
    let name = match path.contains("-checksum") {
        true => name.split_once('_').unwrap().1,
        false => name,
    };
    let raid = &file["media"]["raid"];
    let sets = file["sets"]
        .as_array()
        .unwrap()
        .iter()
        .map(made)
        .collect::<Vec<_>>();
    let mut media = history::appended(name, &sets);
    let label = media.label.as_mut().unwrap();
    label.media_set_id = guid(&raid["media_set"]);
    label.family_count = u16::try_from(raid["families"].as_u64().unwrap()).unwrap();
    label.family_sequence_number = u16::try_from(raid["family"].as_u64().unwrap()).unwrap();
    media
}

fn made(set: &Value) -> history::Made {
    let facts = if set["tail"].is_object() {
        &set["tail"]["set"]
    } else {
        &set["head"]["set"]
    };
    let mut made = history::full(100).header(|header| {
        let letter = facts["type"].as_str().unwrap().as_bytes()[0];
        header.backup_type = mssql_backup::set::BackupType::of_letter(letter);
        header.database_name = facts["database"].as_str().map(str::to_owned);
        header.server_name = None;
        header.database_version = u16::try_from(facts["db_version"].as_u64().unwrap()).unwrap();
        header.flags = Flags(u32::try_from(facts["flags"].as_u64().unwrap()).unwrap());
        header.first_lsn = lsn(&facts["first_lsn"]);
        header.last_lsn = lsn(&facts["last_lsn"]);
        header.checkpoint_lsn = lsn(&facts["checkpoint_lsn"]);
        header.backup_start_date = time(&facts["start"]);
        header.backup_finish_date = time(&facts["finish"]);
        header.recovery_fork_id = guid(&facts["recovery_fork"]);
        header.family_guid = guid(&facts["family"]);
        header.differential_base_lsn = lsn(&facts["diff_base_lsn"]);
        header.differential_base_guid = guid(&facts["diff_base_guid"]);
        header.backup_set_guid = guid(&set["set_guid"]);
        header.recovery_model = match facts["recovery_model"].as_str() {
            Some("SIMPLE") => RecoveryModel::Simple,
            _ => RecoveryModel::Full,
        };
        let minutes = i32::try_from(set["tz_minutes"].as_i64().unwrap()).unwrap();
        header.time_zone = Offset::from_seconds(minutes * 60).ok();
    });
    made.checked.set.lineage.previous_fork_id = guid(&facts["fork_guid_b8"]);
    made.checked.set.lineage.fork_lsn = lsn(&facts["fork_lsn_ac"]);
    let log = &set["log"];
    made.checked.log = log["records"].as_u64().map(|records| LogSummary {
        blocks: log["blocks"].as_u64().unwrap_or(0),
        records,
        commits: log["commits"].as_u64().unwrap_or(0),
        first_commit: time(&log["first_commit"]),
        last_commit: time(&log["last_commit"]),
    });
    made
}

fn lsn(value: &Value) -> Option<Lsn> {
    value["num"].as_str().map(|text| text.parse().unwrap())
}

fn guid(value: &Value) -> Option<Guid> {
    let digits: String = value.as_str()?.chars().filter(|one| *one != '-').collect();
    let mut bytes: [u8; 16] = std::array::from_fn(|index| {
        u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap()
    });
    // The first three fields are printed with their last byte first.
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    Some(Guid(bytes))
}

fn time(value: &Value) -> Option<DateTime> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn plan_at(files: &[MediaFile], at: Option<&str>) -> Plan {
    let at = at.map(|at| at.parse().unwrap());
    let request = PlanRequest {
        at,
        ..PlanRequest::default()
    };
    plan(&Catalogue::of(files.to_vec()), &request).unwrap()
}

#[test]
fn a_chain_restores_as_its_publishers_restored_it_with_and_without_the_differential() {
    let Some(mut files) = decoded("chain-2008r2-full-diff-log/") else {
        return;
    };
    let plan = plan_at(&files, None);
    assert_eq!(
        steps(&plan),
        "full RestoreTimeClean.bak, diff RestoreTimeClean2.bak, log RestoreTimeClean2_1.trn, \
         log RestoreTimeClean2_2.trn, log RestoreTimeClean2_3.trn"
    );
    files.retain(|file| file.name != "RestoreTimeClean2.bak");
    assert_eq!(
        steps(&plan_at(&files, None)),
        "full RestoreTimeClean.bak, log RestoreTimeClean_1.trn, log RestoreTimeClean_2.trn, \
         log RestoreTimeClean_3.trn, log RestoreTimeClean2_1.trn, log RestoreTimeClean2_2.trn, \
         log RestoreTimeClean2_3.trn"
    );
    // The log of 13:24 has commits to 13:23:43 and is certain up to its start.
    let plan = plan_at(&files, Some("2017-06-01T13:22:43"));
    assert_eq!((plan.steps.len(), plan.verdict), (6, Verdict::Covered));
    files.retain(|file| file.name != "RestoreTimeClean_2.trn");
    let plan = plan_at(&files, Some("2017-06-01T13:22:43"));
    assert_eq!(
        (plan.verdict, codes(&plan)[0].as_str()),
        (Verdict::NotPossible, "BP121")
    );
}

#[test]
fn an_empty_log_and_a_log_that_ends_at_the_differential_prove_the_last_seconds() {
    let Some(files) = decoded("chain-2008r2-checksum/") else {
        return;
    };
    let newest = plan_at(&files, None);
    assert_eq!(
        steps(&newest),
        "full ft1_FULL_20170518_041742.bak, diff ft1_DIFF_20170518_041826.bak"
    );
    for at in ["2017-05-18T04:18:30", "2017-05-18T04:18:37"] {
        let plan = plan_at(&files, Some(at));
        assert_eq!(
            (steps(&plan), plan.verdict),
            (steps(&newest), Verdict::Covered)
        );
    }
    assert_eq!(
        plan_at(&files, Some("2017-05-18T04:18:40")).verdict,
        Verdict::NotPossible
    );
}

#[test]
fn a_striped_chain_needs_both_files_of_each_backup() {
    let Some(mut files) = decoded("striped-2008r2/") else {
        return;
    };
    assert_eq!(
        steps(&plan_at(&files, None)),
        "full RestoreTimeStripe.bak+RestoreTimeStripe1.bak, \
         log RestoreTimeStripe_1.trn+RestoreTimeStripe_1a.trn, \
         log RestoreTimeStripe_2.trn+RestoreTimeStripe_2a.trn, \
         log RestoreTimeStripe_3.trn+RestoreTimeStripe_3a.trn"
    );
    files.retain(|file| file.name != "RestoreTimeStripe_2a.trn");
    let plan = plan_at(&files, Some("2017-12-15T12:49:00"));
    assert_eq!(codes(&plan)[..2], ["BP121", "BP125"]);
    let judged = judge(&Catalogue::of(files), &Policy::default());
    assert_eq!(judged.databases[0].standing, Standing::Partly);
}

#[test]
fn the_older_of_two_fulls_with_all_logs_leads_as_far_as_the_newer() {
    let Some(mut files) = decoded("chain-2008r2-two-fulls/") else {
        return;
    };
    assert_eq!(
        steps(&plan_at(&files, None)),
        "full test_FULL_20160629_141320.bak, log test_LOG_20160629_141330.trn"
    );
    files.retain(|file| file.name != "test_FULL_20160629_141320.bak");
    assert_eq!(
        steps(&plan_at(&files, None)),
        "full test_FULL_20160629_141300.bak, log test_LOG_20160629_141310.trn, \
         log test_LOG_20160629_141330.trn"
    );
}

#[test]
fn a_lonely_stripe_and_differentials_without_a_full_are_not_restorable() {
    let Some(mut stripe) = decoded("northwind") else {
        return;
    };
    stripe.retain(|file| file.label.as_ref().unwrap().family_count == 2);
    assert_eq!(codes(&plan_at(&stripe, None)), ["BP163", "BP125"]);
    let Some(differentials) = decoded("_diff.bak") else {
        return;
    };
    let judged = judge(&Catalogue::of(differentials), &Policy::default());
    assert_eq!(judged.databases.len(), 2);
    for database in &judged.databases {
        assert_eq!(database.standing, Standing::NotRestorable);
        let missing = database
            .findings
            .iter()
            .filter(|one| one.rule.number == 122)
            .count();
        assert_eq!(missing, if database.name.ends_with('1') { 4 } else { 2 });
    }
}

#[test]
fn every_single_full_backup_is_restorable() {
    for name in [
        "singlerestore",
        "Noextension",
        "tutorialdb",
        "school",
        "pubs",
        "testdb",
    ] {
        let Some(files) = decoded(name) else {
            return;
        };
        let plan = plan_at(&files, None);
        assert_eq!(
            (plan.steps.len(), plan.verdict),
            (1, Verdict::Covered),
            "{name}"
        );
    }
}
