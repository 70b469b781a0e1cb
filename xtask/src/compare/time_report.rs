//! What `/usr/bin/time -v` says about a process.

use anyhow::{Context, Result};

/// What one process took; children that it waited for are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeReport {
    /// Seconds of CPU in its own code.
    pub user_s: f64,
    /// Seconds of CPU in the kernel.
    pub system_s: f64,
    /// Its largest resident set, or that of a child if that is larger.
    pub peak_kib: u64,
}

impl TimeReport {
    /// Reads the report; what the process printed may stand before it.
    ///
    /// # Errors
    ///
    /// A line that is missing or no number.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            user_s: value(text, "User time (seconds)")?,
            system_s: value(text, "System time (seconds)")?,
            peak_kib: value(text, "Maximum resident set size (kbytes)")?,
        })
    }
}

fn value<T: std::str::FromStr>(text: &str, name: &str) -> Result<T> {
    let found = text.lines().rev().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?;
        rest.strip_prefix(": ")?.trim().parse().ok()
    });
    found.with_context(|| format!("/usr/bin/time -v says no '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Command exited with non-zero status 1
\tCommand being timed: \"tar -c User time (seconds): 9\"
\tUser time (seconds): 1.25
\tSystem time (seconds): 0.50
\tPercent of CPU this job got: 137%
\tElapsed (wall clock) time (h:mm:ss or m:ss): 0:01.27
\tMaximum resident set size (kbytes): 53120
\tExit status: 1
";

    #[test]
    fn a_report_is_read() {
        let report = TimeReport::parse(REPORT).expect("a whole report");
        assert_eq!(
            report,
            TimeReport {
                user_s: 1.25,
                system_s: 0.5,
                peak_kib: 53120
            }
        );
    }

    #[test]
    fn a_missing_line_is_named() {
        let cut = REPORT.replace("Maximum", "Largest");
        let error = TimeReport::parse(&cut).expect_err("a line is missing");
        assert!(error.to_string().contains("Maximum resident"), "{error}");
    }
}
