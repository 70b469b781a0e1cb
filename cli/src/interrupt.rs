//! Ctrl-C, SIGTERM and a lost terminal: what they do depends on what the run is doing.
//!
//! State of the process, hence a static. All of it is behind one lock, so that a signal comes
//! either before or after a change of phase, never between.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::exit::{Exit, Failure};
use crate::output::talk;
use crate::prompt::terminal;

static STATE: Mutex<State> = Mutex::new(State::NEW);

/// How long a run may take to notice. One that waits for a silent pipe never does.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It ends the program at once, after what [`at_sudden_end`] was told.
    Sudden,
    /// It asks the run to stop, which asks for it now and then and cleans up itself. A second one
    /// ends the program at once.
    Asked,
    /// Nothing: what was made is getting its name or has it, and half of that would be worse than
    /// all of it.
    Committing,
}

/// Whether what was being made is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is, or cannot be removed.
    Done,
    /// It has got its name meanwhile.
    TooLate,
}

type Last = Box<dyn FnMut() -> Removal + Send>;

struct State {
    phase: Phase,
    /// How the signal that came ends the run.
    requested: Option<Exit>,
    /// The run has noticed, and cleans up.
    is_noticed: bool,
    /// A signal came that did not stop anything.
    is_ignored: bool,
    /// What a sudden end does last.
    last: Option<Last>,
}

/// What a signal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    End,
    Wait,
    Ignored,
}

impl State {
    const NEW: Self = Self {
        phase: Phase::Sudden,
        requested: None,
        is_noticed: false,
        is_ignored: false,
        last: None,
    };

    fn receive(&mut self, exit: Exit) -> Effect {
        if self.phase == Phase::Committing {
            self.is_ignored = true;
            return Effect::Ignored;
        }
        let is_first = self.requested.replace(exit).is_none();
        match self.phase == Phase::Asked && is_first {
            true => Effect::Wait,
            false => Effect::End,
        }
    }

    fn is_requested(&mut self) -> bool {
        self.is_noticed |= self.requested.is_some();
        self.requested.is_some()
    }

    fn enter(&mut self, phase: Phase) -> Result<(), Failure> {
        if self.is_requested() {
            return Err(self.failure());
        }
        self.phase = phase;
        Ok(())
    }

    fn complete(&mut self) {
        self.phase = Phase::Committing;
        self.is_ignored |= self.requested.take().is_some();
    }

    /// The last thing before a sudden end; `None` if it came too late for that.
    fn end(&mut self) -> Option<Exit> {
        if self.last.as_mut().map(|last| last()) == Some(Removal::TooLate) {
            self.complete();
            return None;
        }
        Some(self.exit())
    }

    fn exit(&self) -> Exit {
        self.requested.unwrap_or(Exit::INTERRUPTED)
    }

    fn failure(&self) -> Failure {
        Failure::new(self.exit(), "interrupted")
    }
}

/// Says what a signal does from now on.
///
/// # Errors
///
/// One came already.
pub(crate) fn enter(phase: Phase) -> Result<(), Failure> {
    state().enter(phase)
}

/// Says that what was made has its name: signals change nothing any more, also one that came and
/// was not noticed.
pub(crate) fn complete() {
    state().complete();
}

/// Whether the run is to stop because of a signal.
pub(crate) fn came() -> bool {
    state().requested.is_some()
}

/// Waits for a signal that is known to have been sent, as long as that may take to be noted.
pub(crate) fn wait_until_noted() {
    let started = Instant::now();
    while !came() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a signal came that was too late to stop anything.
pub(crate) fn is_ignored() -> bool {
    state().is_ignored
}

/// Whether the run shall stop. Asking counts as having noticed.
pub(crate) fn requested() -> bool {
    state().is_requested()
}

/// Stops the run if it shall stop.
///
/// # Errors
///
/// It shall.
pub(crate) fn check() -> Result<(), Failure> {
    if requested() { Err(failure()) } else { Ok(()) }
}

/// The error of an interrupted run.
pub(crate) fn failure() -> Failure {
    state().failure()
}

/// How an interrupted run ends.
pub(crate) fn exit() -> Exit {
    state().exit()
}

/// Does `last` should the program end at once: removes what is temporary.
pub(crate) fn at_sudden_end(last: impl FnMut() -> Removal + Send + 'static) {
    state().last = Some(Box::new(last));
}

/// Listens from now on.
///
/// # Errors
///
/// The system refuses.
#[cfg(unix)]
pub(crate) fn listen() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    if !is_hangup_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                receive(match signal {
                    SIGTERM => Exit::TERMINATED,
                    SIGHUP => Exit::HUNG_UP,
                    _ => Exit::INTERRUPTED,
                });
            }
        })?;
    Ok(())
}

/// Whether `nohup` or the like started this. Where that cannot be told it counts as so: then a
/// hangup does what it did to begin with.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangup(&status))
}

#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 << (signal_hook::consts::SIGHUP - 1) != 0)
}

/// Listens from now on.
///
/// # Errors
///
/// The system refuses.
#[cfg(windows)]
pub(crate) fn listen() -> std::io::Result<()> {
    ctrlc::set_handler(|| receive(Exit::INTERRUPTED)).map_err(std::io::Error::other)
}

fn receive(exit: Exit) {
    let mut state = state();
    let was_ignored = state.is_ignored;
    match state.receive(exit) {
        Effect::End => end(&mut state),
        Effect::Wait => {
            // Who is asked something waits for a key, and would not notice.
            if terminal::stop_asking() {
                end(&mut state);
            }
            std::thread::spawn(end_if_not_noticed);
        }
        Effect::Ignored if !was_ignored => {
            talk("bakpak: too late to interrupt: the result is being put in its place\n");
        }
        Effect::Ignored => {}
    }
}

fn end_if_not_noticed() {
    std::thread::sleep(PATIENCE);
    let mut state = state();
    if state.requested.is_some() && !state.is_noticed {
        end(&mut state);
    }
}

/// Ends the program, under the lock: nothing gets a name meanwhile without being noticed.
fn end(state: &mut State) {
    if let Some(exit) = state.end() {
        // In any phase: `list` asks for a passphrase too.
        terminal::stop_asking();
        talk("bakpak: error: interrupted\n");
        std::process::exit(i32::from(exit.0));
    }
}

/// The state; after a panic elsewhere it is still what it was.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_in(phase: Phase) -> State {
        State {
            phase,
            ..State::NEW
        }
    }

    #[test]
    fn a_second_signal_ends_a_run_that_was_asked_to_stop() {
        let mut state = state_in(Phase::Asked);
        assert_eq!(state.receive(Exit(130)), Effect::Wait);
        assert!(state.is_requested());
        assert!(state.enter(Phase::Committing).is_err());
        assert_eq!(state.receive(Exit(143)), Effect::End);
        assert_eq!(state.end(), Some(Exit(143)));
    }

    #[test]
    fn no_number_of_signals_stops_what_is_being_published() {
        let mut state = state_in(Phase::Asked);
        state.enter(Phase::Committing).unwrap();
        for _ in 0..3 {
            assert_eq!(state.receive(Exit(130)), Effect::Ignored);
        }
        assert!(state.is_ignored && !state.is_requested());
    }

    #[test]
    fn a_sudden_end_that_comes_too_late_lets_the_run_tell_the_truth() {
        let mut state = state_in(Phase::Sudden);
        state.last = Some(Box::new(|| Removal::TooLate));
        assert_eq!(state.receive(Exit(143)), Effect::End);
        assert_eq!(state.end(), None);
        assert!(state.is_ignored && !state.is_requested());
        state.complete();
        assert_eq!(state.receive(Exit(143)), Effect::Ignored);
    }

    #[cfg(unix)]
    #[test]
    fn a_run_under_nohup_is_known() {
        assert!(!ignores_hangup(
            "Name:\tbakpak\nSigIgn:\t0000000000001000\n"
        ));
        assert!(ignores_hangup("Name:\tbakpak\nSigIgn:\t0000000000001001\n"));
        assert!(ignores_hangup(""));
    }

    #[test]
    fn a_signal_that_nobody_noticed_is_void_once_all_is_done() {
        let mut state = state_in(Phase::Asked);
        state.receive(Exit(130));
        state.complete();
        assert!(state.is_ignored && state.requested.is_none());
    }
}
