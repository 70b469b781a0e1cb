//! Runs commands: pipelines without a shell, each process measured by `/usr/bin/time -v`.

use super::contestants::PASSPHRASE;
use super::time_report::TimeReport;
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// GNU time; the word of the shell cannot write a report.
pub const TIME: &str = "/usr/bin/time";

/// Where stages are joined.
const PIPE: &str = " | ";

/// A folder in which commands run, with names relative to it: what is written down shows no folder
/// of this machine.
pub struct Place {
    folder: PathBuf,
    path: OsString,
}

/// What a pipeline took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the start of the first process to the end of the last.
    pub wall: Duration,
    /// Each process: its program and what it took.
    pub stages: Vec<(String, TimeReport)>,
}

impl Measured {
    /// CPU seconds of all processes.
    #[must_use]
    pub fn user_s(&self) -> f64 {
        self.stages.iter().map(|(_, report)| report.user_s).sum()
    }

    /// CPU seconds in the kernel of all processes.
    #[must_use]
    pub fn system_s(&self) -> f64 {
        self.stages.iter().map(|(_, report)| report.system_s).sum()
    }

    /// The peaks of all processes, added up: an upper bound of the pipeline's.
    #[must_use]
    pub fn peak_sum_kib(&self) -> u64 {
        self.stages.iter().map(|(_, report)| report.peak_kib).sum()
    }

    /// The largest of the processes' peaks: a lower bound.
    #[must_use]
    pub fn peak_largest_kib(&self) -> u64 {
        let peaks = self.stages.iter().map(|(_, report)| report.peak_kib);
        peaks.max().unwrap_or_default()
    }
}

impl Place {
    /// Commands run in `folder`; programs are looked for in `tools` first.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made.
    pub fn new(folder: &Path, tools: &[PathBuf]) -> Result<Self> {
        fs::create_dir_all(folder.join("times"))
            .with_context(|| format!("making {}", folder.display()))?;
        let folders = env::var_os("PATH").unwrap_or_default();
        let all = tools.iter().cloned().chain(env::split_paths(&folders));
        Ok(Self {
            folder: folder.to_path_buf(),
            path: env::join_paths(all).context("a folder of programs with ':' in its name")?,
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command and forgets what it took and printed.
    ///
    /// # Errors
    ///
    /// As [`Place::measure`].
    pub fn run(&self, command: &str) -> Result<()> {
        self.measure(command, None).map(drop)
    }

    /// What a program prints, on either output; empty if it cannot be started.
    #[must_use]
    pub fn output(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let Some(mut program) = words.next().map(|name| self.program(name)) else {
            return String::new();
        };
        let output = program.args(words).stdin(Stdio::null()).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    }

    /// Runs a pipeline; what its last stage prints goes to `output`, or nowhere.
    ///
    /// # Errors
    ///
    /// That a stage cannot be started or fails, with the end of what was printed to standard error.
    pub fn measure(&self, command: &str, output: Option<&Path>) -> Result<Measured> {
        let stages: Vec<&str> = command.split(PIPE).collect();
        let errors = self.folder.join("times/errors");
        let log = File::create(&errors).context("making a file for errors")?;
        let sink = match output {
            Some(path) => Stdio::from(File::create(self.folder.join(path))?),
            None => Stdio::null(),
        };
        let start = Instant::now();
        let children = self.start(&stages, sink, &log);
        let wall = children.and_then(|children| {
            let mut failed = Vec::new();
            for (mut child, stage) in children.into_iter().zip(&stages) {
                let status = child.wait().context("waiting")?;
                if !status.success() {
                    failed.push(format!("'{stage}' failed ({status})"));
                }
            }
            match failed.is_empty() {
                true => Ok(start.elapsed()),
                false => bail!("{}", failed.join(", ")),
            }
        });
        let wall = wall.with_context(|| last_lines(&errors))?;
        Ok(Measured {
            wall,
            stages: self.reports(&stages)?,
        })
    }

    fn start(&self, stages: &[&str], sink: Stdio, log: &File) -> Result<Vec<Child>> {
        let mut children = Vec::with_capacity(stages.len());
        let mut input = Stdio::null();
        let mut sink = Some(sink);
        for (number, stage) in stages.iter().enumerate() {
            let is_last = number + 1 == stages.len();
            let output = match is_last {
                true => sink.take().unwrap_or_else(Stdio::null),
                false => Stdio::piped(),
            };
            let mut child = self
                .program(TIME)
                .args(["-v", "-o", &report_name(number)])
                .args(stage.split_whitespace())
                .stdin(input)
                .stdout(output)
                .stderr(log.try_clone().context("sharing a file for errors")?)
                .spawn()
                .with_context(|| format!("starting '{stage}' with {TIME}"))?;
            input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
            children.push(child);
        }
        Ok(children)
    }

    fn reports(&self, stages: &[&str]) -> Result<Vec<(String, TimeReport)>> {
        let report = |(number, stage): (usize, &&str)| {
            let path = self.folder.join(report_name(number));
            let text = fs::read_to_string(&path).context("reading what time says")?;
            let program = stage.split_whitespace().next().unwrap_or_default();
            Ok((program.to_owned(), TimeReport::parse(&text)?))
        };
        stages.iter().enumerate().map(report).collect()
    }

    /// With no settings of whoever starts this: only those that the commands rely on.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .env("BORG_PASSPHRASE", PASSPHRASE);
        command
    }
}

fn report_name(number: usize) -> String {
    format!("times/{number}")
}

fn last_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    match last.is_empty() {
        true => "it says nothing".to_owned(),
        false => last.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs;

    fn place(name: &str) -> Place {
        let folder = env::temp_dir().join(format!("xtask-pipeline-{name}-{}", std::process::id()));
        Place::new(&folder, &[]).expect("a folder in the temporary one")
    }

    #[test]
    fn stages_are_joined_and_each_is_measured() {
        if !needs::has_program(TIME) {
            return;
        }
        let place = place("joined");
        let measured = place
            .measure("echo some words | tr a-z A-Z", Some(Path::new("output")))
            .expect("both run");
        let printed = fs::read_to_string(place.folder().join("output")).expect("it was written");
        assert_eq!(printed, "SOME WORDS\n");
        let programs: Vec<&str> = measured
            .stages
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(programs, ["echo", "tr"]);
        assert!(measured.peak_sum_kib() > measured.peak_largest_kib());
        fs::remove_dir_all(place.folder()).expect("it was made here");
    }

    #[test]
    fn a_stage_that_fails_fails_the_pipeline() {
        if !needs::has_program(TIME) {
            return;
        }
        let place = place("fails");
        let error = place
            .run("ls --no-such-option | cat")
            .expect_err("ls fails");
        assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
        assert!(place.run("no-such-program-at-all").is_err());
        fs::remove_dir_all(place.folder()).expect("it was made here");
    }
}
