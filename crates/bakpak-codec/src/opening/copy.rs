//! The copy of the head in the tail: what stands in for an archive's start that cannot be used.

use super::{Opening, Tables, read_head};
use crate::error::{Finding, ReadError};
use crate::input::{Feed, locator, read_exact_at};
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::header::Head;
use bakpak_format::tail::{self, TailPage};
use std::fs::File;

impl Opening {
    /// Reads from the archive's start, or, where that cannot be used, from the copy in its tail if
    /// it is a file (spec: RDR-7). The feed stands at the first stripe then.
    ///
    /// # Errors
    ///
    /// As [`Opening::read`], and the copy is of no more use.
    pub(crate) fn read_or_copy(feed: &mut Feed) -> Result<Self, ReadError> {
        let fault = match Self::read(feed) {
            Err(ReadError::Fault(fault)) => fault,
            read => return read,
        };
        let Some(copy) = feed.file().and_then(usable_copy) else {
            return Err(fault.into_error());
        };
        // All that can be used of the start is: its tables may be newer, and no damage is hidden.
        let mut mended = Vec::new();
        feed.seek(0);
        match read_head(feed) {
            Ok((head, _)) if head.head_digest == copy.head.head_digest => {}
            // A tail of another archive is no copy.
            Ok(_) => return Err(fault.into_error()),
            Err(ReadError::Fault(head_fault)) => mended.push(damaged_head(*head_fault)),
            Err(error) => return Err(error),
        }
        feed.seek(copy.bytes.head.len() as u64);
        let (head, head_bytes) = (copy.head.clone(), copy.bytes.head.clone());
        let mut opening = Self::read_behind(feed, head, head_bytes, Tables::Pair(Some(&copy)))?;
        opening.mended.splice(..0, mended);
        Ok(opening)
    }

    /// Reads the copy that the tail holds, which has one table of each domain (spec: TAL-1).
    ///
    /// # Errors
    ///
    /// There is no whole tail page that fits it, or it cannot be used.
    pub(crate) fn read_copy(file: &File) -> Result<Self, ReadError> {
        let mut feed = feed_of_copy(file)?;
        let (head, head_bytes) = read_head(&mut feed.feed)?;
        check(&feed.page, &head)?;
        Self::read_behind(&mut feed.feed, head, head_bytes, Tables::One)
    }

    /// The tail page that ends the file, which is as long as it says.
    ///
    /// # Errors
    ///
    /// There is none, or it does not fit the head.
    pub(crate) fn tail_page(&self, file: &File) -> Result<TailPage, ReadError> {
        let page = feed_of_copy(file)?.page;
        check(&page, &self.head)?;
        let len = file.metadata().map_err(ReadError::reading)?.len();
        if page.archive_len != len {
            let what = "the file has not the length that it tells";
            return Err(FormatError::damaged(Structure::Tail, what).into());
        }
        Ok(page)
    }
}

/// The copy that the tail holds, if the file is as long as its tail page says: otherwise the stripes
/// are not where they were.
fn usable_copy(file: &File) -> Option<Opening> {
    let len = file.metadata().ok()?.len();
    let page = feed_of_copy(file).ok()?.page;
    let copy = Opening::read_copy(file).ok()?;
    (page.archive_len == len).then_some(copy)
}

/// Compares a tail page with the head (spec: TAL-1).
fn check(page: &TailPage, head: &Head) -> Result<(), FormatError> {
    let signed = !head.header.signers().is_empty();
    let (id, digest) = (&head.header.archive_id, &head.head_digest);
    page.check(&head.geometry(), id, digest, signed)
}

/// What is wrong with a head whose copy can be used: whatever it looks like, it is damage.
fn damaged_head(fault: Finding) -> Finding {
    if fault.class == Class::Damaged {
        return fault;
    }
    let message = format!("the head is damaged, unlike its copy: {}", fault.message);
    Finding {
        class: Class::Damaged,
        message,
        ..fault
    }
}

/// A tail page, and a feed that stands at the head's copy.
struct CopyFeed {
    page: TailPage,
    feed: Feed,
}

/// Finds the copy of the head by the tail page that ends the file.
fn feed_of_copy(file: &File) -> Result<CopyFeed, ReadError> {
    let none = || FormatError::damaged(Structure::Tail, "it cannot be found");
    let len = file.metadata().map_err(ReadError::reading)?.len();
    let page_len = locator(file).ok_or_else(none)?.tail_page_len;
    let page_offset = len.checked_sub(page_len as u64).ok_or_else(none)?;
    let mut page = vec![0; page_len];
    read_exact_at(file, &mut page, page_offset).map_err(ReadError::reading)?;
    let page = TailPage::decode(&page)?;
    // Counted from the end: so it is found also where the middle is not as long as it was.
    let tail_len = page.archive_len.checked_sub(page.tail_offset.0);
    let mut start = tail_len
        .and_then(|tail_len| len.checked_sub(tail_len))
        .ok_or_else(none)?;
    let mut magic = [0; tail::MAGIC.len()];
    read_exact_at(file, &mut magic, start).map_err(ReadError::reading)?;
    if magic == *tail::MAGIC {
        start += page_len as u64; // the page of a signed archive stands before the copies too
    }
    let feed = Feed::at(file, start)?;
    Ok(CopyFeed { page, feed })
}
