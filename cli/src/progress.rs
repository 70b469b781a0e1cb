//! How far a long run is: a bar on a terminal, a line every ten seconds elsewhere.

use std::cell::{Cell, OnceCell};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use bakpak_codec::error::Finding;
use bakpak_codec::observer::{Observer, Warning};
use bakpak_format::error::Structure;
use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt;
use crate::output::{Output, size, talk};

/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// From so many columns on a bar has room beside its numbers, which take up to 57.
const WIDE_COLUMNS: u16 = 70;

/// Watches a run: shows its progress, tells its warnings, stops it when it is interrupted.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    /// What is being done to the bytes: "packed", "verified".
    done_word: &'static str,
    total: Option<u64>,
    started: Instant,
    last_line: Cell<Instant>,
    bar: OnceCell<Option<ProgressBar>>,
}

impl<'a> Progress<'a> {
    /// Starts the clock. `total` is `None` if it is not known.
    pub(crate) fn new(output: &'a Output, done_word: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            output,
            done_word,
            total,
            started: now,
            last_line: Cell::new(now),
            bar: OnceCell::new(),
        }
    }

    /// Takes the bar away, before anything else is told.
    pub(crate) fn clear(&self) {
        if let Some(Some(bar)) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    /// The bar, made when there is something to show: prompts come before that.
    fn bar(&self) -> Option<&ProgressBar> {
        let make = || io::stderr().is_terminal().then(|| new_bar(self.total));
        self.bar.get_or_init(make).as_ref()
    }
}

impl Observer for Progress<'_> {
    fn progress(&self, done: u64) {
        if self.output.is_quiet() {
            return;
        }
        if let Some(bar) = self.bar() {
            bar.set_position(done);
        } else if self.last_line.get().elapsed() >= LINE_INTERVAL {
            self.last_line.set(Instant::now());
            let line = progress_line(self.done_word, done, self.total, self.started.elapsed());
            talk(&format!("bakpak: {line}\n"));
        }
    }

    fn warn(&self, warning: Warning) {
        let tell = || tell(self.output, &warning);
        match self.bar.get() {
            Some(Some(bar)) => bar.suspend(tell),
            _ => tell(),
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Tells warnings and shows nothing else: for what writes data to standard output.
pub(crate) struct Talk<'a>(pub(crate) &'a Output);

impl Observer for Talk<'_> {
    fn warn(&self, warning: Warning) {
        tell(self.0, &warning);
    }
}

/// A warning of the codec in words.
fn tell(output: &Output, warning: &Warning) {
    match warning {
        Warning::Changed {
            path,
            recorded,
            observed,
        } => {
            let text = format!(
                "'{path}' changed while it was read: {recorded} bytes are in the archive, \
                 {observed} were seen at the end"
            );
            output.warn(Some("BP112"), Some(path), &text);
        }
        // Told at the end, all together, from the report or the error.
        Warning::Unreadable { .. } => {}
        Warning::FactsLeftOut { path, count } => output.warn(
            None,
            Some(path),
            &format!("'{path}' holds more than the archive can note of it: {count} facts left out"),
        ),
        Warning::ChangedSince { path } => {
            let text = format!(
                "'{path}' changed since the run was stopped that was packing it; it is packed anew"
            );
            output.warn(None, Some(path), &text);
        }
        Warning::GoneSince { path } => {
            let text = format!(
                "'{path}' is gone since the run was stopped that was packing it; it is left out"
            );
            output.warn(None, Some(path), &text);
        }
        Warning::CameTooLate { path, further } => {
            let others = match further {
                0 => String::new(),
                further => format!(" and {further} others"),
            };
            let text = format!(
                "'{path}'{others} came after the run that was stopped had passed their place; \
                 not packed"
            );
            output.warn(None, Some(path), &text);
        }
        // Nothing is wrong: it only explains why the temporary folder fills.
        Warning::Spooling { most_len: None } => output.say(
            "from a pipe, the archive is kept (still sealed) in a temporary file meanwhile, since \
             it copies from anywhere in itself; TMPDIR says where",
        ),
        Warning::Spooling {
            most_len: Some(most_len),
        } => output.say(format!(
            "the archive copies from itself: reading from a pipe keeps up to {} of its sealed \
             blocks in temporary files",
            size(*most_len)
        )),
        Warning::Damage(finding) => {
            let use_of_it = match finding.structure {
                Structure::Envelope => "the data do not need it",
                _ => "it is not needed for this",
            };
            output.warn(None, None, &format!("{finding}; {use_of_it}"))
        }
        Warning::TailCopyUsed(finding) => tell_copy_used(finding, output),
        Warning::FoundCopyUsed(finding) => {
            let text = format!("{finding}; a whole copy stands further on and is used");
            output.warn(None, None, &text);
        }
        // The error at the end says it once more, with what was found.
        Warning::VerifiesWithoutKey => {
            output.say("no offered secret opens this archive: verifying what shows without a key")
        }
        Warning::SignersNotChecked { count } => output.warn(
            None,
            None,
            &format!(
                "the archive declares {count} signers; this version does not check signatures"
            ),
        ),
        Warning::OlderSlotTable { found, newest } => output.warn(
            None,
            None,
            &format!(
                "a copy of the key slots is of generation {found}, the newest is {newest}: a change was \
                 stopped, and any `bakpak key add`, `remove` or `rotate` finishes it"
            ),
        ),
        other => output.warn(None, None, &format!("{other:?}")),
    }
}

/// Something of the archive's start is damaged, but not its copy.
pub(crate) fn tell_copy_used(finding: &Finding, output: &Output) {
    let text = format!("{finding}; the copy at the archive's end is whole and is used");
    output.warn(None, None, &text);
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template(template(total, columns()));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What fits on one line: a bar that wraps is drawn below itself, again and again.
fn template(total: Option<u64>, columns: Option<u16>) -> &'static str {
    let is_wide = columns.is_none_or(|columns| columns >= WIDE_COLUMNS);
    match (total, is_wide) {
        (Some(_), true) => "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        (Some(_), false) => "{percent}% of {total_bytes}, {eta} left",
        (None, true) => "{spinner} {bytes}, {bytes_per_sec}, {elapsed}",
        (None, false) => "{bytes}, {elapsed}",
    }
}

/// How wide the terminal is, if it tells.
#[cfg(unix)]
fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(windows)]
fn columns() -> Option<u16> {
    None
}

/// `packed 1.2 GiB of 40.0 GiB, 250.0 MiB/s, 2 min left`.
fn progress_line(word: &str, done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let rate_text = size(rate);
    match total.filter(|total| *total >= done) {
        None => format!("{word} {}, {rate_text}/s", size(done)),
        Some(total) => {
            let left = Duration::from_secs((total - done) / rate.max(1));
            let (done, total) = (size(done), size(total));
            format!(
                "{word} {done} of {total}, {rate_text}/s, {} left",
                rough(left)
            )
        }
    }
}

/// `40 s`, `12 min`, `3 h 5 min`.
fn rough(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_bytes_rate_and_time_left() {
        let elapsed = Duration::from_secs(10);
        let line = progress_line("packed", 1 << 30, Some(3 << 30), elapsed);
        assert_eq!(line, "packed 1.0 GiB of 3.0 GiB, 102.4 MiB/s, 20 s left");
        let line = progress_line("read", 10 << 20, None, elapsed);
        assert_eq!(line, "read 10.0 MiB, 1.0 MiB/s");
    }

    #[test]
    fn a_narrow_terminal_gets_numbers_that_fit() {
        let longest = [
            ("{percent}", "100"),
            ("{bytes}", "1023.99 GiB"),
            ("{total_bytes}", "1023.99 GiB"),
            ("{bytes_per_sec}", "1023.99 MiB/s"),
            ("{eta}", "365d"),
            ("{elapsed}", "365d"),
            ("{spinner}", "*"),
            ("{wide_bar}", "######"),
        ];
        for total in [None, Some(1)] {
            for columns in [40, WIDE_COLUMNS - 1, WIDE_COLUMNS] {
                let template = template(total, Some(columns)).to_owned();
                let line = longest
                    .iter()
                    .fold(template, |line, (key, text)| line.replace(key, text));
                let most = if columns < WIDE_COLUMNS { 40 } else { columns };
                assert!(line.len() < most.into(), "{line}");
            }
        }
    }

    #[test]
    fn more_than_expected_has_no_time_left() {
        let line = progress_line("packed", 20, Some(10), Duration::from_secs(1));
        assert_eq!(line, "packed 20 B, 20 B/s");
    }

    #[test]
    fn times_are_rough() {
        for (seconds, text) in [
            (0, "0 s"),
            (99, "99 s"),
            (600, "10 min"),
            (11_100, "3 h 5 min"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
    }
}
