//! Ctrl-C and SIGTERM: the first one asks the run to stop, a second one ends it at once.
//!
//! State of the process, hence statics.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use crate::exit::{Exit, Failure};

/// The exit code of the signal that came; 0: none.
static REQUESTED: AtomicU8 = AtomicU8::new(0);

/// The run asks now and then whether it shall stop.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// The run has noticed, and cleans up.
static NOTICED: AtomicBool = AtomicBool::new(false);

/// What a sudden end does last: removes temporary files.
static LAST: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// How long a run may take to notice. One that waits for a silent pipe never does.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says that this run asks now and then whether it shall stop, and cleans up itself.
pub(crate) fn will_be_asked_for() {
    IS_ASKED.store(true, Ordering::Relaxed);
}

/// Whether a signal came.
pub(crate) fn came() -> bool {
    REQUESTED.load(Ordering::Relaxed) != 0
}

/// Whether the run shall stop. Asking counts as having noticed.
pub(crate) fn requested() -> bool {
    if came() {
        NOTICED.store(true, Ordering::Relaxed);
    }
    came()
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
    Failure::new(exit(), "interrupted")
}

/// How an interrupted run ends.
pub(crate) fn exit() -> Exit {
    match REQUESTED.load(Ordering::Relaxed) {
        0 => Exit::INTERRUPTED,
        code => Exit(code),
    }
}

/// Does `last` should the program end at once.
pub(crate) fn at_sudden_end(last: impl FnOnce() + Send + 'static) {
    if let Ok(mut slot) = LAST.lock() {
        *slot = Some(Box::new(last));
    }
}

/// Listens from now on. Unless [`will_be_asked_for`], a signal ends the program at once.
///
/// # Errors
///
/// The system refuses.
#[cfg(unix)]
pub(crate) fn listen() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let is_terminate = signal == SIGTERM;
                receive(if is_terminate {
                    Exit::TERMINATED
                } else {
                    Exit::INTERRUPTED
                });
            }
        })?;
    Ok(())
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
    if REQUESTED.swap(exit.0, Ordering::Relaxed) != 0 {
        end_at_once();
    }
    crate::prompt::terminal::if_asking(end_at_once);
    if !IS_ASKED.load(Ordering::Relaxed) {
        end_at_once();
    }
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        if !NOTICED.load(Ordering::Relaxed) {
            end_at_once();
        }
    });
}

fn end_at_once() {
    if let Some(last) = LAST.lock().ok().and_then(|mut last| last.take()) {
        last();
    }
    std::process::exit(i32::from(exit().0));
}
