//! Facts, and the entries that they are about.

use super::{Archive, PageRows, is_superseded};
use crate::error::ReadError;
use bakpak_format::catalogue::Row;
use bakpak_format::error::{FormatError, Structure};
use bakpak_format::geometry::{Place, StreamOffset};
use bakpak_format::record::{Facts, FactsPlace, RecordType};
use bytes::Bytes;

/// Facts and the row of the entry that they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsOfEntry {
    /// The facts.
    pub facts: Facts,
    /// The entry's row; `None` if they are about the archive.
    pub row: Option<Row>,
}

/// Facts with their entries, in order; see [`Archive::facts_of_entries`].
pub struct FactsOfEntries<'a> {
    archive: &'a mut Archive,
    places: std::vec::IntoIter<FactsPlace>,
    /// The page in which the last entry was found, what is left of it, and that row.
    page: Option<usize>,
    rows: PageRows,
    last: Option<Row>,
}

impl Archive {
    /// All facts, in order.
    ///
    /// # Errors
    ///
    /// A record is damaged.
    pub fn facts(&mut self) -> Result<Vec<Facts>, ReadError> {
        let mut all = Vec::new();
        for listed in self.index.facts_places().to_vec() {
            all.extend(self.facts_at(listed.place)?);
        }
        Ok(all)
    }

    /// The facts of wanted kinds, in order, each with the row of its entry; those of superseded
    /// entries are left out.
    ///
    /// Only wanted records are read, and of the catalogue only the pages in which their entries
    /// stand: FACTS come shortly before the page with the entry's row.
    pub fn facts_of_entries(&mut self, wanted: impl Fn(u16) -> bool) -> FactsOfEntries<'_> {
        let places = self.index.facts_places().iter();
        let places: Vec<_> = places
            .filter(|listed| wanted(listed.kind))
            .copied()
            .collect();
        FactsOfEntries {
            archive: self,
            places: places.into_iter(),
            page: None,
            rows: PageRows::new(Bytes::new(), 0),
            last: None,
        }
    }

    /// Facts of a version that is not known are passed over (spec: REC-3).
    fn facts_at(&mut self, place: Place) -> Result<Option<Facts>, ReadError> {
        let (header, body) = self.store.fetch.any_record(place)?;
        match header.known()? {
            Some(RecordType::Facts) => Ok(Some(Facts::decode(&body)?)),
            _ => Ok(None),
        }
    }
}

impl FactsOfEntries<'_> {
    fn next_wanted(&mut self) -> Result<Option<FactsOfEntry>, ReadError> {
        while let Some(listed) = self.places.next() {
            let Some(facts) = self.archive.facts_at(listed.place)? else {
                continue;
            };
            if (facts.entry, facts.kind) != (listed.entry, listed.kind) {
                let what = "FACTS are not what the tree says";
                return Err(FormatError::malformed(Structure::Tree, "TRE-1", what).into());
            }
            let row = match facts.entry {
                Some(entry) => Some(self.row(entry, listed.place)?),
                None => None,
            };
            if !row.as_ref().is_some_and(is_superseded) {
                return Ok(Some(FactsOfEntry { facts, row }));
            }
        }
        Ok(None)
    }

    /// The row of the entry at `entry`, which FACTS at `place` are about.
    fn row(&mut self, entry: StreamOffset, place: Place) -> Result<Row, ReadError> {
        if let Some(last) = self.last.as_ref().filter(|row| row.header_offset == entry) {
            return Ok(last.clone());
        }
        // It stands in the first page behind them, or in the next ones where they were full.
        let pages = self.archive.index.pages();
        let mut page = pages.partition_point(|page| page.place < place);
        // What is left of a page that is open has only what comes after the last row found in it.
        let is_behind = |last: &Row| last.header_offset < entry;
        if self.page != Some(page) || !self.last.as_ref().is_some_and(is_behind) {
            self.open(page)?;
        }
        loop {
            for row in self.rows.by_ref() {
                let row = row?;
                if row.header_offset == entry {
                    self.last = Some(row.clone());
                    return Ok(row);
                }
                if row.header_offset > entry {
                    return Err(no_entry());
                }
            }
            page += 1;
            if page >= self.archive.index.pages().len() {
                return Err(no_entry());
            }
            self.open(page)?;
        }
    }

    fn open(&mut self, page: usize) -> Result<(), ReadError> {
        self.page = Some(page);
        self.last = None;
        self.rows = self.archive.page(page)?;
        Ok(())
    }
}

impl Iterator for FactsOfEntries<'_> {
    type Item = Result<FactsOfEntry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_wanted();
        if next.is_err() {
            self.places = Vec::new().into_iter();
        }
        next.transpose()
    }
}

fn no_entry() -> ReadError {
    let what = "facts are about an entry that has no row behind them";
    FormatError::malformed(Structure::Facts, "FAC-1", what).into()
}
