//! The `bakpak` program: one encrypted, self-checking file that carries a server through a disaster.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::{Arguments, KeyVerb, MasterKeyVerb, Verb};
use crate::exit::Exit;
use crate::output::{Output, talk};

mod absent;
mod affected;
mod archive;
mod args;
mod backups;
mod cat;
mod demo;
mod exit;
mod explain;
mod inspect;
mod interrupt;
mod key;
mod list;
mod master_key;
mod output;
mod pack;
mod plan;
mod progress;
mod prompt;
mod repair;
mod report;
mod restorability;
mod runbook;
mod salvage;
mod select;
mod shared_file;
mod unpack;
mod verify;

fn main() -> ExitCode {
    let _ = no_core_dumps();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            talk(&format!("bakpak: {}", with_better_tip(error).render()));
            return ExitCode::from(Exit::USAGE.0);
        }
        // Help and version are asked for; nobody reading them to the end is no error.
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let output = output_for(&arguments.verb);
    // A defect must not end with a code that means something else, nor with half a message.
    let exit = catch_unwind(AssertUnwindSafe(|| run(&arguments.verb, &output)));
    ExitCode::from(exit.unwrap_or(Exit::MISUSE).0)
}

fn run(verb: &Verb, output: &Output) -> Exit {
    if let Err(error) = interrupt::listen() {
        output.error(&format!("cannot listen to signals: {error}"));
        return Exit::FAILED;
    }
    let done = match verb {
        Verb::Pack(arguments) => pack::run(arguments, output),
        Verb::Verify(arguments) => verify::run(arguments, output),
        Verb::Repair(arguments) => repair::run(arguments, output),
        Verb::Salvage(arguments) => salvage::run(arguments, output),
        Verb::Unpack(arguments) => unpack::run(arguments, output),
        Verb::List(arguments) => list::run(arguments, output),
        Verb::Cat(arguments) => cat::run(arguments, output),
        Verb::Inspect(arguments) => inspect::run(arguments, output),
        Verb::Plan(arguments) => plan::run(arguments, output),
        Verb::Runbook(arguments) => runbook::run(arguments, output),
        Verb::Explain(arguments) => explain::run(arguments, output),
        Verb::MasterKey(arguments) => match &arguments.verb {
            MasterKeyVerb::Show(arguments) => master_key::show(arguments, output),
            MasterKeyVerb::Exec(arguments) => master_key::exec(arguments, output),
        },
        Verb::Key(arguments) => match &arguments.verb {
            KeyVerb::Generate(arguments) => key::generate(arguments, output),
            KeyVerb::List(arguments) => key::slots::list(arguments, output),
            KeyVerb::Add(arguments) => key::slots::add(arguments, output),
            KeyVerb::Remove(arguments) => key::slots::remove(arguments, output),
            KeyVerb::Rotate(arguments) => key::slots::rotate(arguments, output),
        },
        Verb::Demo(arguments) => demo::run(arguments, output),
    };
    if done.is_ok() && interrupt::is_ignored() {
        output.remark("a signal came when it was too late to stop: all of it was completed");
    }
    let exit = done.unwrap_or_else(|error| report::report(&error, output));
    match output.finish() {
        Ok(()) => exit,
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot write to standard output");
            exit.worst(report::report(&error, output))
        }
    }
}

fn output_for(verb: &Verb) -> Output {
    let (json, quiet) = match verb {
        Verb::Pack(arguments) => (arguments.outcome.json, arguments.quiet),
        Verb::Verify(arguments) => (arguments.outcome.json, false),
        Verb::Repair(arguments) => (arguments.json, arguments.quiet),
        Verb::Salvage(arguments) => (arguments.json, arguments.quiet),
        Verb::Unpack(arguments) => (arguments.outcome.json, false),
        Verb::Inspect(arguments) => (arguments.outcome.json, false),
        Verb::List(arguments) => (arguments.json, false),
        Verb::Plan(arguments) => (arguments.outcome.json, false),
        Verb::Explain(arguments) => (arguments.json, false),
        Verb::Key(arguments) => (arguments.verb.json(), false),
        Verb::Cat(_) | Verb::Runbook(_) | Verb::MasterKey(_) | Verb::Demo(_) => (false, false),
    };
    Output::new(json, quiet)
}

/// Without the tip to put `--` before an unknown option, which is never what is meant here; and
/// with one for whoever offers the data's key to `master-key`.
fn with_better_tip(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    error.remove(ContextKind::Suggested);
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => option.replacen("--", "--envelope-", 1),
        _ => return error,
    };
    let options = [
        "--envelope-key-file",
        "--envelope-passphrase-file",
        "--envelope-passphrase-fd",
    ];
    let words: Vec<_> = std::env::args_os().take(2).collect();
    if words.last().is_some_and(|verb| verb == "master-key") && options.contains(&option.as_str()) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(option));
    }
    error
}

/// A core dump would hold keys. Only the soft limit, so that a command run by `master-key exec`
/// can raise it again.
#[cfg(unix)]
fn no_core_dumps() -> rustix::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Core);
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            ..limit
        },
    )
}

#[cfg(windows)]
fn no_core_dumps() -> std::io::Result<()> {
    Ok(())
}
