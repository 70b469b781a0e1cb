//! Hashes the content of entries on a thread of its own: otherwise the thread that reads, which is
//! busiest, would do a fifth of all work with it (format-spec/rationale.md, "Where the time goes").

use crate::batches::{Batches, Content, Piece, in_batches};
use crate::error::ReadError;
use crate::observer::Observer;
use crate::pipeline::{Answers, NoThread, Stopped, WorkerLost, answers};
use crate::zeros::watched_zeros;
use bakpak_format::digest::Digest;
use bytes::Bytes;
use std::convert::Infallible;

/// BLAKE3 is fastest on pieces that begin and end at multiples of this: sixteen of its chunks of 1 KiB
/// fill the lanes of AVX-512.
pub(crate) const ALIGNED_LEN: usize = 16 << 10;

/// Takes the content of one file after another; its digests come later.
pub(crate) struct ContentHasher {
    batches: Batches<Step>,
    digests: Answers<Digest>,
}

enum Step {
    Hash(Piece),
    End,
}

/// BLAKE3 over pieces of any length, given to it in such as it hashes fastest.
///
/// A piece of 128 KiB that begins elsewhere costs half as much again.
#[derive(Default)]
struct AlignedHasher {
    hasher: blake3::Hasher,
    /// The start of the next sixteen.
    carried: Vec<u8>,
}

/// Runs `f` with a hasher, which `f` must drop.
pub(crate) fn hashing_beside<R>(f: impl FnOnce(ContentHasher) -> R) -> Result<R, NoThread> {
    let (answering, digests) = answers();
    let mut hasher = AlignedHasher::default();
    let step = move |step: &Step, content: &Content| {
        match step {
            Step::Hash(piece) => hasher.update(content.get(piece)),
            Step::End => answering.give(hasher.end()),
        }
        Ok::<_, Infallible>(())
    };
    let (result, ended) = in_batches(step, |batches| f(ContentHasher { batches, digests }))?;
    match ended {
        Ok(()) => Ok(result),
        Err(never) => match never {},
    }
}

impl AlignedHasher {
    fn update(&mut self, mut bytes: &[u8]) {
        if !self.carried.is_empty() {
            let missing = ALIGNED_LEN - self.carried.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.carried.extend_from_slice(now);
            bytes = later;
            if self.carried.len() < ALIGNED_LEN {
                return;
            }
            self.hasher.update(&self.carried);
            self.carried.clear();
        }
        let (aligned, rest) = bytes.split_at(bytes.len() - bytes.len() % ALIGNED_LEN);
        self.hasher.update(aligned);
        self.carried.extend_from_slice(rest);
    }

    /// The digest; the next file begins.
    fn end(&mut self) -> Digest {
        self.hasher.update(&self.carried);
        self.carried.clear();
        let digest = Digest(*self.hasher.finalize().as_bytes());
        self.hasher.reset();
        digest
    }
}

impl ContentHasher {
    /// Hashes the next bytes of the file.
    pub(crate) fn update(&mut self, bytes: Bytes) -> Result<(), ReadError> {
        let piece = self.batches.piece(bytes);
        self.batches.call(Step::Hash(piece)).map_err(lost)
    }

    /// Hashes a hole of the file.
    pub(crate) fn zeros(&mut self, len: u64, observer: &dyn Observer) -> Result<(), ReadError> {
        watched_zeros(len, observer, &mut |bytes| {
            self.update(Bytes::from_static(bytes))
        })
    }

    /// The file has ended.
    pub(crate) fn end(&mut self) -> Result<(), ReadError> {
        self.batches.call(Step::End).map_err(lost)
    }

    /// The digest of the next file that has ended, waiting for it.
    pub(crate) fn next_digest(&mut self) -> Result<Digest, ReadError> {
        if let Some(digest) = self.digests.next_ready() {
            return Ok(digest);
        }
        self.batches.send().map_err(lost)?;
        Ok(self.digests.next()?)
    }
}

fn lost(_: Stopped) -> ReadError {
    WorkerLost.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Unobserved;

    #[test]
    fn digests_come_in_the_order_of_the_files() {
        let contents = [0, 1, 1024, 100_000, 3 << 20].map(|len| vec![7_u8; len]);
        let digests = hashing_beside(|mut hasher| {
            for content in &contents {
                for piece in content.chunks(70_000) {
                    hasher.update(Bytes::copy_from_slice(piece)).unwrap();
                }
                hasher.zeros(100, &Unobserved).unwrap();
                hasher.end().unwrap();
            }
            contents.clone().map(|_| hasher.next_digest().unwrap())
        })
        .unwrap();
        for (content, digest) in contents.into_iter().zip(digests) {
            let whole = [content, vec![0; 100]].concat();
            assert_eq!(digest, Digest::of(&whole), "{}", whole.len());
        }
    }
}
