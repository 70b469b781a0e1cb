//! A database with a history: transactions, and backups of all three kinds.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::guid::Guid;
use crate::lsn::Lsn;
use crate::page::PAGE_LEN;
use crate::set::{BackupType, Flags, RecoveryModel};

use super::configuration::Product;
use super::log::Log;
use super::pages::{PageVerify, page};

/// Pages in an extent.
const EXTENT: u32 = 8;

/// A database that is written to and backed up.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The instance it lies on.
    pub server: String,
    /// The version of SQL Server.
    pub product: Product,
    /// `PAGE_VERIFY`.
    pub page_verify: PageVerify,
    /// The recovery model.
    pub recovery_model: RecoveryModel,
    /// The server's offset from UTC.
    pub utc_offset: Offset,
    /// Where its files lie, with the separator at the end.
    pub folder: String,
    /// Length of its data file in pages, and how many of these are allocated.
    pages: u32,
    used: u32,
    /// Version of the content of each page, and what changed since the last full backup.
    versions: Vec<u32>,
    changed: BTreeSet<u32>,
    log: Log,
    pub(super) identity: Identity,
    base: Option<Base>,
    last_log_backup: Option<Lsn>,
    chain_origin: Option<Lsn>,
    backups: u32,
}

/// What tells a database from another, over all its backups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) family: Guid,
    pub(super) fork: Guid,
    pub(super) binding: Guid,
    /// The branch before, and where it was left.
    pub(super) previous: Option<(Guid, Lsn)>,
}

/// The full backup that differentials build on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) guid: Guid,
    pub(super) checkpoint: Lsn,
    pub(super) time: DateTime,
}

/// One backup set, ready to be written to media.
#[derive(Clone, Debug)]
pub struct Set {
    /// `BackupName`.
    pub name: Option<String>,
    /// `BackupSetGUID`.
    pub guid: Guid,
    /// `WITH CHECKSUM`.
    pub has_checksums: bool,
    /// Further bits of `Flags`.
    pub flags: Flags,
    /// What kind of backup it says it is; a full one can be called one of files, or a partial one.
    pub backup_type: BackupType,
    pub(super) database: Box<Database>,
    pub(super) start: DateTime,
    pub(super) finish: DateTime,
    pub(super) first_lsn: Lsn,
    pub(super) last_lsn: Lsn,
    pub(super) checkpoint_lsn: Lsn,
    pub(super) base: Option<Base>,
    pub(super) last_log_backup: Option<Lsn>,
    pub(super) chain_origin: Option<Lsn>,
    /// Extents, by their first page; those that are copied again.
    pub(super) extents: Vec<u32>,
    pub(super) again: Vec<u32>,
    pub(super) log: Vec<u8>,
}

impl Database {
    /// A database of 200 pages, half of them allocated, by SQL Server 2019 in FULL recovery.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_pages(name, 200, 100)
    }

    /// A database of so many pages, the first `used` of which are allocated.
    #[must_use]
    pub fn with_pages(name: &str, pages: u32, used: u32) -> Self {
        // The same name gives the same identity, so that what is made can be made again.
        let identity = Identity {
            family: guid_of(name, 1),
            fork: guid_of(name, 1),
            binding: guid_of(name, 2),
            previous: None,
        };
        Self {
            name: name.to_owned(),
            server: "SERVER".to_owned(),
            product: Product::Sql2019,
            page_verify: PageVerify::Checksum,
            recovery_model: RecoveryModel::Full,
            utc_offset: Offset::UTC,
            folder: r"C:\Data\".to_owned(),
            pages: pages.max(EXTENT),
            used: used.clamp(EXTENT, pages.max(EXTENT)),
            versions: vec![1; pages.max(EXTENT) as usize],
            changed: BTreeSet::new(),
            log: Log::new(true),
            identity,
            base: None,
            last_log_backup: None,
            chain_origin: None,
            backups: 0,
        }
    }

    /// Commits a transaction that changes one page.
    pub fn commit(&mut self, at: DateTime) {
        let page = 16 + (self.log.end().block * 7) % self.used.saturating_sub(16).max(1);
        self.change(page.min(self.used - 1));
        self.log.has_checksums = self.page_verify == PageVerify::Checksum;
        self.log.append(Some(at));
    }

    /// Goes over to a new branch, as after a restore to an earlier moment.
    pub fn fork(&mut self) {
        let number = self.backups + 1000;
        self.identity.previous = Some((self.identity.fork, self.log.end()));
        self.identity.fork = guid_of(&self.name, number);
    }

    /// Backs up the whole database; differentials build on it from now on.
    pub fn full(&mut self, at: DateTime) -> Set {
        let set = self.data_set(BackupType::Full, at, self.allocated_extents());
        let (guid, checkpoint) = (set.guid, set.checkpoint_lsn);
        self.base = Some(Base {
            guid,
            checkpoint,
            time: at,
        });
        self.changed.clear();
        self.chain_origin.get_or_insert(set.first_lsn);
        set
    }

    /// The same as a copy: nothing builds on it.
    pub fn copy_only(&mut self, at: DateTime) -> Set {
        let mut set = self.data_set(BackupType::Full, at, self.allocated_extents());
        set.flags = Flags::COPY_ONLY;
        self.chain_origin.get_or_insert(set.first_lsn);
        set
    }

    /// Backs up the extents that changed since the last full backup.
    pub fn differential(&mut self, at: DateTime) -> Set {
        let changed = self.changed.iter().map(|page| page / EXTENT * EXTENT);
        // The first extent holds the maps, which always change.
        let extents: BTreeSet<u32> = changed.chain([0]).collect();
        self.data_set(BackupType::Differential, at, extents.into_iter().collect())
    }

    /// Backs up the log since the last backup of it.
    pub fn log(&mut self, at: DateTime) -> Set {
        let end = self.log.end();
        let begin = self.last_log_backup.or(self.chain_origin).unwrap_or(end);
        let checkpoint = self.base.map_or(begin, |base| base.checkpoint);
        let set = self.set(BackupType::Log, at, [begin, end, checkpoint]);
        self.last_log_backup = Some(end);
        set
    }

    /// Its logical file names.
    pub(super) fn logical_names(&self) -> [String; 2] {
        [self.name.clone(), format!("{}_log", self.name)]
    }

    pub(super) fn size(&self) -> u64 {
        u64::from(self.pages) * PAGE_LEN as u64
    }

    /// The bytes of an extent.
    pub(super) fn extent(&self, first: u32) -> Vec<u8> {
        let pages = (first..first + EXTENT).flat_map(|id| {
            let version = self.versions.get(id as usize).copied().unwrap_or(1);
            if id < self.used {
                page(1, id, self.used, version, self.page_verify)
            } else {
                [0; PAGE_LEN]
            }
        });
        pages.collect()
    }

    fn change(&mut self, page: u32) {
        if let Some(version) = self.versions.get_mut(page as usize) {
            *version += 1;
            self.changed.insert(page);
        }
    }

    fn allocated_extents(&self) -> Vec<u32> {
        (0..self.used).step_by(EXTENT as usize).collect()
    }

    fn data_set(&mut self, backup_type: BackupType, at: DateTime, extents: Vec<u32>) -> Set {
        let checkpoint = self.log.append(None);
        self.log.append(Some(at));
        let last = self.log.end();
        let mut set = self.set(backup_type, at, [checkpoint, last, checkpoint]);
        set.extents = extents;
        if self.product.copies_again() {
            set.again = vec![0];
        }
        set
    }

    fn set(&mut self, backup_type: BackupType, at: DateTime, lsns: [Lsn; 3]) -> Set {
        self.backups += 1;
        let [first_lsn, last_lsn, checkpoint_lsn] = lsns;
        Set {
            name: Some(format!("{} backup {}", self.name, self.backups)),
            guid: guid_of(&self.name, 10 + self.backups),
            has_checksums: false,
            flags: Flags::default(),
            database: Box::new(self.clone()),
            backup_type,
            start: at,
            finish: at,
            first_lsn,
            last_lsn,
            checkpoint_lsn,
            base: self.base,
            last_log_backup: self.last_log_backup,
            chain_origin: self.chain_origin,
            extents: Vec::new(),
            again: Vec::new(),
            log: self.log.between(first_lsn, last_lsn),
        }
    }
}

/// A GUID made of a name and a number.
pub(super) fn guid_of(name: &str, number: u32) -> Guid {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut half = |salt: u8| {
        let bytes = name.bytes().chain(number.to_le_bytes()).chain([salt]);
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        hash.to_le_bytes()
    };
    let mut guid = [0; 16];
    guid[..8].copy_from_slice(&half(1));
    guid[8..].copy_from_slice(&half(2));
    Guid(guid)
}
