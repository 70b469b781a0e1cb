//! Reads what opens an archive: head, slot tables, envelope body; and the keys in them.

use crate::error::{Finding, ReadError};
use crate::input::{Feed, locator};
use crate::keyring::Keyring;
use crate::keys::{self, DomainKey, KeyDomain, Subkeys};
use crate::slots::{self, SlotContext};
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::envelope::EnvelopeBody;
use bakpak_format::error::{Class, FormatError, Structure};
use bakpak_format::geometry::Geometry;
use bakpak_format::header::Head;
use bakpak_format::slots::{Domain, SlotTable};

mod copy;

/// What stands before the first stripe, decoded, believed by nobody yet.
pub(crate) struct Opening {
    pub(crate) head: Head,
    pub(crate) geometry: Geometry,
    pub(crate) bytes: OpeningBytes,
    pub(crate) data_table: SlotTable,
    pub(crate) envelope_table: Option<SlotTable>,
    /// Damage that does not stop reading: one table of a pair, the envelope.
    pub(crate) findings: Vec<Finding>,
    /// Damage that would, if the tail had no copy, which is used instead (spec: RDR-7).
    pub(crate) mended: Vec<Finding>,
}

/// The tables of each domain behind a head.
#[derive(Clone, Copy)]
enum Tables<'a> {
    /// Two, as at the archive's start; what to take if both are refused.
    Pair(Option<&'a Opening>),
    /// One, as in the tail.
    One,
}

/// The table of a domain that is in use.
struct ChosenTable {
    table: SlotTable,
    bytes: Vec<u8>,
    /// What is wrong with the others.
    faults: Vec<Finding>,
    /// It is the tail's.
    is_copy: bool,
}

/// The same, as it lies in the file; the tables are those in use.
#[derive(Clone, Default)]
pub(crate) struct OpeningBytes {
    pub(crate) head: Vec<u8>,
    pub(crate) data_slots: Vec<u8>,
    pub(crate) envelope_slots: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
}

impl OpeningBytes {
    /// What the tail repeats, with the domain of slot tables.
    pub(crate) fn in_tail_order(&self) -> impl Iterator<Item = (&[u8], Option<Domain>)> {
        [
            (&self.head, None),
            (&self.data_slots, Some(Domain::Data)),
            (&self.envelope_slots, Some(Domain::Envelope)),
            (&self.envelope, None),
        ]
        .into_iter()
        .map(|(bytes, domain)| (bytes.as_slice(), domain))
        .filter(|(bytes, _)| !bytes.is_empty())
    }
}

impl Opening {
    /// Reads from the archive's start.
    ///
    /// # Errors
    ///
    /// The head, or both tables of a pair, cannot be used.
    pub(crate) fn read(feed: &mut Feed) -> Result<Self, ReadError> {
        let (head, head_bytes) = read_head(feed)?;
        Self::read_behind(feed, head, head_bytes, Tables::Pair(None))
    }

    /// Takes what was found of an archive, wherever it stood; what is empty was not.
    ///
    /// # Errors
    ///
    /// There is no slot table that opens the data.
    pub(crate) fn of_found(head: Head, bytes: OpeningBytes) -> Result<Self, ReadError> {
        let id = &head.header.archive_id;
        let data_table = SlotTable::decode(&bytes.data_slots, Domain::Data, id).map_err(|_| {
            let what = "all copies of the table with the keys are damaged: nothing can open it";
            FormatError::damaged(Structure::Slots, what)
        })?;
        let envelope_table = SlotTable::decode(&bytes.envelope_slots, Domain::Envelope, id).ok();
        Ok(Self {
            geometry: head.geometry(),
            head,
            bytes,
            data_table,
            envelope_table,
            findings: Vec::new(),
            mended: Vec::new(),
        })
    }

    /// Reads what follows a head.
    fn read_behind(
        feed: &mut Feed,
        head: Head,
        head_bytes: Vec<u8>,
        tables: Tables<'_>,
    ) -> Result<Self, ReadError> {
        let geometry = head.geometry();
        let mut bytes = OpeningBytes {
            head: head_bytes,
            ..OpeningBytes::default()
        };
        let (mut findings, mut mended) = (Vec::new(), Vec::new());
        let mut read_tables = |feed: &mut Feed, domain| {
            let mut chosen = read_tables(feed, domain, &head, tables)?;
            match chosen.is_copy {
                true => mended.append(&mut chosen.faults),
                false => findings.append(&mut chosen.faults),
            }
            Ok::<_, ReadError>((chosen.table, chosen.bytes))
        };
        let data_table;
        (data_table, bytes.data_slots) = read_tables(feed, Domain::Data)?;
        let mut envelope_table = None;
        if geometry.has_envelope() {
            let (table, table_bytes) = read_tables(feed, Domain::Envelope)?;
            envelope_table = Some(table);
            bytes.envelope_slots = table_bytes;
            let offset = feed.position();
            feed.extend(
                &mut bytes.envelope,
                geometry.envelope_len,
                Structure::Envelope,
            )?;
            if let Err(error) = EnvelopeBody::split(&bytes.envelope, &head.header.envelope_digest) {
                findings.push(Finding::from(error).at(offset));
            }
        }
        Ok(Self {
            head,
            geometry,
            bytes,
            data_table,
            envelope_table,
            findings,
            mended,
        })
    }

    /// The table in use of a domain, with its bytes.
    pub(crate) fn table(&self, domain: Domain) -> Option<(&SlotTable, &[u8])> {
        match domain {
            Domain::Data => Some((&self.data_table, &self.bytes.data_slots)),
            Domain::Envelope => {
                let table = self.envelope_table.as_ref()?;
                Some((table, &self.bytes.envelope_slots))
            }
        }
    }

    /// Opens the data domain: the archive key's subkeys, with header and table authenticated.
    pub(crate) fn unlock(&self, keyring: &mut dyn Keyring) -> Result<Subkeys, ReadError> {
        let (_, subkeys) = self.unlock_domain(Domain::Data, keyring)?;
        Ok(subkeys)
    }

    /// Opens the envelope's domain.
    pub(crate) fn unlock_envelope(&self, keyring: &mut dyn Keyring) -> Result<Subkeys, ReadError> {
        let (_, subkeys) = self.unlock_domain(Domain::Envelope, keyring)?;
        Ok(subkeys)
    }

    /// Opens a domain, with its table authenticated, and with the archive key the header too.
    pub(crate) fn unlock_domain(
        &self,
        domain: Domain,
        keyring: &mut dyn Keyring,
    ) -> Result<(DomainKey, Subkeys), ReadError> {
        let header = &self.head.header;
        let (key_domain, commitment) = match domain {
            Domain::Data => (KeyDomain::Archive, &header.archive_commitment),
            Domain::Envelope => (KeyDomain::Envelope, &header.envelope_commitment),
        };
        let (table, bytes) = self.table(domain).ok_or_else(|| self.no_envelope())?;
        let context = SlotContext {
            domain,
            archive_id: header.archive_id,
        };
        let subkeys_of = |key: &DomainKey| key.subkeys(&header.salt, header.archive_id, key_domain);
        let key = slots::unlock(context, table, keyring, |key| {
            keys::equal(&subkeys_of(key).commitment(), commitment) // spec: KEY-2
        })?;
        let subkeys = subkeys_of(&key);
        if domain == Domain::Data {
            let covered = Head::mac_covered(&self.bytes.head);
            let mac_key = subkeys.header_mac_key();
            if !mac_key.verifies(covered, &self.head.header_mac) {
                return Err(not_authentic(Structure::Header, "the header", 0)); // spec: KEY-3
            }
        }
        self.check_table(table, bytes, &subkeys)?;
        Ok((key, subkeys))
    }

    fn no_envelope(&self) -> ReadError {
        let what = "all copies of the envelope's table are damaged: nothing can open it";
        match self.geometry.has_envelope() {
            true => FormatError::damaged(Structure::Slots, what).into(),
            false => ReadError::NoEnvelope,
        }
    }

    /// Checks the MAC of the table in use (spec: SLT-4).
    fn check_table(
        &self,
        table: &SlotTable,
        bytes: &[u8],
        subkeys: &Subkeys,
    ) -> Result<(), ReadError> {
        if subkeys
            .slot_mac_key()
            .verifies(SlotTable::mac_covered(bytes), &table.mac)
        {
            return Ok(());
        }
        let offset = match table.domain {
            Domain::Data => self.geometry.data_slots_offset(),
            Domain::Envelope => self.geometry.envelope_slots_offset(),
        };
        Err(not_authentic(Structure::Slots, "the slot table", offset.0))
    }
}

/// Reads and decodes the head page(s) at the archive's start, or where its copy stands.
///
/// # Errors
///
/// It cannot be used.
pub(crate) fn read_head(feed: &mut Feed) -> Result<(Head, Vec<u8>), ReadError> {
    let start = feed.position();
    let mut bytes = Vec::new();
    let first = feed.extend(&mut bytes, SECTOR_LEN, Structure::Head);
    let first = first.map_err(|error| too_short(error, feed, start));
    if first.is_err() {
        bytes.truncate((feed.position() - start) as usize); // less than a sector
    }
    // What is there may tell more than that it is short: another version, another kind of file.
    let peeked = Head::peek_len(&bytes).map_err(|error| match (error.class(), first) {
        (Class::Truncated, Err(cut)) => cut,
        _ => error.into(),
    });
    let head_len = match peeked {
        Ok(len) => len,
        Err(error) => return Err(foreign_or_damaged(error, feed, &bytes)),
    };
    let rest = head_len - bytes.len();
    feed.extend(&mut bytes, rest, Structure::Head)?;
    let head = Head::decode(&bytes).map_err(|e| ReadError::from(e).at(start))?;
    Ok((head, bytes))
}

/// What is no archive for want of bytes is told so: most often a copy that never began.
fn too_short(error: ReadError, feed: &Feed, start: u64) -> ReadError {
    match error {
        ReadError::Fault(mut finding) if finding.class == Class::Truncated => {
            finding.message = match (feed.position() - start, feed.file()) {
                (0, Some(_)) => "the file is empty".into(),
                (0, None) => "nothing came: not one byte of an archive".into(),
                (len, _) => format!("{len} bytes are too few for an archive"),
            };
            finding.into_error()
        }
        error => error,
    }
}

/// Reads both tables of a pair, or the one of a copy; the one in use is the newer of the good ones
/// (spec: SLT-1, SLT-3).
fn read_tables(
    feed: &mut Feed,
    domain: Domain,
    head: &Head,
    tables: Tables<'_>,
) -> Result<ChosenTable, ReadError> {
    let mut best: Option<(SlotTable, Vec<u8>)> = None;
    let mut faults = Vec::new();
    let (count, copy) = match tables {
        Tables::One => (1, None),
        Tables::Pair(copy) => (2, copy),
    };
    for _ in 0..count {
        let offset = feed.position();
        let mut bytes = Vec::new();
        feed.extend(&mut bytes, head.geometry().slot_area, Structure::Slots)?;
        match SlotTable::decode(&bytes, domain, &head.header.archive_id) {
            Ok(table) => match &best {
                Some((kept, kept_bytes)) => {
                    if *kept_bytes != bytes {
                        let what = "the two tables of the pair differ";
                        let error = FormatError::damaged(Structure::Slots, what);
                        faults.push(Finding::from(error).at(offset));
                    }
                    if table.generation > kept.generation {
                        best = Some((table, bytes));
                    }
                }
                None => best = Some((table, bytes)),
            },
            Err(error) => {
                let finding = Finding::from(error).at(offset);
                faults.push(finding);
            }
        }
    }
    let is_copy = best.is_none();
    let of_copy = || {
        let (table, bytes) = copy?.table(domain)?;
        Some((table.clone(), bytes.to_vec()))
    };
    match best.or_else(of_copy) {
        Some((table, bytes)) => Ok(ChosenTable {
            table,
            bytes,
            faults,
            is_copy,
        }),
        // All were refused, so the first of these faults is the first table's.
        None => Err(faults.into_iter().next().map_or_else(
            || FormatError::damaged(Structure::Slots, "no table is whole").into(),
            ReadError::from,
        )),
    }
}

/// A head that cannot be used. If not even its magic is there, the file is of another kind, unless
/// its end says that it is an archive (spec: HED-1).
fn foreign_or_damaged(error: ReadError, feed: &Feed, start: &[u8]) -> ReadError {
    let magic = bakpak_format::preamble::MAGIC;
    let read = feed.position().min(start.len() as u64) as usize;
    let common = read.min(magic.len());
    let foreign = matches!(error, ReadError::Fault(_)) && start[..common] != magic[..common];
    if !foreign {
        return error.at(0);
    }
    let finding = if feed.file().is_some_and(|file| locator(file).is_some()) {
        let what = "its first bytes are not those of an archive, but its last ones are";
        FormatError::damaged(Structure::Head, what).into()
    } else {
        Finding::new(
            Class::Unsupported,
            Structure::Head,
            "this is not a bakpak archive",
        )
    };
    finding.at(0).into()
}

pub(crate) fn not_authentic(structure: Structure, what: &str, offset: u64) -> ReadError {
    let message = format!("{what} does not authenticate: it was changed, or is of another archive");
    Finding::new(Class::NotAuthentic, structure, message)
        .at(offset)
        .into()
}
