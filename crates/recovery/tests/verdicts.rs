//! Verdicts on all databases: what is fatal, what is only a warning, and what goes unsaid.

use jiff::{SignedDuration, Timestamp};
use mssql_backup::check::Level;
use mssql_backup::set::BackupType;
use recovery::catalogue::Catalogue;
use recovery::media::{MediaFile, Trouble};
use recovery::rules::Severity;
use recovery::verdict::{DatabaseVerdict, Policy, Standing, Verdicts, judge};

use self::history::*;

#[path = "support/history.rs"]
mod history;

fn verdicts(files: Vec<MediaFile>) -> Verdicts {
    judge(&Catalogue::of(files), &Policy::default())
}

fn verdict(made: &[Made]) -> DatabaseVerdict {
    let mut all = verdicts(files(made)).databases;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// `E121 W123`: the severities and numbers of the findings.
fn found(verdict: &DatabaseVerdict) -> String {
    let short = |finding: &recovery::finding::Finding| {
        let severity = finding.severity.name().to_uppercase();
        format!("{}{}", &severity[..1], finding.rule.number)
    };
    let mut all: Vec<String> = verdict.findings.iter().map(short).collect();
    all.sort();
    all.join(" ")
}

#[test]
fn a_whole_chain_is_restorable_without_a_word() {
    let verdict = verdict(&[full(100), log(50, 200), log(200, 300)]);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Restorable, "")
    );
    assert_eq!(
        verdict.to_string(),
        "RESTORABLE 'orders': 2024-06-15 00:01:40 (2024-06-14 22:01:40Z) to \
         2024-06-15 00:05:00 (2024-06-14 22:05:00Z)"
    );
    assert_eq!(verdict.newest.unwrap().local, time(300));
    assert_eq!(verdict.out_of_reach, None);
}

#[test]
fn a_gap_that_cuts_off_newer_logs_is_an_error() {
    let verdict = verdict(&[full(100), log(50, 200), log(300, 400), log(400, 500)]);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Partly, "E121")
    );
    assert_eq!(verdict.newest.unwrap().local, time(200));
    assert_eq!(verdict.out_of_reach.unwrap().local, time(502));
    assert!(verdict.to_string().starts_with("RESTORABLE IN PART"));
    let finding = &verdict.findings[0];
    assert!(
        finding
            .message
            .contains("LSN 1000000020000001 to 1000000030000001"),
        "{finding}"
    );
    assert!(
        finding.message.contains("00:03:22 and 2024-06-15 00:06:40"),
        "{finding}"
    );
}

#[test]
fn a_gap_that_a_later_full_leads_past_is_a_warning_and_parts_the_windows() {
    let verdict = verdict(&[full(100), log(50, 200), log(300, 400), full(350)]);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Restorable, "W121")
    );
    let windows: Vec<_> = verdict
        .windows
        .iter()
        .map(|one| (one.from.local, one.to.local))
        .collect();
    assert_eq!(windows, [(time(100), time(200)), (time(350), time(400))]);
}

#[test]
fn logs_before_the_first_full_are_orphans() {
    let verdict = verdict(&[log(10, 50), full(100), log(90, 200)]);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Restorable, "W164")
    );
    let alone = self::verdict(&[log(10, 50)]);
    assert_eq!(
        (alone.standing, found(&alone).as_str()),
        (Standing::NotRestorable, "E163 E164")
    );
}

#[test]
fn only_differentials_are_not_restorable() {
    let verdict = verdict(&[differential(&full(100), 200), differential(&full(100), 300)]);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::NotRestorable, "E122 E122 E163")
    );
}

#[test]
fn a_damaged_base_takes_its_differential_with_it() {
    let base = full(200);
    let made = [
        full(100),
        log(50, 250),
        base.clone().damaged(),
        differential(&base, 300),
    ];
    let verdict = verdict(&made);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Partly, "E122 W124")
    );
}

#[test]
fn damage_is_an_error_only_if_it_costs_something_newer() {
    let older = verdict(&[full(100).damaged(), full(200)]);
    assert_eq!(
        (older.standing, found(&older).as_str()),
        (Standing::Restorable, "W124")
    );
    let newer = verdict(&[full(100), full(200).damaged()]);
    assert_eq!(
        (newer.standing, found(&newer).as_str()),
        (Standing::Partly, "E124")
    );
    let bridged = verdict(&[full(100), full(200).damaged(), log(50, 300)]);
    assert_eq!(
        (bridged.standing, found(&bridged).as_str()),
        (Standing::Restorable, "W124")
    );
    let base = full(100);
    let equal = verdict(&[
        base.clone(),
        log(50, 199),
        differential(&base, 200).damaged(),
    ]);
    assert_eq!(
        (equal.standing, found(&equal).as_str()),
        (Standing::Restorable, "W124")
    );
    let cut = verdict(&[full(100), full(200).cut_off()]);
    assert_eq!(
        (cut.standing, found(&cut).as_str()),
        (Standing::Partly, "E134")
    );
    let short = verdict(&[full(100).failed(Level::PageCount)]);
    assert_eq!(found(&short), "E137 E163");
}

#[test]
fn a_missing_stripe_is_an_error() {
    let mut media = full(100).stripes("full", 2);
    media.pop();
    let all = verdicts(media);
    assert_eq!(found(&all.databases[0]), "E125 E163");
    assert!(!all.is_restorable());
    assert!(verdicts(full(100).stripes("full", 2)).is_restorable());
}

#[test]
fn bulk_logged_stretches_and_missing_checksums_are_warnings() {
    let made = [
        full(100),
        log(50, 200)
            .bulk_logged()
            .header(|header| header.flags.0 &= !0x10),
    ];
    let verdict = verdict(&made);
    assert_eq!(
        (verdict.standing, found(&verdict).as_str()),
        (Standing::Restorable, "W123 W127")
    );
}

#[test]
fn simple_recovery_is_said() {
    assert_eq!(found(&verdict(&[full(100).simple()])), "I169");
    assert_eq!(
        found(&verdict(&[full(100), log(50, 200), full(300).simple()])),
        "I174"
    );
}

#[test]
fn duplicates_and_kinds_that_are_not_planned_are_said() {
    let mut media = files(&[full(100)]);
    media.push(full(100).file("copy"));
    let all = verdicts(media);
    assert_eq!(found(&all.databases[0]), "I168");
    assert!(all.is_restorable());
    let of_files = log(1, 50).header(|header| header.backup_type = Some(BackupType::File));
    assert_eq!(found(&verdict(&[of_files, full(100)])), "W171");
}

#[test]
fn another_branch_is_said_and_a_copy_of_the_database_is_not() {
    let left = [full(100), log(50, 200), full(300).fork(2, 1, 150)];
    assert_eq!(found(&verdict(&left)), "W170");
    let copy = [
        full(100),
        log(50, 200),
        full(300).fork(2, 1, 99).named("orders_test"),
    ];
    let all = verdicts(files(&copy)).databases;
    assert_eq!(
        all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["orders_test", "orders"]
    );
    assert_eq!(all.iter().map(found).collect::<Vec<_>>(), ["", ""]);
}

#[test]
fn two_databases_of_one_name_are_pointed_out() {
    let all = verdicts(files(&[full(100), full(200).family(7)]));
    assert_eq!(
        all.databases.iter().map(found).collect::<Vec<_>>(),
        ["W173", "W173"]
    );
}

#[test]
fn the_age_of_the_newest_moment_is_held_against_the_rpo() {
    let catalogue = Catalogue::of(files(&[full(100), log(50, 3600)]));
    // The server is two hours east of UTC: its 01:00 is 23:00.
    let now: Timestamp = "2024-06-15T00:00:00Z".parse().unwrap();
    let judged = |rpo| {
        let policy = Policy {
            now: Some(now),
            rpo: Some(SignedDuration::from_mins(rpo)),
        };
        judge(&catalogue, &policy).databases.remove(0)
    };
    assert_eq!(judged(60).behind_s, Some(3600));
    assert_eq!(found(&judged(60)), "");
    assert_eq!(found(&judged(59)), "W129");
    assert_eq!(judged(59).standing, Standing::Restorable);
}

#[test]
fn what_is_wrong_with_files_is_said_of_files() {
    let mut media = vec![
        MediaFile {
            name: "e".to_owned(),
            trouble: Some(Trouble::Encrypted),
            ..MediaFile::default()
        },
        MediaFile {
            name: "n".to_owned(),
            ..MediaFile::default()
        },
        appended("s", &[full(100), log(50, 200)]),
        MediaFile {
            name: "u\n".to_owned(),
            trouble: Some(Trouble::Unreadable("it is a ZIP".to_owned())),
            ..MediaFile::default()
        },
    ];
    media[2].label.as_mut().unwrap().has_password = true;
    let all = verdicts(media);
    let numbers: Vec<_> = all.findings.iter().map(|one| one.rule.number).collect();
    assert_eq!(numbers, [136, 138, 120, 133, 135]);
    assert!(all.findings[4].message.starts_with("'u\\n': 'it is a ZIP'"));
    assert_eq!(all.databases[0].standing, Standing::Restorable);
    assert!(!all.is_restorable());
    assert_eq!(
        all.all_findings()
            .filter(|one| one.severity == Severity::Error)
            .count(),
        1
    );
}

#[test]
fn nothing_is_not_restorable() {
    assert!(!verdicts(Vec::new()).is_restorable());
}

#[test]
fn a_verdict_is_an_object_of_json() {
    let json = serde_json::to_value(verdicts(files(&[full(100), log(50, 200)]))).unwrap();
    let database = &json["databases"][0];
    assert_eq!(database["standing"], "restorable");
    assert_eq!(
        database["windows"][0]["from"]["local"],
        "2024-06-15T00:01:40"
    );
    assert_eq!(database["windows"][0]["last_lsn"], lsn(200).to_string());
}
