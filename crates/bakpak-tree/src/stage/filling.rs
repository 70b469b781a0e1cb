//! Where the content of an open file comes to lie: in a new file, or it is there already.

use std::io;

use bakpak_format::entry::Entry;

use crate::error::StageError;
use crate::stage::comparing::Comparing;
use crate::stage::content::Writing;
use crate::stage::place::Placed;
use crate::stage::{Open, Stage};

/// What becomes of an open entry's content.
#[derive(Debug)]
pub(super) enum Filling {
    /// It is written to a new file.
    Writing(Writing),
    /// It is compared with a file of an earlier run.
    Comparing(Box<Comparing>),
}

impl Stage {
    /// Begins a file: what an earlier run left is compared first, and nothing is made.
    pub(super) fn begin_file(
        &mut self,
        entry: &Entry,
        len: Option<u64>,
    ) -> Result<Filling, StageError> {
        if let Some(found) = self.earlier.find(entry, len) {
            return Ok(Filling::Comparing(Box::new(Comparing::new(found, len))));
        }
        let file = self.make(&entry.path, |dir, name| dir.create_file(name))?;
        Ok(Filling::Writing(Writing::new(file, len, None)))
    }

    /// Writes some of the open entry's content, unless it is there.
    pub(super) fn fill(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StageError> {
        self.unless_there(
            |comparing| comparing.has(offset, bytes),
            |writing| writing.write(offset, bytes),
        )
    }

    /// Leaves a hole, unless there is one.
    pub(super) fn fill_hole(&mut self, offset: u64, len: u64) -> Result<(), StageError> {
        let end = offset.saturating_add(len);
        self.unless_there(
            |comparing| offset >= comparing.end && comparing.has_hole_to(end),
            |writing| writing.hole(offset, len),
        )
    }

    fn unless_there(
        &mut self,
        is_there: impl FnOnce(&mut Comparing) -> bool,
        write: impl FnOnce(&mut Writing) -> io::Result<()>,
    ) -> Result<(), StageError> {
        if let Filling::Comparing(comparing) = self.filling()? {
            if is_there(comparing) {
                return Ok(());
            }
            self.begin_anew()?;
        }
        match self.filling()? {
            Filling::Writing(writing) => {
                let done = write(writing);
                done.map_err(|error| self.open_error(error))
            }
            Filling::Comparing(_) => Err(NOT_BEGUN),
        }
    }

    /// The content has ended: the file gets its length and its metadata.
    pub(super) fn end_file(&mut self, entry: &Entry, filling: Filling) -> Result<(), StageError> {
        let writing = match filling {
            Filling::Writing(writing) => writing,
            Filling::Comparing(mut comparing) => match comparing.is_whole() {
                Some(len) => return self.keep(entry, &comparing, len),
                None => self.copy_equal_part(entry, &mut comparing)?,
            },
        };
        let len = match writing.finish() {
            Ok(len) => len,
            Err(error) => return Err(self.entry_error("write", &entry.path, error)),
        };
        self.policy.restore(&writing.file, entry, &mut self.losses);
        self.note_file(entry, writing.hidden_as, Placed::File { len });
        Ok(())
    }

    /// Takes a file over that was compared from start to end.
    fn keep(&mut self, entry: &Entry, comparing: &Comparing, len: u64) -> Result<(), StageError> {
        let mut earlier = std::mem::take(&mut self.earlier);
        let found = &comparing.found;
        let path = &entry.path;
        let made = self.make(path, |dir, name| earlier.take(found, path, dir, name));
        self.earlier = earlier;
        made?;
        self.policy.restore(&found.file, entry, &mut self.losses);
        self.report.kept += 1;
        self.report.kept_len = self.report.kept_len.saturating_add(len);
        self.place(path, Placed::File { len });
        Ok(())
    }

    /// The file of the earlier run is another one: all from here on is written anew.
    fn begin_anew(&mut self) -> Result<(), StageError> {
        let open = self.open.take();
        let Some(Open { entry, content }) = open else {
            return Err(NOT_BEGUN);
        };
        let content = match content {
            Some(Filling::Comparing(mut comparing)) => {
                let writing = self.copy_equal_part(&entry, &mut comparing)?;
                Some(Filling::Writing(writing))
            }
            other => other,
        };
        self.open = Some(Open { entry, content });
        Ok(())
    }

    /// A new file with what was compared so far. It is copied, since the old one may be of use still.
    fn copy_equal_part(
        &mut self,
        entry: &Entry,
        comparing: &mut Comparing,
    ) -> Result<Writing, StageError> {
        let path = &entry.path;
        let file = self.make(path, |dir, name| dir.create_file(name))?;
        let copied = comparing.copy_to(&file);
        copied.map_err(|error| self.entry_error("write", path, error))?;
        let mut writing = Writing::new(file, comparing.known_len, None);
        writing.is_filled_to(comparing.end);
        Ok(writing)
    }

    fn filling(&mut self) -> Result<&mut Filling, StageError> {
        let open = self.open.as_mut();
        let content = open.and_then(|open| open.content.as_mut());
        content.ok_or(NOT_BEGUN)
    }
}

const NOT_BEGUN: StageError = StageError::Misuse("no open entry has content");
