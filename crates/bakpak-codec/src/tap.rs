//! Taps: who sees the content of an entry as it passes, and says what it learned.

use crate::batches::{Batches, Content, Piece, in_batches};
use crate::pipeline::{Answering, Answers, Buffers, NoThread, WorkerLost, answers};
use bakpak_format::entry::Entry;
use bakpak_format::record::EntryFacts;
use std::cell::Cell;
use std::convert::Infallible;

/// Bytes are handed on in pieces of at most this.
const PIECE: usize = 128 << 10;

/// Buffers that can be under way: four in each batch, and what collects.
const MAX_BUFFERS: usize = 32;

/// Sees the content of one entry, from its first byte to its last, each once and in order.
///
/// It works on a thread of its own; the taps of several entries may work at the same time. Where an
/// entry is read again, or given up, its tap is dropped and not finished.
pub trait Tap: Send {
    /// The next bytes; how they are cut means nothing.
    fn bytes(&mut self, bytes: &[u8]);

    /// As many zeros come next, none of them stored: a hole, or what the source lacked. Zeros may
    /// also come by [`Tap::bytes`].
    fn zeros(&mut self, len: u64);

    /// The content is complete; gives what was learned of it.
    fn finish(self: Box<Self>) -> Vec<EntryFacts>;
}

/// Chooses the taps of entries that are read from an archive; `None` for those that nobody wants to
/// see.
pub type TapOf<'a> = dyn FnMut(&Entry) -> Option<Box<dyn Tap>> + Send + 'a;

/// Brings content to the taps of one entry after another, on a thread beside.
pub(crate) struct Tapping {
    batches: Batches<Step>,
    learned: Answers<Vec<EntryFacts>>,
    buffers: Buffers,
    is_open: bool,
}

enum Step {
    /// The next tap; one that is open is dropped.
    Open(Cell<Option<Box<dyn Tap>>>),
    Bytes(Piece),
    Zeros(u64),
    Finish,
}

/// Runs `f` with the taps' thread, which `f` must drop.
pub(crate) fn tapping_beside<R>(f: impl FnOnce(Tapping) -> R) -> Result<R, NoThread> {
    let (answering, learned) = answers();
    let mut open = None;
    let step = move |step: &Step, content: &Content| {
        step.carry_out(content, &mut open, &answering);
        Ok::<_, Infallible>(())
    };
    let f = |batches| {
        f(Tapping {
            batches,
            learned,
            buffers: Buffers::new(MAX_BUFFERS),
            is_open: false,
        })
    };
    let (result, ended) = in_batches(step, f)?;
    match ended {
        Ok(()) => Ok(result),
        Err(never) => match never {},
    }
}

impl Step {
    fn carry_out(
        &self,
        content: &Content,
        open: &mut Option<Box<dyn Tap>>,
        learned: &Answering<Vec<EntryFacts>>,
    ) {
        match (self, &mut *open) {
            (Self::Open(next), _) => *open = next.take(),
            (Self::Bytes(piece), Some(tap)) => tap.bytes(content.get(piece)),
            (Self::Zeros(len), Some(tap)) => tap.zeros(*len),
            (Self::Finish, _) => learned.give(open.take().map_or_else(Vec::new, Tap::finish)),
            (Self::Bytes(_) | Self::Zeros(_), None) => {}
        }
    }
}

impl Tapping {
    /// An entry's content begins; one that was begun and has not ended is given up.
    pub(crate) fn begin(&mut self, tap: Option<Box<dyn Tap>>) {
        if self.is_open || tap.is_some() {
            self.is_open = tap.is_some();
            self.call(Step::Open(Cell::new(tap)));
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if !self.is_open {
            return;
        }
        for piece in bytes.chunks(PIECE) {
            // The reader's buffer is filled anew at once.
            let mut buffer = self.buffers.take().unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(piece);
            let piece = self.batches.piece(self.buffers.lend(buffer));
            self.call(Step::Bytes(piece));
        }
    }

    pub(crate) fn zeros(&mut self, len: u64) {
        if self.is_open && len > 0 {
            self.call(Step::Zeros(len));
        }
    }

    /// The content is complete: what was learned, waiting for it.
    pub(crate) fn end(&mut self) -> Result<Vec<EntryFacts>, WorkerLost> {
        if !self.is_open {
            return Ok(Vec::new());
        }
        self.is_open = false;
        self.call(Step::Finish);
        self.batches.send().map_err(|_| WorkerLost)?;
        self.learned.next()
    }

    fn call(&mut self, step: Step) {
        // The thread stops before its end only if a tap panics; then `end` has no answer.
        let _ = self.batches.call(step);
    }
}
