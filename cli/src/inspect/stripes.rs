//! Stripes of one media set: which are missing, and what only all of them together tell.

use std::collections::BTreeMap;

use mssql_backup::check::Outcome;
use mssql_backup::decode::SetDescriptors;
use mssql_backup::guid::Guid;
use mssql_backup::report::{Report, SetReport};
use mssql_backup::stripes::{Together, together};

use super::backup::check;
use super::checks;
use super::text::{Lines, listed};
use crate::exit::Exit;
use crate::output::Output;
use crate::output::event::{Event, backup as event};

/// Numbers of stripes, faults and pages that are told in words.
const MAX_SHOWN: usize = 20;

/// The striped media among the files of one run.
#[derive(Default)]
pub(super) struct MediaSets(BTreeMap<Guid, MediaSet>);

struct MediaSet {
    family_count: u16,
    is_verified: bool,
    /// By their numbers.
    stripes: BTreeMap<u16, Stripe>,
}

struct Stripe {
    file: String,
    sets: Vec<SetReport>,
}

/// A backup set on the stripes that are there.
struct Striped<'a> {
    position: u16,
    guid: Option<Guid>,
    parts: Vec<&'a SetReport>,
}

impl MediaSets {
    /// Takes a file into its media set. The second of two copies of a stripe is left out.
    pub(super) fn add(&mut self, file: &str, is_verified: bool, report: Report) {
        let Some(label) = &report.label else { return };
        let Some(id) = label.media_set_id.filter(|_| label.family_count > 1) else {
            return;
        };
        let set = self.0.entry(id).or_insert(MediaSet {
            family_count: label.family_count,
            is_verified,
            stripes: BTreeMap::new(),
        });
        let sets = report.sets.into_iter().map(|set| SetReport {
            // What is long and not needed any more.
            descriptors: SetDescriptors::default(),
            ..set
        });
        let stripe = Stripe {
            file: file.to_owned(),
            sets: sets.collect(),
        };
        let number = label.family_sequence_number;
        set.stripes.entry(number).or_insert(stripe);
    }

    /// Tells of each media set; returns the worst of them.
    pub(super) fn tell(&self, archive: Option<&str>, output: &Output) -> Exit {
        let each = self
            .0
            .iter()
            .map(|(id, set)| set.tell(*id, archive, output));
        each.fold(Exit::DONE, Exit::worst)
    }
}

impl MediaSet {
    fn tell(&self, id: Guid, archive: Option<&str>, output: &Output) -> Exit {
        let lines = Lines(output);
        output.line("");
        lines.head(&format!("media set {id}"));
        let there: Vec<_> = self.stripes.keys().collect();
        let text = format!("{} of {}", listed(&there, MAX_SHOWN), self.family_count);
        lines.line("stripes", &text);
        let missing = self.missing();
        if !missing.is_empty() {
            let text = format!("{}: RESTORE needs all of them", listed(&missing, MAX_SHOWN));
            lines.line("MISSING", &format!("stripe {text}"));
        }
        let mut damaged = false;
        let mut events = Vec::new();
        for set in self.sets() {
            let judged = self.judged(&set, missing.is_empty());
            set.tell(judged.as_ref(), lines);
            damaged |= judged.as_ref().is_some_and(is_damaged);
            events.push(self.event(&set, missing.is_empty(), judged));
        }
        // Of one file there is one line.
        if self.stripes.len() > 1 {
            output.event(&Event::Stripes(event::Stripes {
                media_set_id: id.to_string(),
                archive: archive.map(str::to_owned),
                files: self
                    .stripes
                    .values()
                    .map(|stripe| stripe.file.clone())
                    .collect(),
                family_count: self.family_count,
                missing,
                verified: self.is_verified,
                damaged,
                sets: events,
            }));
        }
        match damaged {
            true => Exit::DAMAGED,
            false => Exit::DONE,
        }
    }

    fn missing(&self) -> Vec<u16> {
        let all = 1..=self.family_count;
        all.filter(|number| !self.stripes.contains_key(number))
            .collect()
    }

    /// The sets by their positions; those of one identity are one.
    fn sets(&self) -> Vec<Striped<'_>> {
        let mut sets: BTreeMap<(u16, Option<Guid>), Vec<&SetReport>> = BTreeMap::new();
        for set in self.stripes.values().flat_map(|stripe| &stripe.sets) {
            let header = &set.checked.set.header;
            let key = (header.position, header.backup_set_guid);
            sets.entry(key).or_default().push(set);
        }
        let striped = sets.into_iter().map(|((position, guid), parts)| Striped {
            position,
            guid,
            parts,
        });
        striped.collect()
    }

    /// What all parts tell together; none of that if one is missing or damaged, which was told.
    fn judged(&self, set: &Striped<'_>, are_all_there: bool) -> Option<Together> {
        let is_all = are_all_there && self.is_on_all(set) && self.is_verified;
        let is_whole = set.parts.iter().all(|part| !part.checked.is_damaged());
        (is_all && is_whole).then(|| together(&set.parts)).flatten()
    }

    fn is_on_all(&self, set: &Striped<'_>) -> bool {
        set.parts.len() == usize::from(self.family_count)
    }

    fn event(
        &self,
        set: &Striped<'_>,
        are_all_there: bool,
        judged: Option<Together>,
    ) -> event::StripedSet {
        let (levels, faults, pages) = match judged {
            Some(judged) => (judged.levels, judged.faults, judged.missing),
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
        event::StripedSet {
            position: set.position,
            backup_set_guid: set.guid.map(|guid| guid.to_string()),
            complete: are_all_there && self.is_on_all(set),
            checks: levels.iter().map(check).collect(),
            faults,
            missing_pages: pages.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Striped<'_> {
    fn tell(&self, judged: Option<&Together>, lines: Lines<'_>) {
        let Some(judged) = judged else { return };
        lines.line(
            "checks",
            &format!("of set {}, all stripes together", self.position),
        );
        checks::tell(&judged.levels, lines);
        for fault in judged.faults.iter().take(MAX_SHOWN) {
            lines.wrapped("FAULT", fault);
        }
        if !judged.missing.is_empty() {
            let pages = listed(&judged.missing, MAX_SHOWN);
            lines.wrapped("pages", &format!("allocated, and on no stripe: {pages}"));
        }
    }
}

fn is_damaged(judged: &Together) -> bool {
    let mut levels = judged.levels.iter();
    levels.any(|level| level.outcome == Outcome::Failed)
}
