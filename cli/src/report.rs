//! What went wrong, in words, with hints and an exit code.

use std::io;

use bakpak_codec::error::{ErrorClass, PackError, ReadError};
use bakpak_codec::keyring::SlotKind;
use bakpak_format::slots::Domain;
use bakpak_tree::{OutputError, StageError, WalkError, is_full};

use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::event::Event;
use crate::output::{Output, escaped, quoted};

/// What to do if the archive does not fit.
const NO_ROOM: &str = "make room, or write to another file system";

/// Tells an error on standard error, and as JSON if asked for; returns how to end.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> Exit {
    // Ctrl-C at a prompt is a key, of which rpassword makes a signal. That is noted by a thread of
    // its own: without waiting for it, this would be told as a fault of reading.
    if error.chain().any(is_interruption) {
        interrupt::wait_until_noted();
    }
    let (exit, hints) = match interrupt::came() {
        // Whatever it broke off tells about it in its own way.
        true => (interrupt::exit(), Vec::new()),
        false => judge(error),
    };
    // An anyhow chain is told from the outside in: "cannot read 'a': permission denied". Our
    // libraries' messages already contain their sources' ones where these matter.
    let message = escaped(&words(error)).to_string();
    output.error(&message);
    output.hint(&hints);
    output.event(&Event::Error {
        code: exit.0,
        message,
        hints,
    });
    exit
}

/// The code for a class of the codec's errors.
pub(crate) fn exit_of(class: ErrorClass) -> Exit {
    match class {
        ErrorClass::NoKeyFits => Exit::NO_KEY_FITS,
        ErrorClass::NoKeyOffered => Exit::NO_KEY_OFFERED,
        ErrorClass::Damaged => Exit::DAMAGED,
        ErrorClass::Truncated => Exit::TRUNCATED,
        ErrorClass::Unsupported => Exit::UNSUPPORTED,
        ErrorClass::Incomplete => Exit::INCOMPLETE,
        ErrorClass::NoRoom => Exit::NOT_READY,
        ErrorClass::Interrupted => interrupt::exit(),
        ErrorClass::Misuse => Exit::MISUSE,
        _ => Exit::FAILED,
    }
}

/// The messages of the chain, without those that the one before repeats.
fn words(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Exit code and hints: those of the outermost cause that has some.
fn judge(error: &anyhow::Error) -> (Exit, Vec<String>) {
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(exit) = judge_cause(cause, &mut hints) {
            return (exit, hints);
        }
    }
    (Exit::FAILED, hints)
}

fn judge_cause(cause: &(dyn std::error::Error + 'static), hints: &mut Vec<String>) -> Option<Exit> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        hints.extend_from_slice(failure.hints());
        return Some(failure.exit());
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        if let ReadError::Sink(inner) = error {
            return judge_cause(inner.as_ref(), hints).or(Some(Exit::FAILED));
        }
        return Some(read_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<PackError>() {
        return Some(pack_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<StageError>() {
        return Some(stage_error(error, hints));
    }
    if let Some(error) = cause.downcast_ref::<OutputError>() {
        return Some(output_error(error, hints));
    }
    match cause.downcast_ref::<WalkError>() {
        // What the system says of the temporary file is one of the causes.
        None | Some(WalkError::List(_)) => {}
        Some(_) => return Some(Exit::USAGE),
    }
    let full = cause.downcast_ref::<io::Error>().is_some_and(is_full);
    full.then(|| {
        hints.push(NO_ROOM.to_owned());
        Exit::NOT_READY
    })
}

fn is_interruption(cause: &(dyn std::error::Error + 'static)) -> bool {
    let error = cause.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

fn read_error(error: &ReadError, hints: &mut Vec<String>) -> Exit {
    let exit = exit_of(error.class());
    let own = match error {
        // No key is missing: it is the wrong archive, or nothing was sealed.
        ReadError::NoEnvelope => {
            hints.push("it was packed without --master-key-file and --secret".to_owned());
            return Exit::USAGE;
        }
        ReadError::NoKeyOffered { domain, kinds } => Some(match (domain, kinds) {
            (Domain::Data, kinds) if kinds.contains(&SlotKind::KeyFile) => "give --key-file F",
            (Domain::Data, _) => "give --passphrase-file F or --passphrase-fd N",
            (Domain::Envelope, kinds) if kinds.contains(&SlotKind::KeyFile) => {
                "give --envelope-key-file F"
            }
            (Domain::Envelope, _) => {
                "give --envelope-passphrase-file F or --envelope-passphrase-fd N"
            }
        }),
        // Only what is written finds no room.
        ReadError::Io { source, .. } if is_full(source) => {
            hints.push(NO_ROOM.to_owned());
            return Exit::NOT_READY;
        }
        ReadError::NoTemporaryFile { .. } => {
            Some("set TMPDIR to a directory that is there and can be written to")
        }
        ReadError::NoKeyFits { kinds, .. } => {
            hints.push(format!("it opens with {}", kinds_words(kinds)));
            None
        }
        ReadError::SpoolTooSmall { .. } => {
            Some("from a file it needs none: save the archive first")
        }
        _ if exit == Exit::DAMAGED => Some("`bakpak verify --keyless ARCHIVE` lists all damage"),
        _ => None,
    };
    hints.extend(own.map(str::to_owned));
    if exit != Exit::NO_KEY_OFFERED {
        hints.extend(exit.remedies().iter().map(ToString::to_string));
    }
    exit
}

/// `a passphrase or a key file`.
fn kinds_words(kinds: &[SlotKind]) -> String {
    let words = [
        (
            SlotKind::Passphrase,
            "a passphrase (case, spaces and keyboard layout count)",
        ),
        (SlotKind::KeyFile, "a key file"),
    ];
    let known = words.iter().filter(|(kind, _)| kinds.contains(kind));
    let known: Vec<_> = known.map(|(_, word)| *word).collect();
    match known.is_empty() {
        true => "keys that this version does not know".to_owned(),
        false => known.join(", or "),
    }
}

fn pack_error(error: &PackError, hints: &mut Vec<String>) -> Exit {
    match error {
        PackError::Unreadable(_) => {
            hints.push("nothing was written; --allow-incomplete packs the rest".to_owned());
            Exit::INCOMPLETE
        }
        PackError::NothingReadable(_) => {
            hints.push("nothing was written; are these the right paths?".to_owned());
            Exit::INCOMPLETE
        }
        PackError::Interrupted => interrupt::exit(),
        PackError::Settings(_) => Exit::USAGE,
        PackError::Io { source, .. } if is_full(source) => {
            hints.push(NO_ROOM.to_owned());
            Exit::NOT_READY
        }
        PackError::Partial(error) => read_error(error, hints),
        PackError::Defect(_) => Exit::MISUSE,
        _ => Exit::FAILED,
    }
}

fn stage_error(error: &StageError, hints: &mut Vec<String>) -> Exit {
    match error {
        StageError::NoRoom { .. } | StageError::Clash(_) | StageError::Unfinished { .. } => {
            Exit::NOT_READY
        }
        StageError::AlreadyThere { .. } => {
            hints.push(
                "unpack to a directory that does not exist or is empty; or --merge to add what is \
                 missing, --replace to move aside what is in the way"
                    .to_owned(),
            );
            Exit::WOULD_OVERWRITE
        }
        StageError::CompletedBefore { .. } => {
            hints.push(
                "what comes from a pipe, or was selected in another way, is not known to be the \
                 same; --merge unpacks it again and adds what is missing"
                    .to_owned(),
            );
            Exit::WOULD_OVERWRITE
        }
        StageError::Locked { .. } => Exit::LOCKED,
        StageError::NoLinkTarget { .. } => Exit::DAMAGED,
        StageError::Misuse(_) => Exit::MISUSE,
        StageError::Io { source, .. } => {
            hints.extend(place_hint(source));
            Exit::FAILED
        }
        _ => Exit::FAILED,
    }
}

/// What to do if nothing can be made at the place that was named.
fn place_hint(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "the directory in which it is to lie must exist",
        io::ErrorKind::NotADirectory => "a file stands where a directory is needed",
        io::ErrorKind::PermissionDenied => {
            "this needs the right to write in the directory in which it is to lie"
        }
        io::ErrorKind::ReadOnlyFilesystem => "this file system can only be read",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn output_error(error: &OutputError, hints: &mut Vec<String>) -> Exit {
    match error {
        OutputError::AlreadyThere { path } => {
            let is_file = path.symlink_metadata().is_ok_and(|there| {
                let kind = there.file_type();
                kind.is_file() || kind.is_symlink()
            });
            hints.push(match is_file {
                true => "--force replaces it once the new archive is complete".to_owned(),
                false => {
                    "it is no file, so --force does not replace it; give another name".to_owned()
                }
            });
            Exit::WOULD_OVERWRITE
        }
        OutputError::SeveralLeft { left, .. } => {
            let left = left.iter().map(|path| quoted(path));
            hints.push(format!(
                "keep one of them: {}",
                left.collect::<Vec<_>>().join(", ")
            ));
            Exit::USAGE
        }
        OutputError::Locked { .. } => Exit::LOCKED,
        OutputError::Io { source, .. } if is_full(source) => {
            hints.push(NO_ROOM.to_owned());
            Exit::NOT_READY
        }
        OutputError::Io { source, .. } => {
            hints.extend(place_hint(source));
            Exit::FAILED
        }
        _ => Exit::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_keeps_its_code_below_context() {
        let error = anyhow::Error::new(Failure::new(Exit::LOCKED, "busy").hint("wait"));
        let error = Err::<(), _>(error).context("cannot write 'a'").unwrap_err();
        assert_eq!(judge(&error), (Exit::LOCKED, vec!["wait".to_owned()]));
        assert_eq!(words(&error), "cannot write 'a': busy");
    }
}
