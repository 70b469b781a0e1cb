//! What the time strips look like.

use recovery::branch::branches;
use recovery::catalogue::Catalogue;
use recovery::chain::Chain;
use recovery::strip;

use self::history::*;

#[path = "support/history.rs"]
mod history;

const HOUR: i64 = 3600;

fn axis(made: &[Made]) -> String {
    let catalogue = Catalogue::of(files(made));
    let backups = &catalogue.databases[0].backups;
    let branch = &branches(backups)[0];
    let chain = Chain::of(backups, branch, |backup| backup.defects().is_empty());
    strip::of_chain(&chain, 40)
}

#[test]
fn a_plan_is_drawn_with_full_differential_logs_and_stop_time() {
    let base = full(HOUR);
    let differential = differential(&base, 2 * HOUR);
    let logs = (4..9).map(|half| log(half * HOUR / 2 - 60, half * HOUR / 2 + HOUR / 2 - 60));
    let log_file = appended("logs.trn", &logs.collect::<Vec<_>>());
    let media = || {
        vec![
            base.file("full.bak"),
            differential.file("diff.bak"),
            log_file.clone(),
        ]
    };
    let plan = plan_of(media(), Some(4 * HOUR + 60));
    assert_eq!(
        strip::of_plan(&plan, 100),
        "01:00 ────────█ FULL set 1 ── 02:00 ▌ DIFF set 1 ── │││││ LOG 1…5 ─┤ STOPAT 04:01 (02:01Z)"
    );
    assert_eq!(
        strip::of_plan(&plan, 80),
        "01:00 ────────█ FULL set 1 ── 02:00 ▌ DIFF set 1 ── │││││ LOG 1…5\n  ─┤ STOPAT 04:01 (02:01Z)"
    );
    let newest = plan_of(media(), None);
    assert!(strip::of_plan(&newest, 100).ends_with("│││││ LOG 1…5 ─┤ END 04:29 (02:29Z)"));
}

#[test]
fn a_plan_of_two_hundred_logs_in_as_many_files_stays_readable() {
    let mut made = vec![full(100)];
    made.extend((0..200).map(|number| log(number * 600, number * 600 + 600)));
    let plan = plan_of(files(&made), None);
    assert_eq!(plan.steps.len(), 201);
    let text = strip::of_plan(&plan, 80);
    assert_eq!(
        text,
        "2024-06-15 00:01:40 ────────█ FULL set 1 ── ││││││││││││ 200 LOGS\n  ─┤ END 09:20 (07:20Z)"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn a_plan_with_one_full_or_without_any_step_is_drawn_too() {
    let plan = plan_of(vec![full(HOUR).file("x")], None);
    assert_eq!(
        strip::of_plan(&plan, 80),
        "01:00 ────────█ FULL set 1 ─┤ END 01:00 (23:00Z)"
    );
    let none = plan_of(vec![log(1, 2).file("x")], None);
    assert_eq!(strip::of_plan(&none, 80), "");
}

#[test]
fn the_axis_shows_what_can_be_reached_and_gaps() {
    let base = full(HOUR);
    let made = [
        base.clone(),
        log(HOUR - 60, 2 * HOUR),
        log(2 * HOUR, 3 * HOUR),
        // The log of the fourth hour is missing; a differential leads past it.
        differential(&base, 5 * HOUR),
        log(4 * HOUR, 6 * HOUR),
        log(6 * HOUR, 7 * HOUR),
    ];
    assert_eq!(axis(&made), "01:00 █───│────│        ▌───│────│ 07:00");
    let alone = axis(&[full(HOUR)]);
    assert!(
        alone.starts_with("01:00 █ ") && alone.ends_with("  01:00"),
        "{alone}"
    );
}

#[test]
fn the_axis_of_two_hundred_logs_fits() {
    let mut made = vec![full(100)];
    made.extend((0..200).map(|number| log(number * 60, number * 60 + 60)));
    let text = axis(&made);
    assert_eq!(text.chars().count(), 40);
    assert!(text.contains("█││││"), "{text}");
}
