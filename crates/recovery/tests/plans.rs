//! Plans for histories made by hand: each rule, and the cases that are published as surprising.

use jiff::tz::Offset;
use recovery::catalogue::Catalogue;
use recovery::choice::{ChoiceError, Wanted};
use recovery::plan::{Plan, PlanRequest, Verdict, plan};
use recovery::rules::Severity;

use self::history::*;

#[path = "support/history.rs"]
mod history;

/// Full at 100, differential at 300, logs of 100 seconds up to 600.
fn ordinary() -> Vec<Made> {
    let base = full(100);
    let differential = differential(&base, 300);
    let logs = [log(50, 200), log(200, 350), log(350, 450), log(450, 600)];
    [base, differential].into_iter().chain(logs).collect()
}

fn at(made: &[Made], second: i64) -> Plan {
    plan_of(files(made), Some(second))
}

fn newest(made: &[Made]) -> Plan {
    plan_of(files(made), None)
}

#[test]
fn the_newest_state_takes_full_differential_and_the_logs_after_it() {
    let plan = newest(&ordinary());
    assert_eq!(steps(&plan), "full 0, diff 1, log 3, log 4, log 5");
    assert_eq!(plan.verdict, Verdict::Covered);
    assert_eq!(plan.at.unwrap().local, time(600));
    assert_eq!(codes(&plan), [] as [&str; 0]);
    assert!(plan.steps.iter().all(|step| step.stop_at.is_none()));
}

#[test]
fn a_moment_takes_what_was_finished_by_then_and_stops_in_every_log() {
    let plan = at(&ordinary(), 250);
    assert_eq!(steps(&plan), "full 0, log 2, log 3");
    let stops: Vec<_> = plan.steps.iter().map(|step| step.stop_at).collect();
    assert_eq!(stops, [None, Some(time(250)), Some(time(250))]);
    assert_eq!(plan.at.unwrap().local, time(250));
    assert_eq!(steps(&at(&ordinary(), 300)), "full 0, diff 1, log 3");
    assert_eq!(steps(&at(&ordinary(), 350)), "full 0, diff 1, log 3");
    assert_eq!(steps(&at(&ordinary(), 351)), "full 0, diff 1, log 3, log 4");
}

#[test]
fn a_moment_behind_a_change_of_the_clock_has_the_offset_of_its_own_log() {
    let offset =
        |made: Made, hours| made.header(|header| header.time_zone = Some(Offset::constant(hours)));
    let made = [
        offset(full(100), 2),
        offset(log(50, 200), 2),
        offset(log(200, 300), 1),
        offset(log(300, 400), 1),
    ];
    for (second, hours) in [(150, 2), (250, 1), (400, 1)] {
        let at = at(&made, second).at.unwrap();
        assert_eq!(at.offset, Some(Offset::constant(hours)), "{second}");
    }
    let plan = newest(&made);
    let hour = |hours| Some(Offset::constant(hours));
    assert_eq!(plan.at.unwrap().offset, hour(1));
    let window = plan.window.unwrap();
    assert_eq!(
        (window.from.offset, window.until.offset),
        (hour(2), hour(1))
    );
}

#[test]
fn the_first_log_after_a_full_starts_before_the_end_of_the_full() {
    let plan = newest(&[full(100), log(10, 200)]);
    assert_eq!(steps(&plan), "full 0, log 1");
}

#[test]
fn a_log_that_ends_exactly_where_the_base_does_adds_nothing() {
    let base = full(100);
    let plan = newest(&[base.clone(), log(50, 99), log(99, 200)]);
    assert_eq!(steps(&plan), "full 0, log 2");
    assert_eq!(steps(&newest(&[base, log(50, 99)])), "full 0");
}

#[test]
fn empty_logs_are_skipped() {
    let plan = newest(&[full(100), log(50, 200), log(200, 200), log(200, 300)]);
    assert_eq!(steps(&plan), "full 0, log 1, log 3");
}

#[test]
fn an_empty_log_proves_that_nothing_happened_until_it_was_made() {
    let made = [full(100), log(50, 200), empty_log(200, 300)];
    let plan = at(&made, 280);
    assert_eq!(
        (steps(&plan).as_str(), plan.verdict),
        ("full 0, log 1", Verdict::Covered)
    );
    assert_eq!(newest(&made).at.unwrap().local, time(300));
    assert_eq!(at(&made, 303).verdict, Verdict::NotPossible);
    // It says nothing of a log that is not here.
    assert_eq!(
        at(&[full(100), empty_log(200, 300)], 280).verdict,
        Verdict::NotPossible
    );
}

#[test]
fn a_log_that_ends_at_a_differential_proves_what_the_differential_holds() {
    let base = full(100);
    let differential = differential(&base, 200);
    let late = log(50, 199)
        .header(|header| header.backup_start_date = Some(time(230)))
        .header(|header| header.backup_finish_date = Some(time(231)));
    let plan = at(&[base, differential, late], 220);
    assert_eq!(
        (steps(&plan).as_str(), plan.verdict),
        ("full 0, diff 1", Verdict::Covered)
    );
}

#[test]
fn a_copy_only_full_is_a_base_of_logs() {
    let plan = newest(&[full(100).copy_only(), log(50, 200)]);
    assert_eq!(steps(&plan), "full 0, log 1");
}

#[test]
fn a_copy_only_log_does_not_move_the_chain() {
    let plan = newest(&[full(100), log(50, 200).copy_only(), log(50, 300)]);
    assert_eq!(steps(&plan), "full 0, log 2");
}

#[test]
fn a_copy_only_full_is_no_base_of_differentials() {
    let copy = full(100).copy_only();
    let differential = differential(&copy, 300);
    let plan = newest(&[copy, differential]);
    assert_eq!(steps(&plan), "full 0");
    assert_eq!(codes(&plan), ["BP126"]);
}

#[test]
fn a_differential_whose_base_was_followed_by_a_copy_only_full_says_so() {
    let missing = full(50);
    let differential = differential(&missing, 300);
    let plan = newest(&[full(100).copy_only(), differential]);
    assert_eq!(steps(&plan), "full 0");
    assert_eq!(codes(&plan), ["BP126"]);
}

#[test]
fn a_differential_without_its_base_is_not_used() {
    let differential = differential(&full(50), 300);
    let plan = newest(&[full(100), differential.clone()]);
    assert_eq!(
        (steps(&plan), codes(&plan)),
        ("full 0".to_owned(), vec!["BP122".to_owned()])
    );
    let alone = newest(&[differential]);
    assert_eq!(alone.verdict, Verdict::NotPossible);
    assert_eq!(codes(&alone), ["BP163", "BP122"]);
    assert!(
        alone
            .findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
}

#[test]
fn a_differential_of_an_older_full_goes_past_a_copy_only_one() {
    let base = full(100);
    let differential = differential(&base, 300);
    let plan = newest(&[base, full(200).copy_only(), differential, log(250, 400)]);
    assert_eq!(steps(&plan), "full 0, diff 2, log 3");
}

#[test]
fn a_differential_without_guids_is_matched_by_the_checkpoint() {
    let base = full(100).header(|header| header.backup_set_guid = None);
    let differential = differential(&base, 300);
    assert_eq!(steps(&newest(&[base, differential])), "full 0, diff 1");
}

#[test]
fn without_the_newest_full_the_older_one_and_all_logs_do() {
    let logs = [log(50, 200), log(200, 350), log(350, 450)];
    for broken in [full(250).damaged(), full(250).cut_off()] {
        let made: Vec<_> = [full(100), broken]
            .into_iter()
            .chain(logs.clone())
            .collect();
        let plan = newest(&made);
        assert_eq!(steps(&plan), "full 0, log 2, log 3, log 4");
        assert_eq!(plan.verdict, Verdict::Covered);
        assert_eq!(plan.findings.len(), 1);
        assert_eq!(plan.findings[0].severity, Severity::Warning);
        assert!(["BP124", "BP134"].contains(&codes(&plan)[0].as_str()));
    }
}

#[test]
fn without_a_differential_the_logs_from_the_full_on_do() {
    let mut made = ordinary();
    made[1] = made[1].clone().damaged();
    let plan = newest(&made);
    assert_eq!(steps(&plan), "full 0, log 2, log 3, log 4, log 5");
    assert_eq!(codes(&plan), ["BP124"]);
}

#[test]
fn a_backup_that_sql_server_marked_as_damaged_is_not_used() {
    let plan = newest(&[full(100).flag(mssql_backup::set::Flags::DAMAGED)]);
    assert_eq!(plan.verdict, Verdict::NotPossible);
    assert_eq!(codes(&plan), ["BP163", "BP124"]);
}

#[test]
fn a_missing_log_is_a_gap_with_both_its_ends() {
    let mut made = ordinary();
    made.remove(4);
    let plan = at(&made, 500);
    assert_eq!(plan.verdict, Verdict::NotPossible);
    assert_eq!(codes(&plan), ["BP121"]);
    let message = &plan.findings[0].message;
    assert!(message.contains(&lsn(350).to_string()), "{message}");
    assert!(message.contains(&lsn(450).to_string()), "{message}");
    assert!(
        plan.findings[0].help.contains("2024-06-15 00:05:50"),
        "{}",
        plan.findings[0].help
    );
    assert!(plan.steps.is_empty() && plan.at.is_none());
    // What lies before the gap is reached.
    assert_eq!(at(&made, 340).verdict, Verdict::Covered);
}

#[test]
fn a_damaged_log_is_a_gap_and_is_named() {
    let mut made = ordinary();
    made[4] = made[4].clone().damaged();
    let plan = at(&made, 500);
    assert_eq!(codes(&plan), ["BP121", "BP124"]);
    assert!(plan.findings[1].message.contains("'4'"));
}

#[test]
fn a_moment_is_covered_uncertain_or_not_covered() {
    let made = [full(100), log(50, 200)];
    assert_eq!(at(&made, 99).verdict, Verdict::NotPossible);
    assert_eq!(codes(&at(&made, 99)), ["BP165"]);
    assert_eq!(at(&made, 100).verdict, Verdict::Covered);
    assert_eq!(at(&made, 200).verdict, Verdict::Covered);
    assert_eq!(at(&made, 201).verdict, Verdict::Uncertain);
    assert_eq!(codes(&at(&made, 202)), ["BP167"]);
    assert_eq!(steps(&at(&made, 202)), "full 0, log 1");
    assert_eq!(at(&made, 203).verdict, Verdict::NotPossible);
    assert_eq!(codes(&at(&made, 203)), ["BP166"]);
}

#[test]
fn commit_times_settle_what_header_times_leave_open() {
    let made = [full(100), log(50, 200).commits(60, 201)];
    assert_eq!(at(&made, 201).verdict, Verdict::Covered);
    assert_eq!(at(&made, 202).verdict, Verdict::Uncertain);
    // The next log's first commit comes later: the log before holds all there is.
    let made = [full(100), log(50, 200), log(200, 300).commits(250, 290)];
    let plan = at(&made, 240);
    assert_eq!(
        (steps(&plan).as_str(), plan.verdict),
        ("full 0, log 1", Verdict::Covered)
    );
    assert_eq!(steps(&at(&made, 250)), "full 0, log 1, log 2");
}

#[test]
fn a_bulk_logged_log_is_applied_whole_or_not_at_all() {
    let made = [
        full(100),
        log(50, 200),
        log(200, 300).bulk_logged(),
        log(300, 400),
    ];
    let inside = at(&made, 250);
    assert_eq!(inside.verdict, Verdict::NotPossible);
    assert_eq!(codes(&inside), ["BP127"]);
    let help = &inside.findings[0].help;
    assert!(
        help.contains("00:03:20") && help.contains("00:05:02"),
        "{help}"
    );
    let after = at(&made, 350);
    assert_eq!(steps(&after), "full 0, log 1, log 2, log 3");
    let stops: Vec<_> = after
        .steps
        .iter()
        .map(|step| step.stop_at.is_some())
        .collect();
    assert_eq!(stops, [false, true, false, true]);
    assert_eq!(inside.windows[0].whole.len(), 1);
    assert_eq!(at(&made, 301).verdict, Verdict::NotPossible);
    assert_eq!(steps(&at(&made, 302)), steps(&after));
    // Another log backup over the same time that has no such changes serves.
    let mut made = made.to_vec();
    made.push(log(200, 260).copy_only());
    assert_eq!(steps(&at(&made, 250)), "full 0, log 1, log 4");
}

#[test]
fn simple_recovery_leads_to_the_backup_before_the_moment() {
    let base = full(100).simple();
    let differential = differential(&base, 300).simple();
    let made = [base, differential];
    let plan = at(&made, 250);
    assert_eq!(
        (steps(&plan).as_str(), plan.verdict),
        ("full 0", Verdict::Earlier)
    );
    assert_eq!(plan.at.unwrap().local, time(100));
    assert_eq!(codes(&plan), ["BP128"]);
    assert_eq!(at(&made, 300).verdict, Verdict::Covered);
    assert_eq!(steps(&newest(&made)), "full 0, diff 1");
    assert_eq!(codes(&at(&made, 50)), ["BP165"]);
}

#[test]
fn all_stripes_are_named_in_the_order_of_their_families() {
    let mut media = full(100).stripes("full", 3);
    media.reverse();
    media.extend(log(50, 200).stripes("log", 2));
    let plan = plan_of(media.clone(), None);
    assert_eq!(steps(&plan), "full full.1+full.2+full.3, log log.1+log.2");
    media.remove(1);
    let plan = plan_of(media, None);
    assert_eq!(plan.verdict, Verdict::NotPossible);
    assert_eq!(codes(&plan), ["BP163", "BP125"]);
    assert!(
        plan.findings[1].message.contains("missing: 2"),
        "{:?}",
        plan.findings
    );
}

#[test]
fn a_damaged_stripe_is_replaced_by_its_whole_copy() {
    let mut media = full(100).stripes("a", 2);
    media.extend(
        full(100)
            .damaged()
            .stripes("b", 1)
            .into_iter()
            .map(|mut file| {
                file.label.as_mut().unwrap().family_count = 2;
                file
            }),
    );
    assert_eq!(steps(&plan_of(media.clone(), None)), "full a.1+a.2");
    media[0].sets[0] = full(100).damaged().checked;
    media[2].sets[0] = full(100).checked;
    assert_eq!(steps(&plan_of(media, None)), "full b.1+a.2");
}

#[test]
fn ninety_six_sets_in_one_file_are_found_by_their_numbers() {
    let mut made = vec![full(150)];
    made.extend((1..96).map(|number| log(number * 100, number * 100 + 100)));
    let plan = plan_of(vec![appended("all.bak", &made)], Some(4950));
    assert_eq!(plan.steps.len(), 1 + 49);
    let numbers: Vec<_> = plan.steps.iter().map(|step| step.file_number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<u16>>());
    assert!(plan.steps.iter().all(|step| step.files == ["all.bak"]));
}

#[test]
fn a_file_named_twice_changes_nothing() {
    let mut media = files(&ordinary());
    let once = plan_of(media.clone(), None);
    media.extend(media.clone().into_iter().map(|file| {
        let name = format!("copy of {}", file.name);
        recovery::media::MediaFile { name, ..file }
    }));
    assert_eq!(plan_of(media, None), once);
}

#[test]
fn backups_of_the_branch_that_was_left_do_not_fit() {
    // At 400 the database was restored to 250 and went on.
    let made = [
        full(100),
        log(50, 200),
        log(200, 400),
        log(200, 500).fork(2, 1, 250),
        full(550).fork(2, 1, 250),
    ];
    assert_eq!(steps(&newest(&made[..4])), "full 0, log 1, log 3");
    assert_eq!(codes(&newest(&made[..4])), ["BP170"]);
    assert_eq!(steps(&newest(&made)), "full 4");
    // Before the restore the other branch was the truth.
    let before = at(&made, 300);
    assert_eq!(steps(&before), "full 0, log 1, log 2");
    assert_eq!(before.fork, Some(guid(1)));
    // A certain branch can be asked for.
    let fork = Some(guid(1));
    let database = Wanted {
        fork,
        ..Wanted::default()
    };
    let request = PlanRequest {
        database,
        ..PlanRequest::default()
    };
    let plan = plan(&Catalogue::of(files(&made)), &request).unwrap();
    assert_eq!(steps(&plan), "full 0, log 1, log 2");
}

#[test]
fn a_full_of_the_old_branch_leads_to_logs_of_the_new_one_if_it_was_made_before() {
    let exactly = [full(100), log(99, 500).fork(2, 1, 99)];
    assert_eq!(steps(&newest(&exactly)), "full 0, log 1");
    let old = [full(100), log(300, 500).fork(2, 1, 310)];
    let plan = newest(&old);
    assert_eq!(steps(&plan), "full 0");
    // Made after the branch was left: of the history that was undone.
    let undone = [full(400), log(300, 500).fork(2, 1, 310)];
    let plan = newest(&undone);
    assert_eq!(steps(&plan), "full 0");
    assert_eq!(plan.fork, Some(guid(1)));
}

#[test]
fn several_databases_have_to_be_named() {
    let made = [full(100), full(200).family(7).named("stock")];
    let catalogue = Catalogue::of(files(&made));
    let error = plan(&catalogue, &PlanRequest::default()).unwrap_err();
    let ChoiceError::Several(choices) = &error else {
        panic!("{error}");
    };
    let names: Vec<_> = choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!(names, ["orders", "stock"]);
    assert!(error.to_string().contains("'stock'"));
    let named = |name: &str| {
        let database = Wanted {
            name: Some(name.to_owned()),
            ..Wanted::default()
        };
        plan(
            &catalogue,
            &PlanRequest {
                database,
                ..PlanRequest::default()
            },
        )
    };
    assert_eq!(steps(&named("STOCK").unwrap()), "full 1");
    assert!(matches!(named("none"), Err(ChoiceError::NoneFits(all)) if all.len() == 2));
    let nothing = plan(&Catalogue::of(Vec::new()), &PlanRequest::default());
    assert_eq!(nothing, Err(ChoiceError::Nothing));
}

#[test]
fn two_databases_of_one_name_are_told_apart_by_family() {
    let made = [full(100), full(200).family(7)];
    let catalogue = Catalogue::of(files(&made));
    let name = Some("orders".to_owned());
    let mut database = Wanted {
        name,
        ..Wanted::default()
    };
    let request = PlanRequest {
        database: database.clone(),
        ..PlanRequest::default()
    };
    assert!(matches!(
        plan(&catalogue, &request),
        Err(ChoiceError::Several(_))
    ));
    database.family = Some(guid(7));
    let request = PlanRequest {
        database,
        ..PlanRequest::default()
    };
    assert_eq!(steps(&plan(&catalogue, &request).unwrap()), "full 1");
}

#[test]
fn a_copy_under_another_name_is_another_database_and_a_renamed_one_is_not() {
    let copy = [full(100), full(300).fork(2, 1, 99).named("orders_test")];
    let catalogue = Catalogue::of(files(&copy));
    assert!(matches!(
        plan(&catalogue, &PlanRequest::default()),
        Err(ChoiceError::Several(_))
    ));
    let name = Some("orders".to_owned());
    let database = Wanted {
        name,
        ..Wanted::default()
    };
    let request = PlanRequest {
        database,
        ..PlanRequest::default()
    };
    assert_eq!(steps(&plan(&catalogue, &request).unwrap()), "full 0");
    let renamed = [full(100), log(50, 200).named("orders2")];
    let plan = newest(&renamed);
    assert_eq!(
        (steps(&plan).as_str(), plan.database.as_str()),
        ("full 0, log 1", "orders2")
    );
}

#[test]
fn a_target_older_than_the_newest_set_of_the_chain_is_refused() {
    let upgraded = log(50, 200).header(|header| header.database_version = 957);
    let catalogue = Catalogue::of(files(&[full(100), upgraded]));
    let to = |major| {
        let to_sql_version = Some(major);
        plan(
            &catalogue,
            &PlanRequest {
                to_sql_version,
                ..PlanRequest::default()
            },
        )
        .unwrap()
    };
    assert_eq!(to(16).verdict, Verdict::Covered);
    assert_eq!(codes(&to(15)), ["BP140"]);
    assert_eq!(
        (to(15).verdict, to(15).steps.len()),
        (Verdict::NotPossible, 0)
    );
}

#[test]
fn backups_without_checksums_are_counted() {
    let plain = |made: Made| made.header(|header| header.flags.0 &= !0x10);
    let plan = newest(&[full(100), plain(log(50, 200))]);
    assert_eq!(codes(&plan), ["BP123"]);
    assert!(plan.findings[0].message.starts_with("1 of 2"));
}

#[test]
fn a_header_without_an_lsn_or_kind_is_not_planned_with() {
    for lacking in [
        full(100).header(|header| header.last_lsn = None),
        full(100).header(|header| header.backup_finish_date = None),
        full(100).header(|header| header.backup_type = None),
    ] {
        let plan = newest(&[lacking]);
        assert_eq!(plan.verdict, Verdict::NotPossible);
        assert_eq!(codes(&plan)[0], "BP163");
    }
}

#[test]
fn a_forged_label_costs_nothing() {
    let mut file = full(100).file("x");
    let label = file.label.as_mut().unwrap();
    (label.family_count, label.family_sequence_number) = (u16::MAX, u16::MAX);
    let plan = plan_of(vec![file], None);
    assert_eq!(codes(&plan), ["BP163", "BP125"]);
    assert!(
        plan.findings[1]
            .message
            .contains("1, 2, 3, 4, 5, 6, 7, 8 and 56 more")
    );
}

#[test]
fn a_circle_of_branches_ends() {
    let made = [full(100).fork(2, 3, 90), full(200).fork(3, 2, 190)];
    assert_eq!(steps(&newest(&made)), "full 1");
}

#[test]
fn tens_of_thousands_of_sets_are_planned_with() {
    // Each full is the base of its differential, and each log has bulk-logged changes: what
    // compares all with all would take minutes here.
    let mut made = Vec::new();
    for hour in 1..10_000 {
        let base = full(hour * 100);
        made.push(differential(&base, hour * 100 + 50));
        made.push(log(hour * 100 - 50, hour * 100 + 50).bulk_logged());
        made.push(base);
    }
    let plan = plan_of(vec![appended("all.bak", &made)], Some(999_960));
    assert_eq!(plan.verdict, Verdict::NotPossible);
    assert_eq!(codes(&plan)[0], "BP166");
    assert_eq!(plan.windows.len(), 1);
    let judged = recovery::verdict::judge(
        &Catalogue::of(vec![appended("all.bak", &made)]),
        &recovery::verdict::Policy::default(),
    );
    assert_eq!(judged.databases.len(), 1);
}

#[test]
fn names_that_differ_in_case_only_are_told_apart_if_written_exactly() {
    let made = [full(100), full(200).family(7).named("Orders")];
    let catalogue = Catalogue::of(files(&made));
    let named = |name: &str| {
        let name = Some(name.to_owned());
        let database = Wanted {
            name,
            ..Wanted::default()
        };
        let request = PlanRequest {
            database,
            ..PlanRequest::default()
        };
        plan(&catalogue, &request)
    };
    assert_eq!(steps(&named("Orders").unwrap()), "full 1");
    assert!(matches!(named("ORDERS"), Err(ChoiceError::Several(_))));
}

#[test]
fn a_differential_of_another_guid_does_not_fit_though_its_lsn_does() {
    let base = full(100);
    let other =
        differential(&base, 300).header(|header| header.differential_base_guid = Some(guid(99)));
    assert_eq!(steps(&newest(&[base, other])), "full 0");
}

#[test]
fn stripes_whose_commits_are_not_understood_prove_nothing() {
    let silent = log(99, 300).commits(250, 290);
    let mut media = silent.stripes("log", 2);
    media.push(full(100).file("full"));
    assert_eq!(steps(&plan_of(media.clone(), Some(200))), "full full");
    let stripe = media[1].sets[0].log.as_mut().unwrap();
    (stripe.first_commit, stripe.last_commit) = (None, None);
    let plan = plan_of(media, Some(200));
    assert_eq!(steps(&plan), "full full, log log.1+log.2");
}

#[test]
fn of_several_branches_the_one_that_was_alive_at_the_moment_is_taken() {
    let made = [
        full(100),
        full(300).fork(2, 1, 99),
        log(290, 600).fork(2, 1, 99),
        log(90, 600),
    ];
    let plan = at(&made, 400);
    assert_eq!(
        (plan.fork, steps(&plan).as_str()),
        (Some(guid(2)), "full 1, log 2")
    );
    assert_eq!(at(&made, 200).fork, Some(guid(1)));
}
