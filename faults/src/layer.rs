//! Runs a program, stops at its system calls, and injects a fault at one of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::fault::{Fault, Plan};
use tracee::Tracees;

mod calls;
mod tracee;

/// After so long a program is said to hang. One that is traced is slow, and machines of CI too.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// The stop at which the shell has become the program.
const EVENT_EXEC: i32 = nix::libc::PTRACE_EVENT_EXEC;

/// What runs, and where.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Calls on files below it count; the program's temporary files belong there too.
    pub root: PathBuf,
    /// What comes from a pipe on standard input.
    pub input: Option<PathBuf>,
    /// What is removed or cut by the faults that do so.
    pub source: Option<PathBuf>,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Its exit code; none if it was killed.
    pub code: Option<i32>,
    /// What it said on standard output.
    pub out: Vec<u8>,
    /// What it said on standard error.
    pub err: String,
    /// How many calls touched files that the fault could befall, up to the fault.
    pub calls: u64,
    /// The call that the fault came to, if it came.
    pub hit: Option<String>,
}

/// Why programs cannot be traced here, if they cannot.
#[must_use]
pub fn refusal() -> Option<String> {
    let job = Job {
        program: PathBuf::from("/bin/true"),
        args: Vec::new(),
        dir: PathBuf::from("/"),
        root: PathBuf::from("/nonexistent"),
        input: None,
        source: None,
    };
    match run(&job, None) {
        Ok(ended) if ended.code == Some(0) => None,
        Ok(ended) => Some(format!("a traced /bin/true ended with {:?}", ended.code)),
        Err(error) => Some(format!("programs cannot be traced here: {error:#}")),
    }
}

/// Runs the job to its end, with a fault or only counting.
///
/// # Errors
///
/// It cannot be started or traced, or it hangs.
pub fn run(job: &Job, plan: Option<Plan>) -> Result<Ended> {
    let mut output = tempfile::tempfile()?;
    let mut errors = tempfile::tempfile()?;
    let child = start(job, &output, &errors)?;
    let leader = Pid::from_raw(i32::try_from(child.id())?);
    let (done, wait_for_end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let hangs = wait_for_end.recv_timeout(HANGS_AFTER) == Err(RecvTimeoutError::Timeout);
        if hangs {
            kill(leader, Signal::SIGKILL).ok();
        }
        hangs
    });
    let traced = trace(leader, job, plan);
    drop(done);
    let hangs = watch.join().is_ok_and(|hangs| hangs);
    if traced.is_err() {
        kill(leader, Signal::SIGKILL).ok();
        waitpid(leader, Some(WaitPidFlag::__WALL)).ok();
    }
    let mut ended = traced?;
    output.rewind()?;
    output.read_to_end(&mut ended.out)?;
    errors.rewind()?;
    let mut said = Vec::new();
    errors.read_to_end(&mut said)?;
    ended.err = String::from_utf8_lossy(&said).into_owned();
    if hangs {
        bail!("it hangs after {plan:?}, {:?}: {}", ended.hit, ended.err);
    }
    Ok(ended)
}

/// Starts a shell that stops itself before it becomes the program: tracing can begin then. To ask
/// for tracing between fork and exec would take unsafe code.
fn start(job: &Job, output: &File, errors: &File) -> Result<Child> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
        .arg(&job.program)
        .args(&job.args)
        .current_dir(&job.dir)
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BAKPAK_") {
            command.env_remove(name);
        }
    }
    let temporary = job.root.join("tmp");
    if temporary.is_dir() {
        command.env("TMPDIR", temporary);
    }
    let Some(input) = &job.input else {
        return Ok(command.stdin(Stdio::null()).spawn()?);
    };
    let bytes = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // It ends when the program reads all, or is gone.
        std::thread::spawn(move || pipe.write_all(&bytes).ok());
    }
    Ok(child)
}

/// Lets the program run from system call to system call.
fn trace(leader: Pid, job: &Job, plan: Option<Plan>) -> Result<Ended> {
    let stopped = waitpid(leader, Some(WaitPidFlag::WUNTRACED))?;
    if !matches!(stopped, WaitStatus::Stopped(..)) {
        bail!("the shell did not stop itself: {stopped:?}");
    }
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).context("ptrace")?;
    kill(leader, Signal::SIGCONT)?;
    let mut tracees = Tracees::new(job, plan);
    let mut has_begun = false;
    loop {
        // Only those of this thread: other tests of the process trace programs of their own.
        let status = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Err(Errno::EINTR) => continue,
            status => status?,
        };
        let (pid, signal) = match status {
            WaitStatus::Exited(pid, code) if pid == leader => {
                return Ok(tracees.ended(Some(code)));
            }
            WaitStatus::Signaled(pid, ..) if pid == leader => return Ok(tracees.ended(None)),
            WaitStatus::PtraceEvent(pid, _, EVENT_EXEC) => {
                has_begun = true;
                tracees.is_inside(pid);
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::PtraceSyscall(pid) if has_begun => {
                if tracees.at_call(pid)? == Next::Kill {
                    kill(leader, Signal::SIGKILL)?;
                }
                (pid, None)
            }
            WaitStatus::PtraceSyscall(pid) => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        // Once the fault has come, calls are of no interest any more.
        let resumed = match tracees.watches() {
            true => ptrace::syscall(pid, signal),
            false => ptrace::cont(pid, signal),
        };
        match resumed {
            // It was killed meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context("ptrace"),
        }
    }
}

/// What follows a stop at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Kill,
}

/// Whether a fault ends the program before the call is made.
fn kills_before(fault: Fault) -> bool {
    fault == Fault::KillBefore
}
