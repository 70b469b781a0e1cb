//! What is noted of an entry as FACTS.

use super::EntryWriter;
use crate::observer::Warning;
use bakpak_format::catalogue::{Row, RowFlags};
use bakpak_format::record::{ChangedFacts, EntryFacts, Facts};

/// Most FACTS that a tap may give of one entry: with them a CHECKPOINT stays below 1 MiB (spec: CKP-2).
const MAX_LEARNED: usize = 2500;

impl EntryWriter<'_> {
    /// Notes that a file changed while it was read.
    pub(super) fn note_change(&mut self, row: &mut Row, facts: &mut Vec<Facts>, observed: u64) {
        let recorded = row.size;
        row.flags.insert(RowFlags::CHANGED);
        let changed = ChangedFacts {
            recorded_size: recorded,
            observed_size: observed,
        };
        facts.push(changed.about(row.header_offset));
        self.changed += 1;
        self.observer.warn(Warning::Changed {
            path: row.path.clone(),
            recorded,
            observed,
        });
    }

    /// Adds what a tap has learned, as far as there is room for it.
    pub(super) fn note_learned(
        &mut self,
        row: &Row,
        facts: &mut Vec<Facts>,
        learned: Vec<EntryFacts>,
    ) {
        let mut room = self.archive.facts_room();
        let count = learned.len();
        let fits = learned.into_iter().take(MAX_LEARNED).take_while(|one| {
            let left = room.checked_sub(one.data().len());
            room = left.unwrap_or_default();
            left.is_some()
        });
        let before = facts.len();
        facts.extend(fits.map(|one| one.about(row.header_offset)));
        let left_out = count - (facts.len() - before);
        if left_out > 0 {
            self.observer.warn(Warning::FactsLeftOut {
                path: row.path.clone(),
                count: left_out as u64,
            });
        }
    }
}
