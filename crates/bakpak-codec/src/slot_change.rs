//! Who can open an archive, changed in place: slots come and go, the key that they wrap stays, and so
//! does all that is sealed with it (spec: SLT-10).
//!
//! Killed at any moment, it leaves an archive that opens with the old table or with the new one; the
//! next change begins by finishing it.

use crate::error::ReadError;
use crate::input::Feed;
use crate::inspect::{SlotId, SlotInfo, slot_infos};
use crate::keyring::Keyring;
use crate::keys::{DomainKey, Subkeys};
use crate::opening::Opening;
use crate::random::Random;
use crate::secret::Credential;
use crate::slots::passphrase::DEFAULT_ARGON2;
use crate::slots::{self, SlotContext};
use bakpak_format::error::FormatError;
use bakpak_format::limits::MAX_PASSPHRASE_TRIES;
use bakpak_format::slots::{Argon2Params, Domain, Slot, SlotTable};
use places::TablePlaces;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};

mod places;

/// What is to become of the slots of one domain.
pub enum SlotChange {
    /// This secret opens it too.
    Add(Credential),
    /// These slots are no longer there.
    Remove(Vec<SlotId>),
    /// All slots are made anew, for these secrets only; nothing is done if each of them has one, and
    /// there are no others.
    Replace(Vec<Credential>),
}

/// How to change slots.
pub struct SlotChangeSettings {
    /// Whose slots.
    pub domain: Domain,
    /// What to do to them.
    pub change: SlotChange,
    /// One secret may open both domains (spec: ENV-3).
    pub allow_both: bool,
    /// Cost of new passphrase slots.
    pub argon2: Argon2Params,
    /// Where salts and nonces come from.
    pub random: Random,
}

impl SlotChangeSettings {
    /// With the cost and the random generator that packing has.
    pub fn new(domain: Domain, change: SlotChange) -> Self {
        Self {
            domain,
            change,
            allow_both: false,
            argon2: DEFAULT_ARGON2,
            random: Random::system(),
        }
    }
}

/// What a change has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotsChanged {
    /// The slots that there are now.
    pub slots: Vec<SlotInfo>,
    /// Those of them that are new.
    pub added: Vec<SlotId>,
    /// Those that were there before.
    pub removed: Vec<SlotInfo>,
    /// Generation of the table.
    pub generation: u32,
    /// An earlier change had been stopped, or a copy was older or damaged; all tables are alike now.
    pub was_unfinished: bool,
}

/// Slots could not be changed. Unless something could not be written, the archive is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotChangeError {
    /// The archive cannot be read, opened or written, or is damaged where it would be changed.
    #[error(transparent)]
    Archive(#[from] ReadError),
    /// The header has a feature that forbids to change the archive in place (spec: HDR-3).
    #[error("it has a feature that this version does not know, so it must not change it")]
    Foreign,
    /// Another program is changing it.
    #[error("another program is changing its key slots")]
    Locked,
    /// The table has no room for what it would hold (spec: SLT-2).
    #[error("its table has no room for another slot")]
    Full,
    /// There would be more slots for passphrases than readers try (spec: SLT-7).
    #[error("of its key slots at most {MAX_PASSPHRASE_TRIES} can be for passphrases")]
    TooManyPassphrases,
    /// Nothing would open it any more.
    #[error("nothing would open it any more")]
    NoneLeft,
    /// There is no such slot in this domain.
    #[error("it has no key slot {0}")]
    NoSuchSlot(SlotId),
    /// The secret opens this slot already.
    #[error("this secret opens it already (key slot {0})")]
    OpensAlready(SlotId),
    /// The secret opens the other domain (spec: ENV-3).
    #[error("this secret opens the other domain, too (key slot {0})")]
    OpensBoth(SlotId),
}

/// Changes the slots of one domain of an archive, in the file itself, which is open for writing.
///
/// The keyring opens the domain. Whoever kept an old copy of the file, or its key, is not shut out.
///
/// # Errors
///
/// As [`SlotChangeError`] says; nothing is written then but what an earlier change had left to do.
pub fn change_slots(
    file: &File,
    settings: &mut SlotChangeSettings,
    keyring: &mut dyn Keyring,
) -> Result<SlotsChanged, SlotChangeError> {
    lock(file)?;
    let mut change = Change::begin(file, settings.domain, keyring)?;
    let was_unfinished = change.places.settle(file, &change.bytes)?;
    let before = slot_infos(&change.table);
    if let Some(slots) = change.changed(settings)? {
        change.replace(slots)?;
    }
    let slots = slot_infos(&change.table);
    let is_new = |slot: &&SlotInfo| !before.contains(slot);
    let is_gone = |slot: &&SlotInfo| !slots.contains(slot);
    Ok(SlotsChanged {
        added: slots.iter().filter(is_new).map(|slot| slot.id).collect(),
        removed: before.iter().filter(is_gone).copied().collect(),
        slots,
        generation: change.table.generation,
        was_unfinished,
    })
}

/// Which slot of a domain each of the secrets opens, if any.
///
/// # Errors
///
/// The archive cannot be read, or a passphrase slot asks for more than the limits (spec: SLT-7).
pub fn opened_slots(
    file: &File,
    domain: Domain,
    credentials: &[Credential],
) -> Result<Vec<SlotId>, ReadError> {
    let opening = Opening::read_or_copy(&mut Feed::at(file, 0)?)?;
    let Some((table, _)) = opening.table(domain) else {
        return Ok(Vec::new());
    };
    let context = SlotContext {
        domain,
        archive_id: opening.head.header.archive_id,
    };
    let opened = |credential| slots::opened_by(context, table, credential).transpose();
    let opened = credentials.iter().filter_map(opened);
    opened.map(|slot| slot.map(SlotId::of)).collect()
}

/// Two changes at once would undo one another.
fn lock(file: &File) -> Result<(), SlotChangeError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(SlotChangeError::Locked),
        // Not every file system has locks.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// An archive whose slots are being changed.
struct Change<'a> {
    file: &'a File,
    opening: Opening,
    context: SlotContext,
    key: DomainKey,
    subkeys: Subkeys,
    /// The table in use, and its bytes.
    table: SlotTable,
    bytes: Vec<u8>,
    places: TablePlaces,
}

impl<'a> Change<'a> {
    /// Opens the domain and finds all copies of its table.
    fn begin(
        file: &'a File,
        domain: Domain,
        keyring: &mut dyn Keyring,
    ) -> Result<Self, SlotChangeError> {
        let opening = Opening::read(&mut Feed::at(file, 0)?)?;
        if opening.head.header.features_read_only != 0 {
            return Err(SlotChangeError::Foreign);
        }
        let places = TablePlaces::find(file, &opening, domain)?;
        let (key, subkeys) = opening.unlock_domain(domain, keyring)?;
        let (table, bytes) = opening.table(domain).ok_or(ReadError::NoEnvelope)?;
        Ok(Self {
            file,
            context: SlotContext {
                domain,
                archive_id: opening.head.header.archive_id,
            },
            key,
            subkeys,
            table: table.clone(),
            bytes: bytes.to_vec(),
            places,
            opening,
        })
    }

    /// The slots that there shall be, if they are not there already.
    fn changed(
        &self,
        settings: &mut SlotChangeSettings,
    ) -> Result<Option<Vec<Slot>>, SlotChangeError> {
        let SlotChangeSettings {
            change,
            allow_both,
            argon2,
            random,
            ..
        } = settings;
        let mut wrap = |credential: &Credential| {
            if !*allow_both {
                self.check_opens_one(credential)?;
            }
            let wrapped = slots::wrap(self.context, &self.key, credential, *argon2, random);
            wrapped.map_err(|source| {
                let what = "making a key slot";
                SlotChangeError::Archive(ReadError::Io { what, source })
            })
        };
        let mut slots = self.table.slots.clone();
        match change {
            SlotChange::Add(credential) => {
                if let Some(slot) = slots::opened_by(self.context, &self.table, credential)? {
                    return Err(SlotChangeError::OpensAlready(SlotId::of(slot)));
                }
                slots.push(wrap(credential)?);
            }
            SlotChange::Remove(gone) => {
                for id in gone {
                    let place = slots.iter().position(|slot| SlotId::of(slot) == *id);
                    slots.remove(place.ok_or(SlotChangeError::NoSuchSlot(*id))?);
                }
            }
            SlotChange::Replace(credentials) if self.is_replaced(credentials)? => return Ok(None),
            SlotChange::Replace(credentials) => {
                slots = credentials.iter().map(wrap).collect::<Result<_, _>>()?;
            }
        }
        let is_passphrase = |slot: &&Slot| matches!(slot, Slot::Passphrase(_));
        if slots.iter().filter(is_passphrase).count() > MAX_PASSPHRASE_TRIES {
            return Err(SlotChangeError::TooManyPassphrases);
        }
        match slots.is_empty() {
            true => Err(SlotChangeError::NoneLeft),
            false => Ok(Some(slots)),
        }
    }

    /// Whether there is a slot for each of these secrets, and none besides: what was stopped had come
    /// so far.
    fn is_replaced(&self, credentials: &[Credential]) -> Result<bool, SlotChangeError> {
        let mut opened = BTreeSet::new();
        for credential in credentials {
            let slot = slots::opened_by(self.context, &self.table, credential)?;
            opened.extend(slot.map(SlotId::of));
        }
        Ok(opened.len() == credentials.len() && opened.len() == self.table.slots.len())
    }

    /// Who can unpack need not be able to read the master key (spec: ENV-3).
    fn check_opens_one(&self, credential: &Credential) -> Result<(), SlotChangeError> {
        let other = match self.context.domain {
            Domain::Data => Domain::Envelope,
            Domain::Envelope => Domain::Data,
        };
        let context = SlotContext {
            domain: other,
            ..self.context
        };
        let Some((table, _)) = self.opening.table(other) else {
            return Ok(());
        };
        match slots::opened_by(context, table, credential)? {
            Some(slot) => Err(SlotChangeError::OpensBoth(SlotId::of(slot))),
            None => Ok(()),
        }
    }

    /// Writes the table with these slots, one generation later.
    fn replace(&mut self, slots: Vec<Slot>) -> Result<(), SlotChangeError> {
        let generation = self.table.generation.checked_add(1);
        let table = SlotTable {
            generation: generation.ok_or(SlotChangeError::Full)?,
            slots,
            ..self.table.clone()
        };
        let mac_key = self.subkeys.slot_mac_key();
        let area = self.opening.geometry.slot_area;
        let bytes = match table.encode(area, |bytes| mac_key.mac(bytes)) {
            Err(FormatError::LimitExceeded { .. }) => return Err(SlotChangeError::Full),
            encoded => encoded.map_err(ReadError::from)?,
        };
        // B first: A is whole until B is (spec: SLT-10).
        self.places.put_b(self.file, &bytes)?;
        self.places.settle(self.file, &bytes)?;
        self.table = table;
        Ok(())
    }
}
