//! A sink on a thread of its own: what is written there does not hold up what is read here.

use crate::error::ReadError;
use crate::pipeline::{Belt, Spares, Stopped, beside};
use crate::sink::{Sink, SinkError};
use bakpak_format::entry::{Entry, EntryPath};
use std::ops::Range;

/// Batches under way, besides the one that is filled and the one that is carried out.
const DEPTH: usize = 2;

/// A batch goes off with so much content, or so many calls.
const BATCH_LEN: usize = 512 << 10;
const BATCH_CALLS: usize = 1024;

/// Runs `f` with a sink whose calls are carried out by `sink` beside it, in order.
///
/// A call that fails there ends `f` at one of its next calls; the error given is that of the sink.
pub(super) fn on_its_own_thread<R>(
    sink: &mut (dyn Sink + Send),
    f: impl FnOnce(&mut SinkBelt) -> Result<R, ReadError>,
) -> Result<R, ReadError> {
    let spares = Spares::new(DEPTH + 2);
    let done = spares.clone();
    let carry_out = |batch: Batch| {
        batch.carry_out(sink)?;
        done.give(batch.emptied());
        Ok(())
    };
    let (result, ended) = beside(DEPTH, carry_out, |belt| {
        let mut sink = SinkBelt {
            belt,
            batch: Batch::default(),
            spares,
        };
        let result = f(&mut sink)?;
        sink.send().map_err(stopped)?;
        Ok(result)
    });
    ended.map_err(ReadError::Sink)?;
    result
}

/// Collects calls and sends them to the other thread.
pub(super) struct SinkBelt {
    belt: Belt<Batch>,
    batch: Batch,
    spares: Spares<Batch>,
}

/// Calls, with the content of all of them end to end.
#[derive(Default)]
struct Batch {
    calls: Vec<Call>,
    content: Vec<u8>,
}

enum Call {
    Begin(Box<Entry>, Option<u64>),
    Write(u64, Range<usize>),
    Hole(u64, u64),
    End,
    Discard(EntryPath),
}

impl SinkBelt {
    fn call(&mut self, call: Call) -> Result<(), SinkError> {
        self.batch.calls.push(call);
        let is_full =
            self.batch.content.len() >= BATCH_LEN || self.batch.calls.len() >= BATCH_CALLS;
        match is_full {
            true => self.send().map_err(|_| "the sink has failed".into()),
            false => Ok(()),
        }
    }

    fn send(&mut self) -> Result<(), Stopped> {
        let next = self.spares.take().unwrap_or_default();
        self.belt.put(std::mem::replace(&mut self.batch, next))
    }
}

impl Sink for SinkBelt {
    fn begin(&mut self, entry: &Entry, size: Option<u64>) -> Result<(), SinkError> {
        self.call(Call::Begin(Box::new(entry.clone()), size))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let start = self.batch.content.len();
        self.batch.content.extend_from_slice(bytes);
        self.call(Call::Write(offset, start..start + bytes.len()))
    }

    fn hole(&mut self, offset: u64, len: u64) -> Result<(), SinkError> {
        self.call(Call::Hole(offset, len))
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.call(Call::End)
    }

    fn discard(&mut self, path: &EntryPath) -> Result<(), SinkError> {
        self.call(Call::Discard(path.clone()))
    }
}

impl Batch {
    fn carry_out(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.calls.iter().try_for_each(|call| match call {
            Call::Begin(entry, size) => sink.begin(entry, *size),
            Call::Write(offset, range) => sink.write(*offset, &self.content[range.clone()]),
            Call::Hole(offset, len) => sink.hole(*offset, *len),
            Call::End => sink.end(),
            Call::Discard(path) => sink.discard(path),
        })
    }

    /// Its memory, for the next one.
    fn emptied(mut self) -> Self {
        self.calls.clear();
        self.content.clear();
        self
    }
}

/// The sink's own error replaces this one.
fn stopped(_: Stopped) -> ReadError {
    ReadError::Sink("the sink has failed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the so-manieth call.
    struct Failing(usize);

    impl Failing {
        fn count(&mut self) -> Result<(), SinkError> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    Ok(())
                }
                None => Err("no room".into()),
            }
        }
    }

    impl Sink for Failing {
        fn begin(&mut self, _: &Entry, _: Option<u64>) -> Result<(), SinkError> {
            self.count()
        }

        fn write(&mut self, _: u64, _: &[u8]) -> Result<(), SinkError> {
            self.count()
        }

        fn hole(&mut self, _: u64, _: u64) -> Result<(), SinkError> {
            self.count()
        }

        fn end(&mut self) -> Result<(), SinkError> {
            self.count()
        }

        fn discard(&mut self, _: &EntryPath) -> Result<(), SinkError> {
            self.count()
        }
    }

    #[test]
    fn the_error_told_is_that_of_the_sink_wherever_it_fails() {
        for calls in [0, 1, BATCH_CALLS, 5 * BATCH_CALLS + 3] {
            let mut sink = Failing(calls);
            let result = on_its_own_thread(&mut sink, |belt| {
                (0..10 * BATCH_CALLS).try_for_each(|_| belt.end().map_err(ReadError::Sink))
            });
            match result {
                Err(ReadError::Sink(error)) => assert_eq!(error.to_string(), "no room"),
                other => panic!("{calls}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_error_of_the_reader_is_told_when_the_sink_has_none() {
        let mut sink = Failing(10);
        let result: Result<(), _> = on_its_own_thread(&mut sink, |belt| {
            belt.end().map_err(ReadError::Sink)?;
            Err(ReadError::Interrupted)
        });
        assert!(matches!(result, Err(ReadError::Interrupted)));
    }
}
