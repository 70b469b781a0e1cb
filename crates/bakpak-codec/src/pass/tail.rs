//! Checks the tail of an archive (spec: chapter 12).

use super::Pass;
use crate::decoder::StreamTaker;
use crate::error::{Finding, ReadError};
use crate::input::{self, Feed};
use bakpak_format::digest::Digest;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::limits::MIN_TAIL_PAGE_LEN;
use bakpak_format::slots::Domain;
use bakpak_format::tail::{self, TailPage};

/// Reads the tail, what was read ahead first.
struct TailFeed<'f> {
    feed: &'f mut Feed,
    peeked: Vec<u8>,
}

impl<T: StreamTaker> Pass<'_, T> {
    /// Checks the tail: copies, tail page, locator, root, and that nothing follows
    /// (spec: TAL-1).
    pub(super) fn tail(
        &mut self,
        block_count: u64,
        peeked: Vec<u8>,
    ) -> Result<Option<Digest>, ReadError> {
        let opening = self.opening;
        let head = &opening.head;
        let signed = !head.header.signers().is_empty();
        let mut tail = TailFeed {
            feed: &mut self.feed,
            peeked,
        };
        let start = tail.position();
        let mut first_page = None;
        let mut faults = Vec::new();
        let read = (|| -> Result<_, ReadError> {
            if signed {
                first_page = Some(tail.page()?);
            }
            for (original, domain) in opening.bytes.in_tail_order() {
                let offset = tail.position();
                let copy = tail.take(original.len())?;
                faults.push((copy, original, domain, offset));
            }
            let offset = tail.position();
            let page = tail.page()?;
            Ok((page, offset))
        })();
        let surplus = tail.ends();
        for (copy, original, domain, offset) in faults {
            self.compare_copy(&copy, original, domain, offset);
        }
        let (page_bytes, offset) = match read {
            Ok(read) => read,
            Err(ReadError::Fault(finding)) => {
                self.fault(*finding)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let root = tail::root(
            &head.head_digest,
            &head.header.archive_id,
            block_count,
            self.page_digests.len() as u64,
            self.page_digests.iter().copied(),
        );
        let checked = TailPage::decode(&page_bytes).and_then(|page| {
            page.check(
                &opening.geometry,
                &head.header.archive_id,
                &head.head_digest,
                signed,
            )?;
            let wrong = |what| Err(FormatError::damaged(Structure::Tail, what));
            if page.block_count != block_count || page.tail_offset.0 != start {
                return wrong("its counts are not those of the archive");
            }
            if first_page.is_some_and(|first| first != page_bytes) {
                return wrong("the two tail pages differ");
            }
            if page.root != root {
                return wrong("the checksum of the whole archive (root) does not match"); // spec: TAL-3
            }
            Ok(())
        });
        if let Err(error) = checked {
            let finding = Finding::from(error).at(offset);
            // A damaged tail page still proves the root, if that stands in it: nothing else would.
            if TailPage::roots(&page_bytes).contains(&root) {
                self.damaged_copy(finding);
            } else {
                self.fault(finding)?;
                return Ok(None);
            }
        }
        if surplus? {
            let what = "something follows its end";
            let end = offset + page_bytes.len() as u64;
            let finding = Finding::from(FormatError::damaged(Structure::Tail, what)).at(end);
            self.fault(Finding {
                rule: Some("FIL-1"),
                ..finding
            })?;
        }
        Ok(Some(root))
    }

    fn compare_copy(&mut self, copy: &[u8], original: &[u8], domain: Option<Domain>, offset: u64) {
        match domain {
            Some(domain) => self.compare_table(domain, copy, original, Structure::Tail, offset),
            None if copy == original => {}
            None => {
                let what = "a copy in it differs from the original";
                let finding = Finding::from(FormatError::damaged(Structure::Tail, what));
                self.damaged_copy(finding.at(offset));
            }
        }
    }
}

impl TailFeed<'_> {
    fn position(&self) -> u64 {
        self.feed.position() - self.peeked.len() as u64
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, ReadError> {
        let rest = self.peeked.split_off(self.peeked.len().min(len));
        let mut bytes = std::mem::replace(&mut self.peeked, rest);
        let missing = len - bytes.len();
        self.feed.extend(&mut bytes, missing, Structure::Tail)?;
        Ok(bytes)
    }

    /// A tail page: its length stands in its first bytes (spec: TAL-1).
    fn page(&mut self) -> Result<Vec<u8>, ReadError> {
        let offset = self.position();
        let mut bytes = self.take(MIN_TAIL_PAGE_LEN)?;
        let len = TailPage::peek_len(&bytes).map_err(|e| ReadError::from(e).at(offset))?;
        let more = self.take(len - bytes.len()).map_err(|error| {
            // The end of the archive stands in what was read, so its length is what is wrong.
            let ends_here = bytes.last_chunk().is_some_and(input::is_locator);
            match error {
                ReadError::Fault(_) if ends_here => {
                    let what = "its length is said in two ways";
                    ReadError::from(FormatError::damaged(Structure::Tail, what)).at(offset)
                }
                error => error,
            }
        })?;
        bytes.extend_from_slice(&more);
        Ok(bytes)
    }

    /// Whether anything is left.
    fn ends(&mut self) -> Result<bool, ReadError> {
        Ok(!self.peeked.is_empty() || self.feed.fill(&mut [0; 1])? > 0)
    }
}
