//! Calls with content on their way to another thread, many at a time: handing over each one would
//! cost more than most of them.

use crate::pipeline::{Belt, NoThread, Spares, Stopped, beside};
use bytes::Bytes;
use std::ops::Range;

/// Batches under way, besides the one that is filled and the one that is carried out.
const DEPTH: usize = 4;

/// A batch goes off when so much memory is in it, or so many calls.
const FULL_LEN: usize = 512 << 10;
const FULL_CALLS: usize = 1024;

/// Shorter pieces are copied: they would hold a whole chunk for little.
const SHARED_LEN: usize = 16 << 10;

/// Each of so many pieces may hold a chunk of which it is a small part.
const FULL_SHARED: usize = 4;

/// Collects calls and sends them to the other thread.
pub(crate) struct Batches<C> {
    belt: Belt<Batch<C>>,
    batch: Batch<C>,
    spares: Spares<Batch<C>>,
}

/// The content that the calls of a batch speak of.
#[derive(Default)]
pub(crate) struct Content {
    copied: Vec<u8>,
    shared: Vec<Bytes>,
    len: usize,
}

/// Where a piece lies in the content of its batch.
pub(crate) enum Piece {
    Copied(Range<usize>),
    Shared(usize),
}

struct Batch<C> {
    calls: Vec<C>,
    content: Content,
}

/// Runs `carry_out` on a thread of its own over every call that `f` makes, in order; gives back
/// what `f` gives and how `carry_out` ended. `f` must drop the batches, and send what is in the last
/// one if it matters.
pub(crate) fn in_batches<C: Send, E: Send, R>(
    mut carry_out: impl FnMut(&C, &Content) -> Result<(), E> + Send,
    f: impl FnOnce(Batches<C>) -> R,
) -> Result<(R, Result<(), E>), NoThread> {
    let spares = Spares::new(DEPTH + 2);
    let done = spares.clone();
    let carry_out = |batch: Batch<C>| {
        let Batch { calls, content } = &batch;
        calls.iter().try_for_each(|call| carry_out(call, content))?;
        done.give(batch.emptied());
        Ok(())
    };
    beside(DEPTH, carry_out, |belt| {
        f(Batches {
            belt,
            batch: Batch::default(),
            spares,
        })
    })
}

impl<C> Batches<C> {
    /// Adds content for the next call.
    pub(crate) fn piece(&mut self, bytes: Bytes) -> Piece {
        self.batch.content.add(bytes)
    }

    /// The next call itself takes so much memory.
    pub(crate) fn weigh(&mut self, len: usize) {
        self.batch.content.len += len;
    }

    pub(crate) fn call(&mut self, call: C) -> Result<(), Stopped> {
        self.batch.calls.push(call);
        match self.batch.is_full() {
            true => self.send(),
            false => Ok(()),
        }
    }

    /// Sends what has been collected.
    pub(crate) fn send(&mut self) -> Result<(), Stopped> {
        if self.batch.calls.is_empty() {
            return Ok(());
        }
        let next = self.spares.take().unwrap_or_default();
        self.belt.put(std::mem::replace(&mut self.batch, next))
    }
}

impl<C> Batch<C> {
    fn is_full(&self) -> bool {
        self.calls.len() >= FULL_CALLS || self.content.is_full()
    }

    /// Its memory, for the next one.
    fn emptied(mut self) -> Self {
        self.calls.clear();
        self.content.clear();
        self
    }
}

impl<C> Default for Batch<C> {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            content: Content::default(),
        }
    }
}

impl Content {
    pub(crate) fn get(&self, piece: &Piece) -> &[u8] {
        match piece {
            Piece::Copied(range) => &self.copied[range.clone()],
            Piece::Shared(number) => &self.shared[*number],
        }
    }

    fn add(&mut self, bytes: Bytes) -> Piece {
        self.len += bytes.len();
        if bytes.len() < SHARED_LEN {
            let start = self.copied.len();
            self.copied.extend_from_slice(&bytes);
            return Piece::Copied(start..self.copied.len());
        }
        self.shared.push(bytes);
        Piece::Shared(self.shared.len() - 1)
    }

    fn is_full(&self) -> bool {
        self.len >= FULL_LEN || self.shared.len() >= FULL_SHARED
    }

    fn clear(&mut self) {
        self.copied.clear();
        self.shared.clear();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn every_call_comes_in_order_with_its_content() {
        let lens = [0, 1, SHARED_LEN - 1, SHARED_LEN, FULL_LEN, 3, 2 * FULL_LEN];
        let mut found = Vec::new();
        let carry_out = |(number, piece): &(usize, Piece), content: &Content| {
            found.push((*number, content.get(piece).to_vec()));
            Ok::<_, Infallible>(())
        };
        let (sent, ended) = in_batches(carry_out, |mut batches| {
            let mut sent = Vec::new();
            for (number, len) in lens.into_iter().cycle().take(5000).enumerate() {
                let bytes = vec![number as u8; len];
                let piece = batches.piece(Bytes::from(bytes.clone()));
                batches.call((number, piece)).unwrap();
                sent.push((number, bytes.len()));
            }
            batches.send().unwrap();
            sent
        })
        .unwrap();
        ended.unwrap();
        assert_eq!(found.len(), sent.len());
        for ((number, bytes), (sent_number, len)) in found.iter().zip(sent) {
            assert_eq!((*number, bytes.len()), (sent_number, len));
            assert!(bytes.iter().all(|&byte| byte == *number as u8));
        }
    }

    #[test]
    fn calls_that_weigh_much_go_off_at_once() {
        let sends = |weight| {
            let carry_out = |(): &(), _: &Content| Err::<(), _>("full");
            let count = |mut batches: Batches<()>| {
                let send = |_: &usize| {
                    batches.weigh(weight);
                    batches.call(()).is_ok()
                };
                (0..FULL_CALLS - 1).take_while(send).count()
            };
            in_batches(carry_out, count).unwrap().0
        };
        assert!(sends(FULL_LEN) <= DEPTH + 2);
        assert_eq!(sends(0), FULL_CALLS - 1, "these wait for one another");
    }

    #[test]
    fn few_buffers_are_held() {
        let mut content = Content::default();
        while !content.is_full() {
            content.add(Bytes::from(vec![0; SHARED_LEN]));
        }
        assert_eq!(content.shared.len(), FULL_SHARED);
        content.clear();
        while !content.is_full() {
            content.add(Bytes::from(vec![0; SHARED_LEN - 1]));
        }
        assert_eq!(content.shared.len(), 0);
        assert!(content.copied.len() < FULL_LEN + SHARED_LEN);
    }
}
