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
use crate::write_at::{WouldBlock, lock};
use bakpak_format::error::FormatError;
use bakpak_format::limits::MAX_PASSPHRASE_TRIES;
use bakpak_format::slots::{Argon2Params, Domain, Slot, SlotTable};
use places::TablePlaces;
use std::collections::BTreeSet;
use std::fs::File;

mod places;

/// What is to become of the slots of one domain.
pub enum SlotChange {
    /// This secret opens it too; nothing is done if it does already.
    Add(Credential),
    /// These slots are no longer there. One that opens what stays must have been offered, so that
    /// nobody locks himself out, and can go on after a stop.
    Remove(BTreeSet<SlotId>),
    /// All slots are made anew, for these secrets only; nothing is done if each of them has one, and
    /// there are no others.
    Replace(Vec<Credential>),
}

/// How to change slots.
pub struct SlotChangeSettings {
    /// One secret may open both domains (spec: ENV-3).
    pub allow_both: bool,
    /// Cost of new passphrase slots.
    pub argon2: Argon2Params,
    /// Where salts and nonces come from.
    pub random: Random,
}

/// With the cost and the random generator that packing has.
impl Default for SlotChangeSettings {
    fn default() -> Self {
        Self {
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
    /// The archive has slots of the other domain too, which are what they were.
    pub has_other_domain: bool,
}

/// Slots could not be changed. Unless something could not be written, the archive is what it was, but
/// for what an earlier change had left to do.
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
    #[error("another program is changing it")]
    Locked,
    /// The table has no room for what it would hold (spec: SLT-2).
    #[error("its table has no room for as many key slots")]
    Full,
    /// There would be more slots for passphrases than readers try (spec: SLT-7).
    #[error("of its key slots at most {MAX_PASSPHRASE_TRIES} can be for passphrases")]
    TooManyPassphrases,
    /// No secret that was offered would open it any more.
    #[error("none of the keys that were given would open it any more")]
    LockedOut,
    /// There is no such slot in this domain, or no more.
    #[error("it has no key slot {0}")]
    NoSuchSlot(SlotId),
    /// Two of the new secrets are one.
    #[error("one of the new keys is given twice")]
    GivenTwice,
    /// The secret opens the other domain (spec: ENV-3).
    #[error("the new key opens {} already (key slot {slot})", .other.in_words())]
    OpensBoth {
        /// Which.
        other: Domain,
        /// By this slot.
        slot: SlotId,
    },
}

/// Which slots of a domain the secrets open.
///
/// # Errors
///
/// The archive cannot be read.
pub fn opened_slots(
    file: &File,
    domain: Domain,
    credentials: &[Credential],
) -> Result<BTreeSet<SlotId>, ReadError> {
    let opening = Opening::read_or_copy(&mut Feed::at(file, 0)?)?;
    let Some((table, _)) = opening.table(domain) else {
        return Ok(BTreeSet::new());
    };
    let context = SlotContext {
        domain,
        archive_id: opening.head.header.archive_id,
    };
    let mut opened = BTreeSet::new();
    for credential in credentials {
        let slots = slots::opened_by(context, &table.slots, credential)?;
        opened.extend(slots.into_iter().map(SlotId::of));
    }
    Ok(opened)
}

/// An archive whose slots can be changed: one domain of it is open, all its tables are found, and no
/// other program changes it.
pub struct SlotChanger<'a> {
    file: &'a File,
    opening: Opening,
    context: SlotContext,
    key: DomainKey,
    subkeys: Subkeys,
    /// What was offered to open it.
    offered: Vec<Credential>,
    /// The table in use, and its bytes.
    table: SlotTable,
    bytes: Vec<u8>,
    places: TablePlaces,
}

impl<'a> SlotChanger<'a> {
    /// Opens one domain of an archive; the file is open for writing.
    ///
    /// # Errors
    ///
    /// The archive cannot be opened, is damaged, or must not be changed; or another program does.
    pub fn open(
        file: &'a File,
        domain: Domain,
        keyring: &mut dyn Keyring,
    ) -> Result<Self, SlotChangeError> {
        lock(file).map_err(|WouldBlock| SlotChangeError::Locked)?;
        let opening = Opening::read(&mut Feed::at(file, 0)?)?;
        if opening.head.header.features_read_only != 0 {
            return Err(SlotChangeError::Foreign);
        }
        let places = TablePlaces::find(file, &opening, domain)?;
        let (key, subkeys) = opening.unlock_domain(domain, keyring)?;
        let offered = keyring
            .credentials(domain, &[])
            .map_err(ReadError::reading)?;
        let (table, bytes) = opening.table(domain).ok_or(ReadError::NoEnvelope)?;
        Ok(Self {
            file,
            context: SlotContext {
                domain,
                archive_id: opening.head.header.archive_id,
            },
            key,
            subkeys,
            offered,
            table: table.clone(),
            bytes: bytes.to_vec(),
            places,
            opening,
        })
    }

    /// Finishes what an earlier change has left to do, then changes the slots. Whoever kept an old copy
    /// of the file, or its key, is not shut out.
    ///
    /// # Errors
    ///
    /// As [`SlotChangeError`] says.
    pub fn change(
        mut self,
        change: &SlotChange,
        mut settings: SlotChangeSettings,
    ) -> Result<SlotsChanged, SlotChangeError> {
        let others = self.places.others(self.file, &self.bytes)?;
        if !others.is_empty() {
            self.places.write(self.file, &self.bytes)?;
        }
        let before = slot_infos(&self.table);
        match self.changed(change, &mut settings, &others)? {
            Some(slots) => self.replace(slots)?,
            // What was written before a failure may be in memory only, and look as if it stood there.
            None => self.places.write(self.file, &self.bytes)?,
        }
        let slots = slot_infos(&self.table);
        let is_new = |slot: &&SlotInfo| !before.contains(slot);
        let is_gone = |slot: &&SlotInfo| !slots.contains(slot);
        Ok(SlotsChanged {
            added: slots.iter().filter(is_new).map(|slot| slot.id).collect(),
            removed: before.iter().filter(is_gone).copied().collect(),
            slots,
            generation: self.table.generation,
            was_unfinished: !others.is_empty(),
            has_other_domain: self.opening.table(self.context.domain.other()).is_some(),
        })
    }

    /// The slots that there shall be, if they are not there already. `others` are tables that stood
    /// beside the one in use.
    fn changed(
        &self,
        change: &SlotChange,
        settings: &mut SlotChangeSettings,
        others: &[Vec<u8>],
    ) -> Result<Option<Vec<Slot>>, SlotChangeError> {
        let slots = self.table.slots.clone();
        match change {
            SlotChange::Add(credential) => {
                if !slots::opened_by(self.context, &slots, credential)?.is_empty() {
                    return Ok(None);
                }
                let new = self.wrap(std::slice::from_ref(credential), slots, settings)?;
                Ok(Some(new))
            }
            SlotChange::Remove(gone) => self.without(gone, slots, others),
            SlotChange::Replace(credentials) => {
                if self.is_replaced(credentials)? {
                    return Ok(None);
                }
                self.wrap(credentials, Vec::new(), settings).map(Some)
            }
        }
    }

    /// These slots, and one for each of the secrets.
    fn wrap(
        &self,
        credentials: &[Credential],
        mut slots: Vec<Slot>,
        settings: &mut SlotChangeSettings,
    ) -> Result<Vec<Slot>, SlotChangeError> {
        let is_passphrase = |slot: &&Slot| matches!(slot, Slot::Passphrase(_));
        let is_new = |credential: &&Credential| matches!(credential, Credential::Passphrase(_));
        let passphrases =
            slots.iter().filter(is_passphrase).count() + credentials.iter().filter(is_new).count();
        if passphrases > MAX_PASSPHRASE_TRIES {
            return Err(SlotChangeError::TooManyPassphrases);
        }
        for (number, credential) in credentials.iter().enumerate() {
            if credentials[..number]
                .iter()
                .any(|one| one.is_same(credential))
            {
                return Err(SlotChangeError::GivenTwice);
            }
            if !settings.allow_both {
                self.check_opens_one(credential)?;
            }
            let (argon2, random) = (settings.argon2, &mut settings.random);
            let slot = slots::wrap(self.context, &self.key, credential, argon2, random);
            slots.push(slot.map_err(|source| {
                let what = "making a key slot";
                ReadError::Io { what, source }
            })?);
        }
        match slots.is_empty() {
            true => Err(SlotChangeError::LockedOut),
            false => Ok(slots),
        }
    }

    /// The slots without these. One that only a table beside the one in use has was removed by a change
    /// that was stopped.
    fn without(
        &self,
        gone: &BTreeSet<SlotId>,
        mut slots: Vec<Slot>,
        others: &[Vec<u8>],
    ) -> Result<Option<Vec<Slot>>, SlotChangeError> {
        let (domain, id) = (self.context.domain, &self.context.archive_id);
        let decoded = others
            .iter()
            .flat_map(|table| SlotTable::decode(table, domain, id));
        let of_others: BTreeSet<_> = decoded
            .flat_map(|table| table.slots)
            .map(|slot| SlotId::of(&slot))
            .collect();
        let before = slots.len();
        for id in gone {
            let place = slots.iter().position(|slot| SlotId::of(slot) == *id);
            match place {
                Some(place) => drop(slots.remove(place)),
                None if of_others.contains(id) => {}
                None => return Err(SlotChangeError::NoSuchSlot(*id)),
            }
        }
        if slots.len() == before {
            return Ok(None);
        }
        for credential in &self.offered {
            if !slots::opened_by(self.context, &slots, credential)?.is_empty() {
                return Ok(Some(slots));
            }
        }
        Err(SlotChangeError::LockedOut)
    }

    /// Whether there is a slot for each of these secrets, and none besides: what was stopped had come
    /// so far.
    fn is_replaced(&self, credentials: &[Credential]) -> Result<bool, SlotChangeError> {
        let mut opened = BTreeSet::new();
        for credential in credentials {
            let slots = slots::opened_by(self.context, &self.table.slots, credential)?;
            if slots.len() != 1 {
                return Ok(false);
            }
            opened.extend(slots.into_iter().map(SlotId::of));
        }
        Ok(opened.len() == credentials.len() && opened.len() == self.table.slots.len())
    }

    /// Who can unpack need not be able to read the master key (spec: ENV-3). The other domain is not
    /// open, so its table may be forged: this guards against a mistake, not against an attack.
    fn check_opens_one(&self, credential: &Credential) -> Result<(), SlotChangeError> {
        let other = self.context.domain.other();
        let context = SlotContext {
            domain: other,
            ..self.context
        };
        let Some((table, _)) = self.opening.table(other) else {
            return Ok(());
        };
        match slots::opened_by(context, &table.slots, credential)?.first() {
            Some(slot) => Err(SlotChangeError::OpensBoth {
                other,
                slot: SlotId::of(slot),
            }),
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
        // Where files cannot be locked, another program may have changed it meanwhile.
        if !self.places.others(self.file, &self.bytes)?.is_empty() {
            return Err(SlotChangeError::Locked);
        }
        // B first: A is whole until B is (spec: SLT-10).
        self.places.write_b(self.file, &bytes)?;
        self.places.write(self.file, &bytes)?;
        (self.table, self.bytes) = (table, bytes);
        Ok(())
    }
}
