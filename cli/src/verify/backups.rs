//! The verdict on the backups in an archive: from its facts, or by reading them again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bakpak_codec::archive::Archive;
use bakpak_codec::tap::Tap;
use bakpak_format::catalogue::{Row, RowFlags, RowKind};
use bakpak_format::entry::Entry;
use bakpak_format::envelope::item_kind;
use bakpak_format::record::{Facts, KnownFacts, other_source};
use recovery::certificate::MAX_LEN as MAX_CERTIFICATE_LEN;
use recovery::foreign::ForeignKind;

use crate::backups;
use crate::backups::content::{ContentTap, Found};
use crate::prompt::Keys;
use crate::restorability::{Evidence, Judgement};

const UNREADABLE: &str = "cannot read the archive's facts";

/// Judges by what the archive's facts tell; of the content only certificates are read.
///
/// # Errors
///
/// The archive cannot be read.
pub(super) fn by_facts(file: &File, keys: &mut Keys) -> anyhow::Result<Judgement> {
    let mut archive = Archive::open(file, keys).context(UNREADABLE)?;
    judged(&mut archive)
}

/// The same of an archive that is open.
///
/// # Errors
///
/// The archive cannot be read.
pub(crate) fn judged(archive: &mut Archive) -> anyhow::Result<Judgement> {
    let mut evidence = Evidence::default();
    for noted in backups::reports_of_archive(archive)? {
        if let Some(text) = noted.not_all() {
            evidence.not_all_noted(text);
        }
        evidence.backup(noted.name, noted.report);
    }
    others_by_facts(archive, &mut evidence)?;
    beside_backups(archive, &mut evidence)?;
    Ok(evidence.judge())
}

/// What the facts tell of other backups than SQL Server's.
fn others_by_facts(archive: &mut Archive, evidence: &mut Evidence) -> anyhow::Result<()> {
    for found in archive.facts_of_entries(|kind| kind == Facts::OTHER_SOURCE) {
        let found = found.context(UNREADABLE)?;
        if let Ok(Some(KnownFacts::OtherSource(facts))) = found.facts.known() {
            let path = found
                .row
                .map(|row| row.path.to_string())
                .unwrap_or_default();
            evidence.other_told(&path, &facts);
        }
    }
    Ok(())
}

/// What counts beside the backups: certificates, the envelope.
fn beside_backups(archive: &mut Archive, evidence: &mut Evidence) -> anyhow::Result<()> {
    for found in archive.facts_of_entries(|kind| kind == Facts::ENVELOPE_ITEM) {
        let found = found.context(UNREADABLE)?;
        if let Ok(Some(KnownFacts::EnvelopeItem(item))) = found.facts.known()
            && item.kind == item_kind::CERTIFICATE
        {
            evidence.sealed_certificate();
        }
    }
    // All rows are gone through: only where it matters.
    if !evidence.has_encrypted() {
        return Ok(());
    }
    let rows: Result<Vec<Row>, _> = archive
        .rows()
        .filter(|row| row.as_ref().map_or(true, may_be_certificate))
        .collect();
    for row in rows.context(UNREADABLE)? {
        let mut bytes = Vec::new();
        archive.read_entry(&row, &mut bytes).context(UNREADABLE)?;
        evidence.certificate(&bytes);
    }
    Ok(())
}

/// Whether an entry may hold a certificate or its key, by its name and length.
pub(crate) fn may_be_certificate(row: &Row) -> bool {
    let is_whole = !row.flags.contains(RowFlags::UNREADABLE);
    is_whole
        && row.kind == RowKind::File
        && row.size <= MAX_CERTIFICATE_LEN as u64
        && crate::pack::may_be_a_backup(&row.path)
}

/// Reads backups again, while the archive is verified.
#[derive(Clone, Debug, Default)]
pub(super) struct Rereading {
    found: Arc<Mutex<BTreeMap<String, Found>>>,
    /// What ZIPs were when they were packed: that is known from their directories, which come last.
    kinds: HashMap<String, ForeignKind>,
}

impl Rereading {
    /// Learns from the archive's facts what kind its ZIPs are. Of a damaged one as many as can be
    /// read: to say that it is damaged is up to the verification.
    pub(super) fn learn_kinds(&mut self, archive: &mut Archive) {
        for found in archive.facts_of_entries(|kind| kind == Facts::OTHER_SOURCE) {
            let Ok(found) = found else { return };
            let Ok(Some(KnownFacts::OtherSource(facts))) = found.facts.known() else {
                continue;
            };
            let (other_source::BACPAC, Some(row)) = (facts.kind, found.row) else {
                continue;
            };
            self.kinds.insert(row.path.to_string(), ForeignKind::Bacpac);
        }
    }

    /// Who wants to see the content of this entry. Of one that was given up and packed again, the
    /// last content counts.
    pub(super) fn tap(&self, entry: &Entry) -> Option<Box<dyn Tap>> {
        let known = self.kinds.get(&entry.path.to_string()).cloned();
        if !crate::pack::may_be_a_backup(&entry.path) {
            return None;
        }
        let (all, path) = (Arc::clone(&self.found), entry.path.to_string());
        let learned = move |found| {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(path, found);
            Vec::new()
        };
        let name = entry.path.to_string();
        Some(Box::new(ContentTap::new(name, known, learned)))
    }

    /// What was read, with the certificates and the envelope of a file.
    pub(super) fn judge(&self, archive: Option<&mut Archive>) -> anyhow::Result<Judgement> {
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut evidence = Evidence::default();
        for (path, found) in std::mem::take(&mut *all) {
            match found {
                Found::Media(report) => evidence.backup(path, *report),
                Found::Other(report) => evidence.other(&path, &report),
                Found::Failed => evidence.unjudged(format!("'{path}' could not be checked")),
                Found::Nothing => {}
            }
        }
        match archive {
            Some(archive) => beside_backups(archive, &mut evidence)?,
            None => evidence.miss_certificates(),
        }
        Ok(evidence.judge())
    }
}
