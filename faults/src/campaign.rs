//! Every place of a verb at which a fault can come, or some of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::fault::{Fault, Place, Plan};
use crate::layer::Ended;
use crate::scene::{Noise, Scene};
use crate::verbs::{State, Verb};

/// So many failures are collected; more would say the same.
const MAX_FAILURES: usize = 20;

/// What was played.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// How many cases of each fault.
    pub counts: BTreeMap<Fault, u64>,
    /// What held after cases that must not; the case is in the words.
    pub failures: Vec<String>,
}

impl Played {
    fn add(&mut self, plan: Plan, outcome: Result<bool>) -> bool {
        *self.counts.entry(plan.fault).or_default() += 1;
        match outcome {
            Ok(came) => came,
            Err(error) => {
                self.failures.push(format!("{error:#}"));
                self.failures.len() < MAX_FAILURES
            }
        }
    }
}

/// Plays a verb with a fault at its first call, its second, and so on to its last.
///
/// Threads do not run in the same order each time; each n up to the number of calls of a run is
/// tried all the same.
pub fn every_call(scene: &Scene, verb: &Verb, faults: &[Fault]) -> Played {
    let mut played = Played::default();
    for &fault in faults {
        for n in 1.. {
            let place = Place::Nth(n);
            let plan = Plan { fault, place };
            if !played.add(plan, play(scene, verb, plan)) {
                break;
            }
        }
    }
    played
}

/// Plays a verb with so many faults at calls that a seed chooses.
///
/// # Errors
///
/// The verb fails without any fault, or makes no call that a fault can befall.
pub fn sample(
    scene: &Scene,
    verb: &Verb,
    faults: &[Fault],
    count: u64,
    noise: &mut Noise,
) -> Result<Played> {
    let mut played = Played::default();
    let mut lengths = BTreeMap::new();
    for _ in 0..count {
        let fault = *noise.one_of(faults);
        let calls = match lengths.get(&fault) {
            Some(calls) => *calls,
            None => {
                let calls = count_calls(scene, verb, fault)?;
                lengths.insert(fault, calls);
                calls
            }
        };
        ensure!(
            calls > 0,
            "{} makes no call that {fault} can befall",
            verb.name
        );
        let place = Place::Nth(1 + noise.below(calls));
        let plan = Plan { fault, place };
        played.add(plan, play(scene, verb, plan));
        if played.failures.len() >= MAX_FAILURES {
            break;
        }
    }
    Ok(played)
}

/// How many calls of a run a fault can befall.
///
/// # Errors
///
/// The verb fails without any fault.
pub fn count_calls(scene: &Scene, verb: &Verb, fault: Fault) -> Result<u64> {
    let place = Place::Nth(u64::MAX);
    let ended = run_once(scene, verb, Some(Plan { fault, place }))?;
    ensure!(
        ended.code == Some(0),
        "{} fails by itself: {}",
        verb.name,
        ended.err
    );
    Ok(ended.calls)
}

/// Plays one case; says whether the fault came.
///
/// # Errors
///
/// Something holds after it that must not; the case is in the message.
pub fn play(scene: &Scene, verb: &Verb, plan: Plan) -> Result<bool> {
    let ended = run_once(scene, verb, Some(plan));
    let ended = ended.with_context(|| format!("{}, {plan}", verb.name))?;
    let context = || {
        format!(
            "{}, {plan}, which was {}: it ended with {:?} and said:\n{}",
            verb.name,
            ended.hit.as_deref().unwrap_or("never"),
            ended.code,
            ended.err
        )
    };
    judge(scene, verb, plan, &ended).with_context(context)?;
    Ok(ended.hit.is_some())
}

fn run_once(scene: &Scene, verb: &Verb, plan: Option<Plan>) -> Result<Ended> {
    scene.clear()?;
    (verb.set)(scene)?;
    scene.run(&line(scene, verb), (verb.input, verb.source), plan)
}

fn line(scene: &Scene, verb: &Verb) -> String {
    verb.line.replace('@', &scene.options)
}

/// What must hold for each verb alike.
fn judge(scene: &Scene, verb: &Verb, plan: Plan, ended: &Ended) -> Result<()> {
    ensure!(!ended.err.contains("panicked"), "it panicked");
    scene.is_untouched()?;
    let was_killed = plan.fault.is_kill() && ended.hit.is_some();
    let is_error = matches!(plan.fault, Fault::Io | Fault::Full);
    let state = match (verb.state)(scene) {
        // What it could do without, it names.
        Err(_) if is_error && ended.code == Some(0) && names_a_loss(ended) => return Ok(()),
        state => state?,
    };
    let Some(code) = ended.code else {
        ensure!(was_killed, "something else killed it");
        return finish(scene, verb, &state);
    };
    ensure!(!was_killed, "it was to be killed, and ended with {code}");
    if plan.fault.is_harmless() || ended.hit.is_none() {
        ensure!(code == 0, "it let a short or interrupted call show");
    }
    if code == 0 {
        ensure!(
            state.is_new || (is_error && names_a_loss(ended)),
            "it says that it succeeded"
        );
        ensure!(
            state.remains.iter().all(|name| ended.err.contains(name)),
            "it leaves {:?} and does not say so",
            state.remains
        );
        return match verb.is_reader {
            true if is_error && ended.err.contains("bakpak: warning: ") => Ok(()),
            true => same_output(scene, verb, ended),
            false => Ok(()),
        };
    }
    ensure!(verb.codes.contains(&code), "{code} is not how this fails");
    ensure!(ended.err.contains("bakpak: error: "), "it does not say why");
    if plan.fault == Fault::Full {
        ensure!(code == 30, "no room ends with 30");
    }
    let is_kept = |name: &String| verb.keeps_what_is_done && ended.err.contains(name.as_str());
    ensure!(
        state.remains.iter().all(is_kept),
        "it leaves {:?}",
        state.remains
    );
    ensure!(
        scene.names("../tmp")?.is_empty(),
        "it leaves something in TMPDIR"
    );
    Ok(())
}

/// Whether a warning says that something was not restored as it was.
fn names_a_loss(ended: &Ended) -> bool {
    let is_told = |words| ended.err.contains(words);
    is_told(" not restored: ") || is_told("hard link became a copy")
}

/// The same command finishes what was killed, and leaves nothing but what it names.
fn finish(scene: &Scene, verb: &Verb, before: &State) -> Result<()> {
    let again = scene.plainly(&line(scene, verb), verb.input)?;
    let is_done = again.code == Some(0);
    // The output was complete when it was killed: nothing at all was left to do, or what comes from a
    // pipe, or is packed, cannot be known to be the same again.
    let is_over = before.is_new && (verb.refuses_when_done || before.remains.is_empty());
    let may_refuse = is_over && again.code == Some(31);
    let was_done = may_refuse && (verb.state)(scene)?.is_new;
    if !is_done && !was_done {
        bail!("started again it ends with {:?}: {}", again.code, again.err);
    }
    let state = (verb.state)(scene).context("started again")?;
    ensure!(
        state.is_new,
        "started again it says that it succeeded: {}",
        again.err
    );
    let told = |name: &String| again.err.contains(name.as_str());
    ensure!(
        state.remains.iter().all(told),
        "started again it leaves {:?} and does not say so: {}",
        state.remains,
        again.err
    );
    scene.is_untouched()
}

/// A reader says the same as without any fault.
fn same_output(scene: &Scene, verb: &Verb, ended: &Ended) -> Result<()> {
    let plain = scene.plainly(&line(scene, verb), verb.input)?;
    ensure!(
        plain.out == ended.out,
        "it says something else than without a fault"
    );
    Ok(())
}
