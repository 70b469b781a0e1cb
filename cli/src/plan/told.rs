//! A plan as it is told: to people, and as JSON.

use std::path::PathBuf;

use recovery::chain::Chain;
use recovery::choice::Chosen;
use recovery::finding::{Finding, quoted};
use recovery::moment::Moment;
use recovery::plan::{Plan, Step, StepKind, Verdict};
use recovery::rules::Severity;
use recovery::strip;

use crate::exit::Exit;
use crate::output::event::{Event, Planned, PlannedStep};
use crate::output::{self, Output};

/// Columns of a terminal, less the indentation.
const WIDTH: usize = 78;

/// How many files that were left out, and how many windows, are named before the rest is counted.
const NAMED: usize = 5;

/// All that is told of a plan.
pub(super) struct Told {
    /// The moment that was asked for.
    pub(super) asked: Option<Moment>,
    pub(super) plan: Plan,
    pub(super) exit: Exit,
    /// The time strip.
    pub(super) strip: String,
    pub(super) notes: Vec<String>,
    pub(super) left_out: Vec<PathBuf>,
    pub(super) scripts: Vec<PathBuf>,
}

/// The steps on a line of time; where there are none, what can be reached instead.
pub(super) fn strip(plan: &Plan, chosen: &Chosen<'_>) -> String {
    if plan.is_possible() {
        return strip::of_plan(plan, WIDTH);
    }
    let branch = chosen.branches.iter().find(|one| one.fork == plan.fork);
    let chain = branch.map(|branch| {
        let backups = &chosen.database.backups;
        Chain::of(backups, branch, |backup| backup.defects().is_empty())
    });
    let chain = chain.filter(|_| !plan.windows.is_empty());
    chain.map_or_else(String::new, |chain| strip::of_chain(&chain, WIDTH))
}

/// The files that are no backups, the first ones by name.
pub(super) fn left_out(files: &[PathBuf]) -> impl Iterator<Item = String> {
    let named = files.iter().take(NAMED);
    let named = named.map(|path| format!("{} is no SQL Server backup", output::quoted(path)));
    let more = files.len().checked_sub(NAMED).filter(|more| *more > 0);
    named.chain(more.map(|more| format!("nor are {more} more files")))
}

impl Told {
    /// Tells it on standard output.
    pub(super) fn tell(&self, output: &Output) {
        self.tell_verdict(output);
        if !self.strip.is_empty() {
            output.line("");
            self.strip
                .lines()
                .for_each(|line| output.line(format!("  {line}")));
        }
        if !self.plan.steps.is_empty() {
            output.line("");
        }
        for (number, step) in (1..).zip(&self.plan.steps) {
            tell_step(number, step, output);
        }
        if !self.plan.findings.is_empty() {
            output.line("");
        }
        for finding in &self.plan.findings {
            tell_finding(finding, output);
        }
        self.tell_rest(output);
        output.event(&Event::Plan(Box::new(self.event())));
    }

    fn tell_verdict(&self, output: &Output) {
        let plan = &self.plan;
        let name = quoted(&plan.database);
        let asked = self.asked.map(|asked| format!(" to {asked}"));
        let asked = asked.unwrap_or_default();
        output.line(match plan.verdict {
            Verdict::Covered => format!("{name} can be restored"),
            Verdict::Uncertain => format!("{name} can be restored, the last seconds are uncertain"),
            Verdict::Earlier => format!("{name} can be restored to an earlier state only"),
            Verdict::NotPossible => format!("{name} CANNOT be restored{asked}"),
        });
        if let Some(at) = plan.at {
            output.line(format!("  state of   {at}"));
        }
        let windows = plan.window.iter().chain(match plan.window {
            Some(_) => [].iter(),
            None => plan.windows.iter(),
        });
        for (index, window) in windows.enumerate().take(NAMED) {
            let word = if index == 0 { "reachable" } else { "" };
            output.line(format!("  {word:<9}  {} to {}", window.from, window.to));
        }
        if plan.window.is_none() && plan.windows.len() > NAMED {
            output.line(format!(
                "             and {} more",
                plan.windows.len() - NAMED
            ));
        }
    }

    fn tell_rest(&self, output: &Output) {
        if !self.left_out.is_empty() || !self.notes.is_empty() {
            output.line("");
        }
        for note in &self.notes {
            output.line(format!("  note  {}", output::escaped(note)));
        }
        for line in left_out(&self.left_out) {
            output.line(format!("  note  {line}"));
        }
        if !self.scripts.is_empty() {
            output.line("");
            output.line("  scripts, to be run in this order:");
        }
        for path in &self.scripts {
            output.line(format!("    {}", output::quoted(path)));
        }
    }

    fn event(&self) -> Planned {
        let plan = &self.plan;
        let texts = |paths: &[PathBuf]| {
            let texts = paths.iter().map(|path| path.to_string_lossy().into_owned());
            texts.collect()
        };
        let offset = plan.at.and_then(|at| at.offset);
        let steps = plan.steps.iter().map(|step| PlannedStep {
            kind: step.kind,
            files: step.files.clone(),
            file_number: step.file_number,
            stop_at: step.stop_at.map(|local| Moment { local, offset }),
        });
        Planned {
            database: plan.database.clone(),
            verdict: plan.verdict,
            exit: self.exit.0,
            asked: self.asked,
            at: plan.at,
            window: plan.window.clone(),
            windows: plan.windows.clone(),
            steps: steps.collect(),
            findings: plan.findings.clone(),
            notes: self.notes.clone(),
            left_out: texts(&self.left_out),
            scripts: texts(&self.scripts),
        }
    }
}

/// ` 1. full          FILE = 3   'a.bak'`, further stripes and the stop time below.
fn tell_step(number: usize, step: &Step, output: &Output) {
    let kind = match step.kind {
        StepKind::Full => "full",
        StepKind::Differential => "differential",
        StepKind::Log => "log",
    };
    let mut head = format!("{number:>4}. {kind:<12}  FILE = {:<4}", step.file_number);
    let indent = head.chars().count();
    for file in &step.files {
        output.line(format!("{head}  {}", quoted(file)));
        head = " ".repeat(indent);
    }
    if let Some(stop_at) = step.stop_at {
        output.line(format!("{head}  STOPAT {stop_at}"));
    }
}

fn tell_finding(finding: &Finding, output: &Output) {
    output.line(format!("  {:<7}  {finding}", finding.severity));
    if finding.severity > Severity::Info {
        output.line(format!("           {}", finding.help));
    }
}
