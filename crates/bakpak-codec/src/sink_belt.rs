//! A sink on a thread of its own: what is written there does not hold up what is read here.

use crate::batches::{Batches, Content, Piece, in_batches};
use crate::error::ReadError;
use crate::pipeline::Stopped;
use crate::sink::{Sink, SinkError};
use crate::weight::memory_of;
use bakpak_format::entry::{Entry, EntryPath};
use bytes::Bytes;

/// Makes the calls of a [`Sink`] that works on another thread.
pub(crate) struct SinkBelt(Batches<Call>);

enum Call {
    Begin(Box<Entry>, Option<u64>),
    Write(u64, Piece),
    Hole(u64, u64),
    End,
    Discard(EntryPath),
}

/// Runs `f` with a belt whose calls are carried out by `sink` beside it, in order.
///
/// A call that fails there ends `f` at one of its next calls; the error given is that of the sink.
pub(crate) fn on_its_own_thread<R>(
    sink: &mut (dyn Sink + Send),
    f: impl FnOnce(&mut SinkBelt) -> Result<R, ReadError>,
) -> Result<R, ReadError> {
    let carry_out = |call: &Call, content: &Content| call.carry_out(content, sink);
    let (result, ended) = in_batches(carry_out, |batches| {
        let mut belt = SinkBelt(batches);
        let result = f(&mut belt)?;
        belt.0.send().map_err(stopped)?;
        Ok(result)
    })?;
    ended.map_err(ReadError::Sink)?;
    result
}

impl SinkBelt {
    pub(crate) fn begin(&mut self, entry: &Entry, size: Option<u64>) -> Result<(), ReadError> {
        self.0.weigh(memory_of(entry));
        self.call(Call::Begin(Box::new(entry.clone()), size))
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: Bytes) -> Result<(), ReadError> {
        let piece = self.0.piece(bytes);
        self.call(Call::Write(offset, piece))
    }

    pub(crate) fn hole(&mut self, offset: u64, len: u64) -> Result<(), ReadError> {
        self.call(Call::Hole(offset, len))
    }

    pub(crate) fn end(&mut self) -> Result<(), ReadError> {
        self.call(Call::End)
    }

    pub(crate) fn discard(&mut self, path: &EntryPath) -> Result<(), ReadError> {
        self.call(Call::Discard(path.clone()))
    }

    fn call(&mut self, call: Call) -> Result<(), ReadError> {
        self.0.call(call).map_err(stopped)
    }
}

impl Call {
    fn carry_out(&self, content: &Content, sink: &mut dyn Sink) -> Result<(), SinkError> {
        match self {
            Self::Begin(entry, size) => sink.begin(entry, *size),
            Self::Write(offset, piece) => sink.write(*offset, content.get(piece)),
            Self::Hole(offset, len) => sink.hole(*offset, *len),
            Self::End => sink.end(),
            Self::Discard(path) => sink.discard(path),
        }
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
        for calls in [0, 1, 1000, 5003] {
            let mut sink = Failing(calls);
            let result =
                on_its_own_thread(&mut sink, |belt| (0..10_000).try_for_each(|_| belt.end()));
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
            belt.end()?;
            Err(ReadError::Interrupted)
        });
        assert!(matches!(result, Err(ReadError::Interrupted)));
    }
}
