//! Where the entries of a whole archive stand in its stream.

use crate::builder::Builder;
use crate::stream::{Item, Row, RowOf, Stream};
use std::ops::Range;

/// The entries of an archive.
pub(super) struct Truth {
    pub entries: Vec<TrueEntry>,
}

/// An entry, by ranges of the stream.
pub(super) struct TrueEntry {
    /// As pages hold it.
    pub row: Row,
    /// One, unless it is in parts.
    pub parts: Vec<Part>,
    /// Of a sparse file: its map, and its extents with their logical offsets.
    pub extents: Option<Extents>,
}

/// Headers and content.
pub(super) struct Part {
    pub header: Range<u64>,
    /// Where its content begins in the entry's.
    pub logical: u64,
    pub content: Range<u64>,
}

impl Truth {
    /// Of what a builder makes.
    pub(super) fn new(builder: &Builder, stream: &Stream) -> Self {
        let mut rows = stream.rows.clone();
        (builder.rows)(&mut rows);
        let mut rows = rows.into_iter();
        let mut entries: Vec<TrueEntry> = Vec::new();
        for (item, &start) in builder.items.iter().zip(&stream.entries) {
            assert!(item.raw.is_none(), "these vectors have entries only");
            let content = item.encode_content();
            let header = start..start + item.encode_header(content.len()).len() as u64;
            let content = header.end..header.end + content.len() as u64;
            let is_further = matches!(item.row, RowOf::None);
            if !is_further {
                entries.push(TrueEntry {
                    row: rows.next().expect("each entry has one"),
                    parts: Vec::new(),
                    extents: extents(item, &content),
                });
            }
            let parts = &mut entries.last_mut().expect("a first part").parts;
            let logical = parts
                .iter()
                .map(|part| part.content.end - part.content.start);
            parts.push(Part {
                logical: logical.sum(),
                header,
                content,
            });
        }
        Self { entries }
    }

    /// Where headers begin, those of parts too.
    pub(super) fn headers(&self) -> impl Iterator<Item = u64> {
        let parts = self.entries.iter().flat_map(|entry| &entry.parts);
        parts.map(|part| part.header.start)
    }
}

impl TrueEntry {
    /// The last byte of its content that stands in the stream.
    pub(super) fn last_byte(&self) -> Option<u64> {
        let last = match &self.extents {
            Some((_, extents)) => extents.last().map(|(_, range)| range.clone()),
            None => self.parts.last().map(|part| part.content.clone()),
        };
        last.filter(|range| !range.is_empty())
            .map(|range| range.end - 1)
    }
}

type Extents = (Range<u64>, Vec<(u64, Range<u64>)>);

fn extents(item: &Item, content: &Range<u64>) -> Option<Extents> {
    let extents = item.extents.as_ref()?;
    let data_len: u64 = extents.iter().map(|(_, len)| len).sum();
    let mut at = content.end - data_len;
    let map = content.start..at;
    let placed = extents.iter().map(|&(offset, len)| {
        at += len;
        (offset, at - len..at)
    });
    let placed = placed.collect();
    Some((map, placed))
}
