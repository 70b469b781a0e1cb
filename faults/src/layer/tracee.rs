//! The threads of the program: in which call each is, and what is done to it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::calls::{self, Call};
use super::{Ended, Job, Next};
use crate::fault::{Fault, Kind, Place, Plan};

/// A call of this number is none: the kernel does nothing, and gives ENOSYS.
const NO_CALL: u64 = u64::MAX;

/// All threads of the program.
pub(super) struct Tracees {
    root: PathBuf,
    source: Option<PathBuf>,
    plan: Option<Plan>,
    /// Threads that are in a call, and what is due when it ends.
    inside: HashMap<Pid, Due>,
    calls: u64,
    hit: Option<String>,
}

/// What is due at the end of a call.
enum Due {
    Nothing,
    Kill,
    /// It was not made, and this is its result.
    Result(i64),
    /// Its arguments were changed: these are the ones that it had.
    Arguments(Box<user_regs_struct>),
}

impl Tracees {
    pub(super) fn new(job: &Job, plan: Option<Plan>) -> Self {
        Self {
            root: job.root.clone(),
            source: job.source.clone(),
            plan,
            inside: HashMap::new(),
            calls: 0,
            hit: None,
        }
    }

    /// Whether calls still have to be stopped at.
    pub(super) fn watches(&self) -> bool {
        let is_over = |plan: Plan| matches!(plan.place, Place::Nth(n) if self.calls >= n);
        !self.plan.is_some_and(is_over) || !self.inside.values().all(Due::is_nothing)
    }

    pub(super) fn ended(self, code: Option<i32>) -> Ended {
        Ended {
            code,
            calls: self.calls,
            hit: self.hit,
            ..Ended::default()
        }
    }

    /// This thread has just become the program: its next stop is the end of that call.
    pub(super) fn is_inside(&mut self, pid: Pid) {
        self.inside.insert(pid, Due::Nothing);
    }

    /// The beginning or the end of a call.
    pub(super) fn at_call(&mut self, pid: Pid) -> Result<Next> {
        let done = match self.inside.remove(&pid) {
            Some(due) => Self::at_end(pid, due),
            None => self.at_begin(pid),
        };
        match done {
            // It was killed meanwhile.
            Err(Errno::ESRCH) => Ok(Next::GoOn),
            done => Ok(done?),
        }
    }

    fn at_end(pid: Pid, due: Due) -> nix::Result<Next> {
        match due {
            Due::Nothing => {}
            Due::Kill => return Ok(Next::Kill),
            Due::Result(result) => {
                let mut registers = ptrace::getregs(pid)?;
                registers.rax = result.cast_unsigned();
                ptrace::setregs(pid, registers)?;
            }
            Due::Arguments(before) => {
                // The program may count on its registers being what they were.
                let mut registers = ptrace::getregs(pid)?;
                (registers.rdx, registers.r10, registers.r8) = (before.rdx, before.r10, before.r8);
                ptrace::setregs(pid, registers)?;
            }
        }
        Ok(Next::GoOn)
    }

    fn at_begin(&mut self, pid: Pid) -> nix::Result<Next> {
        self.inside.insert(pid, Due::Nothing);
        if !self.watches() {
            return Ok(Next::GoOn);
        }
        let registers = ptrace::getregs(pid)?;
        let Some(call) = self.of_interest(pid, &registers) else {
            return Ok(Next::GoOn);
        };
        let fault = self.plan.map(|plan| plan.fault);
        if fault.is_some_and(|fault| !befalls(fault, &call, &registers)) {
            return Ok(Next::GoOn);
        }
        self.calls += 1;
        let Some(plan) = self.plan.filter(|plan| self.is_due(plan.place)) else {
            return Ok(Next::GoOn);
        };
        self.hit = Some(self.describe(pid, &call, &registers));
        if super::kills_before(plan.fault) {
            let mut registers = registers;
            registers.orig_rax = NO_CALL;
            ptrace::setregs(pid, registers)?;
            return Ok(Next::Kill);
        }
        if let Some(source) = &self.source {
            // If it is gone already, there is nothing to do to it.
            match plan.fault {
                Fault::Vanish => fs::remove_file(source).ok(),
                Fault::Cut => cut(source).ok(),
                _ => None,
            };
        }
        let due = inject(plan.fault, pid, &call, registers)?;
        self.inside.insert(pid, due);
        Ok(Next::GoOn)
    }

    fn is_due(&self, place: Place) -> bool {
        match place {
            Place::Nth(n) => self.calls == n,
            Place::Every(n) => self.calls.is_multiple_of(n),
        }
    }

    /// The call, if it touches files below the root, or standard input or output.
    fn of_interest(&self, pid: Pid, registers: &user_regs_struct) -> Option<Call> {
        let call = calls::find(registers.orig_rax.cast_signed())?;
        let flags = call.open_flags.map(|index| argument(registers, index));
        if flags.is_some_and(|flags| !calls::makes(flags)) {
            return None;
        }
        let Some(index) = call.descriptor else {
            return Some(call);
        };
        let number = argument(registers, index);
        let path = descriptor_path(pid, number)?;
        let is_pipe = number < 2 && path.as_os_str().as_bytes().starts_with(b"pipe:");
        (is_pipe || path.starts_with(&self.root)).then_some(call)
    }

    fn describe(&self, pid: Pid, call: &Call, registers: &user_regs_struct) -> String {
        let path = call
            .descriptor
            .and_then(|index| descriptor_path(pid, argument(registers, index)))
            .map(|path| {
                path.strip_prefix(&self.root)
                    .unwrap_or(&path)
                    .display()
                    .to_string()
            });
        format!("{}({})", call.name, path.unwrap_or_default())
    }
}

impl Due {
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// Whether the fault can come to this very call.
fn befalls(fault: Fault, call: &Call, registers: &user_regs_struct) -> bool {
    let amount = call.amount.map(|index| argument(registers, index));
    match fault {
        Fault::Short => fault.befalls(call.kind) && amount.is_some_and(|amount| amount > 1),
        // A file system that gives a file its length is not interrupted.
        Fault::Interrupted => fault.befalls(call.kind) && amount.is_some(),
        _ => fault.befalls(call.kind),
    }
}

fn inject(
    fault: Fault,
    pid: Pid,
    call: &Call,
    mut registers: user_regs_struct,
) -> nix::Result<Due> {
    let error = match fault {
        Fault::KillBefore | Fault::Vanish | Fault::Cut => return Ok(Due::Nothing),
        Fault::KillAfter => return Ok(Due::Kill),
        Fault::Short => {
            let before = Box::new(registers);
            if let Some(amount) = call.amount.and_then(|at| argument_mut(&mut registers, at)) {
                *amount /= 2;
            }
            ptrace::setregs(pid, registers)?;
            return Ok(Due::Arguments(before));
        }
        Fault::Io => Errno::EIO,
        Fault::Full => Errno::ENOSPC,
        Fault::Interrupted => Errno::EINTR,
    };
    debug_assert!(fault != Fault::Full || call.kind != Kind::Read);
    registers.orig_rax = NO_CALL;
    ptrace::setregs(pid, registers)?;
    Ok(Due::Result(-i64::from(error as i32)))
}

fn cut(path: &Path) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    file.set_len(file.metadata()?.len() / 2)
}

/// What a descriptor stands for.
fn descriptor_path(pid: Pid, number: u64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()
}

fn argument(registers: &user_regs_struct, index: usize) -> u64 {
    let all = [
        registers.rdi,
        registers.rsi,
        registers.rdx,
        registers.r10,
        registers.r8,
    ];
    all.get(index).copied().unwrap_or_default()
}

/// An argument that says how much.
fn argument_mut(registers: &mut user_regs_struct, index: usize) -> Option<&mut u64> {
    match index {
        2 => Some(&mut registers.rdx),
        3 => Some(&mut registers.r10),
        4 => Some(&mut registers.r8),
        _ => None,
    }
}
