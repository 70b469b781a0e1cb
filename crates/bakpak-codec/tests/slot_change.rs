//! Who can open an archive is changed in place, and survives a stop at any write (spec: SLT-10).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::envelope::open_envelope;
use bakpak_codec::error::{Finding, ReadError};
use bakpak_codec::inspect::{SlotId, inspect};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::random::Random;
use bakpak_codec::repair::repair;
use bakpak_codec::secret::{Credential, Passphrase};
use bakpak_codec::slot_change::{
    SlotChange, SlotChangeError, SlotChangeSettings, SlotChanger, SlotsChanged, opened_slots,
};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::error::Class;
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::slots::{Argon2Params, Domain};
use std::fs::File;
use std::ops::Range;
use support::forge::{Parts, mend_table};
use support::regions::{Map, Site};
use support::*;

const CHEAP: Argon2Params = Argon2Params {
    memory_kib: 64 << 10,
    passes: 2,
    lanes: 1,
};

/// An archive of several stripes, most of which carry copies of the tables.
fn archive() -> Vec<u8> {
    let settings = PackSettings {
        parity: ParityGeometry::THREE,
        block_size: Some(BlockSize::FOUR_KIB),
        envelope: envelope(vec![item(6, "secret", b"sealed")]),
        ..settings()
    };
    let sources = vec![file("home/a", noise("a", 4_500_000))];
    try_pack(sources, settings).unwrap().0
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0).unwrap();
    bytes
}

/// Changes slots, with a random generator of this seed.
fn change_with(
    file: &File,
    domain: Domain,
    change: &SlotChange,
    key: Credential,
    seed: &str,
) -> Result<SlotsChanged, SlotChangeError> {
    let settings = SlotChangeSettings {
        argon2: CHEAP,
        random: Random::seeded(seed.as_bytes()),
        ..SlotChangeSettings::default()
    };
    SlotChanger::open(file, domain, &mut vec![key])?.change(change, settings)
}

fn change(
    file: &File,
    domain: Domain,
    change: SlotChange,
    key: Credential,
) -> Result<SlotsChanged, SlotChangeError> {
    change_with(file, domain, &change, key, "slots")
}

fn add(file: &File, new: Credential) -> Result<SlotsChanged, SlotChangeError> {
    change(file, Domain::Data, SlotChange::Add(new), key())
}

/// The slot of a domain that a key opens.
fn slot_of(file: &File, domain: Domain, key: Credential) -> SlotId {
    let slots = opened_slots(file, domain, &[key]).unwrap();
    let [slot] = slots.into_iter().collect::<Vec<_>>()[..] else {
        panic!("it opens one slot");
    };
    slot
}

fn opens(bytes: &[u8], key: Credential) -> bool {
    match Archive::open(&file_of(bytes), &mut vec![key]) {
        Ok(_) => true,
        Err(ReadError::NoKeyFits { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn findings(bytes: &[u8], key: Credential) -> Vec<Finding> {
    let (input, level) = (as_file(bytes), VerifyLevel::Full);
    let report = verify(input, &mut vec![key], level, 2, &Unobserved).unwrap();
    assert!(report.without_key.is_none());
    report.findings
}

/// Where the tables of a domain stand, in the order in which a change writes them.
fn places(bytes: &[u8], domain: Domain) -> Vec<Range<usize>> {
    let map = Map::of(bytes);
    let (a, b) = (
        map.range_of(Site::SlotsA(domain)),
        map.range_of(Site::SlotsB(domain)),
    );
    let table = &bytes[a.clone()];
    let copies = (b.end..bytes.len()).step_by(4096);
    let copies = copies.filter(|at| bytes[*at..].starts_with(table));
    let copies: Vec<_> = copies.map(|at| at..at + table.len()).collect();
    [b, a].into_iter().chain(copies).collect()
}

#[test]
fn a_slot_that_comes_opens_and_one_that_goes_does_not() {
    let before = archive();
    let file = file_of(&before);
    let added = add(&file, key_file(9)).unwrap();
    assert_eq!(
        (added.generation, added.slots.len(), added.was_unfinished),
        (2, 2, false)
    );
    let after = bytes_of(&file);
    assert!(opens(&after, key()) && opens(&after, key_file(9)) && !opens(&after, key_file(10)));
    assert_eq!(findings(&after, key_file(9)), []);

    // Nothing else is another than it was.
    let places = places(&before, Domain::Data);
    assert!(places.len() > 8, "{places:?}");
    let changed = (0..before.len()).filter(|at| before[*at] != after[*at]);
    let outside = |at: &usize| !places.iter().any(|place| place.contains(at));
    assert_eq!(changed.clone().filter(outside).count(), 0);
    assert!(
        places
            .iter()
            .all(|place| after[place.clone()] == after[places[0].clone()])
    );

    let old = slot_of(&file, Domain::Data, key());
    let removed = change(
        &file,
        Domain::Data,
        SlotChange::Remove([old].into()),
        key_file(9),
    )
    .unwrap();
    assert_eq!(
        removed
            .removed
            .iter()
            .map(|slot| slot.id)
            .collect::<Vec<_>>(),
        [old]
    );
    let after = bytes_of(&file);
    assert!(!opens(&after, key()) && opens(&after, key_file(9)));
    assert_eq!(findings(&after, key_file(9)), []);
    // Nor is it opened by what repair finds when the start is lost.
    let mut cut = after.clone();
    cut[..64 << 10].fill(0);
    let mended = tempfile::tempfile().unwrap();
    let report = repair(&file_of(&cut), &mended, 2, &Unobserved).unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(bytes_of(&mended), after);
}

#[test]
fn the_envelope_has_slots_of_its_own() {
    let file = file_of(&archive());
    let by = |change: SlotChange, key| self::change(&file, Domain::Envelope, change, key);
    let wrong = by(SlotChange::Add(key_file(9)), key()).unwrap_err();
    assert!(
        matches!(wrong, SlotChangeError::Archive(ReadError::NoKeyFits { .. })),
        "{wrong}"
    );
    by(SlotChange::Add(key_file(9)), envelope_key()).unwrap();
    assert_eq!(
        open_envelope(&file, &mut vec![key_file(9)], &Unobserved)
            .unwrap()
            .len(),
        1
    );
    assert!(!opens(&bytes_of(&file), key_file(9)));
    assert_eq!(findings(&bytes_of(&file), key()), []);

    // Who can unpack need not be able to read the master key.
    let both = by(SlotChange::Add(key()), envelope_key()).unwrap_err();
    assert!(matches!(both, SlotChangeError::OpensBoth { .. }), "{both}");
    let both = add(&file, key_file(9)).unwrap_err();
    assert!(matches!(both, SlotChangeError::OpensBoth { .. }), "{both}");
    let settings = SlotChangeSettings {
        allow_both: true,
        ..SlotChangeSettings::default()
    };
    let changer = SlotChanger::open(&file, Domain::Data, &mut vec![key()]).unwrap();
    changer
        .change(&SlotChange::Add(key_file(9)), settings)
        .unwrap();
    assert!(opens(&bytes_of(&file), key_file(9)));
}

#[test]
fn all_slots_are_made_anew_for_the_same_key() {
    let before = archive();
    let file = file_of(&before);
    let passphrase = || Credential::Passphrase(Passphrase::new(b"correct horse".to_vec()));
    let replace = SlotChange::Replace(vec![passphrase(), key()]);
    let done = change(&file, Domain::Data, replace, key()).unwrap();
    assert_eq!(
        (done.added.len(), done.removed.len(), done.slots.len()),
        (2, 1, 2)
    );
    assert_eq!(done.slots[0].argon2, Some(CHEAP));
    let after = bytes_of(&file);
    assert!(opens(&after, passphrase()) && opens(&after, key()));
    assert_eq!(slot_of(&file, Domain::Data, key()), done.slots[1].id);
    assert_eq!(findings(&after, passphrase()), []);
    // Once more is not needed: there is a slot for each, and no other.
    let replace = SlotChange::Replace(vec![key(), passphrase()]);
    let again = change(&file, Domain::Data, replace, key()).unwrap();
    assert_eq!((again.added.len(), again.removed.len()), (0, 0));
    assert_eq!(bytes_of(&file), after);
}

#[test]
fn what_cannot_be_is_refused_and_nothing_written() {
    let before = archive();
    let file = file_of(&before);
    let slot = inspect(&file).unwrap().slots[0].id;
    let none = SlotId([1, 2, 3, 4]);
    let passphrases = (0..5).map(|number| Credential::Passphrase(Passphrase::new(vec![number])));
    let refused = [
        (SlotChange::Remove([slot].into()), "would open it any more"),
        (
            SlotChange::Remove([none].into()),
            "it has no key slot 01020304",
        ),
        (SlotChange::Replace(Vec::new()), "would open it any more"),
        (
            SlotChange::Replace((20..60).map(key_file).collect()),
            "no room for as many key slots",
        ),
        (
            SlotChange::Replace(vec![key_file(9), key_file(10), key_file(9)]),
            "given twice",
        ),
        (
            SlotChange::Replace(passphrases.collect()),
            "at most 4 can be for passphrases",
        ),
    ];
    for (change, why) in refused {
        let error = self::change(&file, Domain::Data, change, key()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(bytes_of(&file), before, "{why}");
    }
    let wrong = change(
        &file,
        Domain::Data,
        SlotChange::Add(key_file(9)),
        key_file(10),
    );
    assert!(matches!(
        wrong,
        Err(SlotChangeError::Archive(ReadError::NoKeyFits { .. }))
    ));
    assert_eq!(bytes_of(&file), before);
}

/// Nothing is written where it cannot be known what stands there.
#[test]
fn a_damaged_archive_is_mended_first() {
    let before = archive();
    let map = Map::of(&before);
    let page = map.range_of(Site::CheckPage(0)).start;
    let cut = &before[..before.len() - 1];
    let longer = [&before, &[0][..]].concat();
    let moved = [
        &before[..page],
        &[0; 4096],
        &before[page..before.len() - 4096],
    ]
    .concat();
    let mut head = before.clone();
    head[3] ^= 1;
    let mut no_page = before.clone();
    no_page[page] ^= 1;
    for bytes in [cut, &longer, &moved, &head, &no_page] {
        let file = file_of(bytes);
        let error = add(&file, key_file(9)).unwrap_err();
        let SlotChangeError::Archive(ReadError::Fault(finding)) = error else {
            panic!("{error}");
        };
        assert_eq!(finding.class, Class::Damaged, "{finding}");
        assert_eq!(bytes_of(&file), bytes);
    }
}

/// A change that is stopped, of an archive that one key opens, or `own` and 9.
struct Stopped {
    domain: Domain,
    before: Vec<u8>,
    change: SlotChange,
    /// What the same command offers.
    offered: Vec<Credential>,
}

impl Stopped {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (domain, own) in [(Domain::Data, key()), (Domain::Envelope, envelope_key())] {
            let one = archive();
            let file = file_of(&one);
            change(&file, domain, SlotChange::Add(key_file(9)), own.clone()).unwrap();
            let two = bytes_of(&file);
            let gone = slot_of(&file, domain, own.clone());
            let mut case = |before: &[u8], change, offered| {
                all.push(Self {
                    domain,
                    before: before.to_vec(),
                    change,
                    offered,
                });
            };
            case(&one, SlotChange::Add(key_file(9)), vec![own.clone()]);
            case(&two, SlotChange::Remove([gone].into()), vec![key_file(9)]);
            let both = vec![own, key_file(9)];
            case(&one, SlotChange::Replace(vec![key_file(9)]), both);
        }
        all
    }

    fn run(&self, bytes: &[u8], seed: &str) -> (Result<SlotsChanged, SlotChangeError>, Vec<u8>) {
        let file = file_of(bytes);
        let settings = SlotChangeSettings {
            random: Random::seeded(seed.as_bytes()),
            ..SlotChangeSettings::default()
        };
        let mut keyring = self.offered.clone();
        let changer = SlotChanger::open(&file, self.domain, &mut keyring).unwrap();
        let done = changer.change(&self.change, settings);
        (done, bytes_of(&file))
    }

    /// Which keys open the domain.
    fn opened_by(&self, bytes: &[u8]) -> Vec<u8> {
        let keys = [7, 8, 9].into_iter();
        let opens = |number: &u8| match self.domain {
            Domain::Data => opens(bytes, key_file(*number)),
            Domain::Envelope => {
                let (file, keys) = (file_of(bytes), &mut vec![key_file(*number)]);
                open_envelope(&file, keys, &Unobserved).is_ok()
            }
        };
        keys.filter(opens).collect()
    }

    /// Stops it between any two writes, and in the middle of each.
    fn stop_everywhere(&self) {
        let (_, after) = self.run(&self.before, "first");
        let [old, new] = [&self.before, &after].map(|bytes| self.opened_by(bytes));
        assert_ne!(old, new);
        let places = places(&self.before, self.domain);
        let mut was_new = false;
        for stopped in 0..=places.len() * 2 {
            let what = format!("{:?} {old:?} to {new:?}, {stopped}", self.domain);
            let mut bytes = self.before.clone();
            for place in &places[..stopped / 2] {
                bytes[place.clone()].copy_from_slice(&after[place.clone()]);
            }
            if let (1, Some(torn)) = (stopped % 2, places.get(stopped / 2)) {
                let half = torn.start..torn.start + 200;
                bytes[half.clone()].copy_from_slice(&after[half]);
            }
            let opened = self.opened_by(&bytes);
            let is_new = opened == new;
            assert!(is_new || opened == old && !was_new, "{what}: {opened:?}");
            was_new = is_new;
            let keyless = verify_keyless(as_file(&bytes), 2, &Unobserved).unwrap();
            let is_between = stopped % 2 == 1 || stopped == 2;
            assert_eq!(!keyless.findings.is_empty(), is_between, "{what}");

            let (done, finished) = self.run(&bytes, "second");
            match done {
                Ok(done) => {
                    let is_nothing_to_do = done.added.is_empty() && done.removed.is_empty();
                    assert_eq!(is_nothing_to_do, is_new, "{what}");
                    let is_alike = stopped == 0 || stopped == places.len() * 2;
                    assert_eq!(done.was_unfinished, !is_alike, "{what}");
                }
                // No whole table has the slot that is to go: it is gone from all of them.
                Err(SlotChangeError::NoSuchSlot(_)) => {
                    let is_last = stopped >= places.len() * 2 - 1;
                    assert!(
                        is_last && matches!(self.change, SlotChange::Remove(_)),
                        "{what}"
                    );
                }
                Err(error) => panic!("{what}: {error}"),
            }
            assert_eq!(self.opened_by(&finished), new, "{what}");
            let verified = verify_keyless(as_file(&finished), 2, &Unobserved).unwrap();
            assert_eq!(verified.findings, [], "{what}");
            let tables = places.iter().map(|place| &finished[place.clone()]);
            assert!(
                tables
                    .clone()
                    .all(|table| table == &finished[places[0].clone()]),
                "{what}"
            );
        }
        assert!(was_new);
    }
}

/// The old keys open it or the new ones, these from some moment on for good; and the same command
/// finishes it.
#[test]
fn a_stop_at_any_write_leaves_the_old_the_new_or_what_the_same_command_finishes() {
    let all = Stopped::all();
    assert_eq!(all.len(), 6);
    for stopped in all {
        stopped.stop_everywhere();
    }
}

/// Who has the key that goes has to show that another one stays.
#[test]
fn nobody_locks_himself_out() {
    let file = file_of(&archive());
    add(&file, key_file(9)).unwrap();
    let before = bytes_of(&file);
    let own = slot_of(&file, Domain::Data, key());
    let remove = || SlotChange::Remove([own].into());
    let error = change(&file, Domain::Data, remove(), key()).unwrap_err();
    assert!(matches!(error, SlotChangeError::LockedOut), "{error}");
    assert_eq!(bytes_of(&file), before);
    change(&file, Domain::Data, remove(), key_file(9)).unwrap();
}

#[test]
fn a_foreign_or_forged_archive_is_not_changed() {
    let whole = packed(vec![file("home/a", "a")]);
    let mut parts = Parts::of(&whole).unwrap();
    let read_only_features = 2048 + 32;
    parts.change_head(read_only_features, &[1]);
    parts.authenticate_head(&parts.keys(Domain::Data, &[7; 32]).unwrap());
    let foreign = parts.assemble();
    let mut forged = whole.clone();
    let b = Map::of(&whole).range_of(Site::SlotsB(Domain::Data));
    forged[b.start + 4] = 2;
    mend_table(&mut forged[b]);
    for bytes in [foreign, forged] {
        let file = file_of(&bytes);
        match add(&file, key_file(9)).unwrap_err() {
            SlotChangeError::Foreign => {}
            SlotChangeError::Archive(ReadError::Fault(finding)) => {
                assert_eq!(finding.class, Class::NotAuthentic, "{finding}");
            }
            error => panic!("{error}"),
        }
        assert_eq!(bytes_of(&file), bytes);
    }
}

/// Where a change had not come to all copies, and both tables are lost, an older copy opens it: that
/// is told.
#[test]
fn repair_tells_that_an_older_table_may_stand_in() {
    let before = archive();
    let file = file_of(&before);
    add(&file, key_file(9)).unwrap();
    let after = bytes_of(&file);
    let [b, a, ..] = &places(&before, Domain::Data)[..] else {
        panic!("there are two tables");
    };
    for (lost, is_told) in [(vec![a, b], true), (vec![a], false), (vec![b], false)] {
        let mut bytes = before.clone();
        for place in [a, b] {
            bytes[place.clone()].copy_from_slice(&after[place.clone()]);
        }
        for place in lost {
            bytes[place.clone()].fill(0);
        }
        let mended = tempfile::tempfile().unwrap();
        let report = repair(&file_of(&bytes), &mended, 2, &Unobserved).unwrap();
        assert!(report.is_complete());
        let told = report.mended.iter().map(|finding| &finding.message);
        assert_eq!(
            told.clone().any(|text| text.contains("may be older")),
            is_told,
            "{report:?}"
        );
        assert_eq!(opens(&bytes_of(&mended), key_file(9)), !is_told);
    }
}

/// One change at a time.
#[test]
fn a_second_change_waits_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.bakpak");
    std::fs::write(&path, archive()).unwrap();
    let open = || File::options().read(true).write(true).open(&path).unwrap();
    let first = open();
    first.lock().unwrap();
    assert!(matches!(
        add(&open(), key_file(9)),
        Err(SlotChangeError::Locked)
    ));
    drop(first);
    add(&open(), key_file(9)).unwrap();
}
