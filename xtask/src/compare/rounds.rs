//! Runs the contestants in turn, and checks what they make.

use super::contestants::{BAKPAK, Contestant};
use super::packages::Packages;
use super::pipeline::{Measured, Place};
use super::record::Record;
use super::runs::Run;
use super::tools::Missing;
use super::verb::Verb;
use super::workload::{Part, SOURCES, Size, Workload, len_of};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who takes longer for all verbs together is not asked again.
const LONG: Duration = Duration::from_secs(180);

/// What is measured, and how often.
pub struct Plan<'a> {
    /// Who takes part.
    pub contestants: &'a [&'static Contestant],
    /// On which files.
    pub parts: &'a [Part],
    /// How many of them.
    pub size: Size,
    /// The packages among them.
    pub packages: &'a Packages,
    /// What is measured.
    pub verbs: &'a [Verb],
    /// Runs of each command.
    pub runs: usize,
}

/// One contestant in one round.
struct Round<'a> {
    place: &'a Place,
    workload: &'a Workload,
    contestant: &'static Contestant,
    part: Part,
    verbs: &'a [Verb],
    number: usize,
}

/// Measures all parts and adds what it finds to the record.
///
/// # Errors
///
/// Files that cannot be made, or a verb at which bakpak fails. Rivals that fail are named instead.
pub fn measure(place: &Place, plan: &Plan, record: &mut Record) -> Result<()> {
    let measured = measure_parts(place, plan, record);
    for end in plan
        .contestants
        .iter()
        .filter_map(|contestant| contestant.end)
    {
        // There may be nothing left to end.
        let _ = place.run(end);
    }
    measured
}

fn measure_parts(place: &Place, plan: &Plan, record: &mut Record) -> Result<()> {
    let mut made = BTreeSet::new();
    for contestant in plan.contestants {
        for key in contestant.keys.iter().filter(|key| made.insert(**key)) {
            place
                .run(key)
                .with_context(|| format!("keys of {}", contestant.name))?;
        }
    }
    record.processes = "part\tverb\tcontestant\trun\tprogram\tuser_s\tsystem_s\tpeak_kib\n".into();
    for &part in plan.parts {
        println!("{}: making the files", part.name());
        let workload = part.make(place, plan.size, plan.packages)?;
        record.facts.push(format!(
            "{}: {}; in all {} files of {} bytes",
            part.name(),
            workload.description,
            workload.file_count,
            workload.len
        ));
        record.commands += &commands(plan, part, &workload);
        measure_part(place, plan, part, &workload, record)?;
    }
    Ok(())
}

fn measure_part(
    place: &Place,
    plan: &Plan,
    part: Part,
    workload: &Workload,
    record: &mut Record,
) -> Result<()> {
    let mut racing = plan.contestants.to_vec();
    for number in 1..=plan.runs {
        // Another one begins each time: what the machine does meanwhile hits all alike.
        let mut order = racing.clone();
        let first = (number - 1) % order.len().max(1);
        order.rotate_left(first);
        for contestant in order {
            let round = Round {
                place,
                workload,
                contestant,
                part,
                verbs: plan.verbs,
                number,
            };
            let start = Instant::now();
            let outcome = round.run(record);
            let took = start.elapsed();
            println!(
                "{}, run {number} of {}: {} took {:.1} s",
                part.name(),
                plan.runs,
                contestant.name,
                took.as_secs_f64()
            );
            if let Err(error) = outcome {
                if contestant.name == BAKPAK {
                    return Err(error);
                }
                println!("{} failed: {error:#}", contestant.name);
                record.missing.push(Missing {
                    contestant: contestant.name.to_owned(),
                    reason: reason(place, part, number, &error),
                });
            } else if took < LONG {
                continue;
            }
            racing.retain(|other| other.name != contestant.name);
        }
    }
    Ok(())
}

/// Programs name folders by their whole paths; what is published shows none of this machine.
fn reason(place: &Place, part: Part, number: usize, error: &anyhow::Error) -> String {
    let reason = format!("{}, run {number}: {error:#}", part.name());
    reason.replace(&*place.folder().to_string_lossy(), ".")
}

/// What ran, as one can type it.
fn commands(plan: &Plan, part: Part, workload: &Workload) -> String {
    let mut text = String::new();
    for contestant in plan.contestants {
        // A string takes all that is written.
        let _ = writeln!(text, "{}, {}", part.name(), contestant.name);
        for command in contestant.keys.iter().chain(contestant.fresh) {
            let _ = writeln!(text, "    before: {command}");
        }
        for &verb in plan.verbs {
            if let Some(command) = contestant.command(verb) {
                let _ = writeln!(text, "    {}: {}", verb.name(), workload.fill(command));
            }
        }
    }
    text
}

impl Round<'_> {
    /// Runs all verbs on a fresh archive; only a whole round is kept.
    fn run(&self, record: &mut Record) -> Result<()> {
        let (mut runs, mut processes) = (Vec::new(), String::new());
        let done = self.verbs(&mut runs, &mut processes);
        for left in [self.contestant.archive, "out"] {
            self.place.run(&format!("rm -rf {left}"))?;
        }
        done?;
        record.runs.0.extend(runs);
        record.processes += &processes;
        Ok(())
    }

    fn verbs(&self, runs: &mut Vec<Run>, processes: &mut String) -> Result<()> {
        for command in self.contestant.fresh {
            self.place.run(command)?;
        }
        // Without an archive there is nothing to do for the others.
        let verbs = Verb::ALL
            .into_iter()
            .filter(|verb| *verb == Verb::Pack || self.verbs.contains(verb));
        let mut archive_len = 0;
        for verb in verbs {
            let Some(command) = self.contestant.command(verb) else {
                continue;
            };
            let command = self.workload.fill(command);
            let measured = self.measure(verb, &command).with_context(|| verb.name())?;
            if verb == Verb::Pack {
                archive_len = len_of(&self.place.folder().join(self.contestant.archive))?;
            }
            if self.verbs.contains(&verb) {
                self.note_processes(verb, &measured, processes);
                runs.push(self.row(verb, &measured, archive_len));
            }
        }
        Ok(())
    }

    fn measure(&self, verb: Verb, command: &str) -> Result<Measured> {
        if verb.is_warmed_up() {
            let printed = Path::new("printed");
            self.place.measure(command, Some(printed))?;
            if self.number == 1 {
                self.check_printed(verb, &self.place.folder().join(printed))?;
            }
        }
        if verb == Verb::Unpack {
            self.place.run("rm -rf out")?;
            self.place.run("mkdir out")?;
        }
        // On a disk, what was written before must not be written while the clock runs.
        self.place.run("sync -f .")?;
        let measured = self.place.measure(command, None)?;
        if verb == Verb::Unpack && self.number == 1 {
            self.check_unpacked()?;
        }
        Ok(measured)
    }

    fn check_printed(&self, verb: Verb, printed: &Path) -> Result<()> {
        let one = &self.workload.one;
        let is_right = match verb {
            Verb::One => fs::read(printed)? == fs::read(self.place.folder().join(one))?,
            _ => String::from_utf8_lossy(&fs::read(printed)?).contains(one.as_str()),
        };
        match is_right {
            true => Ok(()),
            false => bail!("what it printed is not '{one}'"),
        }
    }

    fn check_unpacked(&self) -> Result<()> {
        for source in SOURCES {
            let found = Path::new("printed");
            self.place
                .measure(
                    &format!("diff --recursive --brief --no-dereference {source} out/{source}"),
                    Some(found),
                )
                .with_context(|| {
                    let found = fs::read_to_string(self.place.folder().join(found));
                    let found = found.unwrap_or_default();
                    let first = found.lines().next().unwrap_or_default().to_owned();
                    format!("what it unpacked is not what it packed: {first}")
                })?;
        }
        Ok(())
    }

    fn note_processes(&self, verb: Verb, measured: &Measured, processes: &mut String) {
        for (program, report) in &measured.stages {
            // A string takes all that is written.
            let _ = writeln!(
                processes,
                "{}\t{}\t{}\t{}\t{program}\t{:.2}\t{:.2}\t{}",
                self.part.name(),
                verb.name(),
                self.contestant.name,
                self.number,
                report.user_s,
                report.system_s,
                report.peak_kib,
            );
        }
    }

    fn row(&self, verb: Verb, measured: &Measured, archive_len: u64) -> Run {
        Run {
            part: self.part,
            verb,
            contestant: self.contestant.name.to_owned(),
            run: self.number,
            wall_s: measured.wall.as_secs_f64(),
            user_s: measured.user_s(),
            system_s: measured.system_s(),
            peak_sum_kib: measured.peak_sum_kib(),
            peak_largest_kib: measured.peak_largest_kib(),
            archive_len,
        }
    }
}
