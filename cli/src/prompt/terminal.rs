//! Asking somebody, unseen; and giving the terminal back as it was.

use std::io;
use std::sync::Mutex;

use bakpak_codec::secret::Passphrase;

use crate::exit::Failure;
use crate::output::talk;

/// Asks until both answers agree, at most three times.
///
/// # Errors
///
/// They never did (2), or the terminal is gone.
pub(super) fn ask_twice(thing: &str) -> anyhow::Result<Passphrase> {
    for _ in 0..3 {
        let first = ask(&format!("New passphrase for the {thing}: "))?;
        if first.is_empty() {
            talk("bakpak: it must not be empty\n");
            continue;
        }
        if first == ask("The same again: ")? {
            return Ok(first);
        }
        talk("bakpak: the two differ; try again\n");
    }
    Err(Failure::usage(format!("no passphrase for the {thing} was typed twice")).into())
}

/// The terminal's settings while somebody types unseen.
#[cfg(unix)]
static ASKING: Mutex<Option<rustix::termios::Termios>> = Mutex::new(None);
#[cfg(windows)]
static ASKING: Mutex<Option<()>> = Mutex::new(None);

/// Asks without showing what is typed.
///
/// # Errors
///
/// The terminal is gone.
pub(super) fn ask(question: &str) -> io::Result<Passphrase> {
    if let Ok(mut asking) = ASKING.lock() {
        *asking = terminal_settings();
    }
    let typed = rpassword::prompt_password(question);
    if let Ok(mut asking) = ASKING.lock() {
        *asking = None;
    }
    match typed {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            talk("\n");
            Err(io::Error::new(error.kind(), "nothing was typed"))
        }
        typed => Ok(Passphrase::new(typed?.into_bytes())),
    }
}

/// If somebody is being asked: makes the terminal show again what is typed. Whether one was.
pub(crate) fn stop_asking() -> bool {
    let settings = ASKING.lock().ok().and_then(|mut asking| asking.take());
    if let Some(settings) = &settings {
        restore_terminal(settings);
    }
    settings.is_some()
}

#[cfg(unix)]
fn terminal_settings() -> Option<rustix::termios::Termios> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    rustix::termios::tcgetattr(terminal).ok()
}

#[cfg(windows)]
fn terminal_settings() -> Option<()> {
    Some(())
}

#[cfg(unix)]
fn restore_terminal(settings: &rustix::termios::Termios) {
    use rustix::termios::{OptionalActions, tcsetattr};
    if let Ok(terminal) = std::fs::File::open("/dev/tty") {
        let _ = tcsetattr(terminal, OptionalActions::Now, settings);
        talk("\n");
    }
}

#[cfg(windows)]
fn restore_terminal((): &()) {}
