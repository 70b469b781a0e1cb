//! Who can open an archive is changed in place, and survives a stop at any write (spec: SLT-10).
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
    SlotChange, SlotChangeError, SlotChangeSettings, SlotsChanged, change_slots, opened_slots,
};
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::error::Class;
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::slots::{Argon2Params, Domain};
use std::fs::File;
use std::ops::Range;
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

fn change(
    file: &File,
    domain: Domain,
    change: SlotChange,
    key: Credential,
) -> Result<SlotsChanged, SlotChangeError> {
    let mut settings = SlotChangeSettings {
        argon2: CHEAP,
        random: Random::seeded(b"slots"),
        ..SlotChangeSettings::new(domain, change)
    };
    change_slots(file, &mut settings, &mut vec![key])
}

fn add(file: &File, new: Credential) -> Result<SlotsChanged, SlotChangeError> {
    change(file, Domain::Data, SlotChange::Add(new), key())
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

    let [old] = opened_slots(&file, Domain::Data, &[key()]).unwrap()[..] else {
        panic!("the old key opens one slot");
    };
    let removed = change(
        &file,
        Domain::Data,
        SlotChange::Remove(vec![old]),
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
    assert!(matches!(both, SlotChangeError::OpensBoth(_)), "{both}");
    let both = add(&file, key_file(9)).unwrap_err();
    assert!(matches!(both, SlotChangeError::OpensBoth(_)), "{both}");
    let mut settings = SlotChangeSettings {
        allow_both: true,
        ..SlotChangeSettings::new(Domain::Data, SlotChange::Add(key_file(9)))
    };
    change_slots(&file, &mut settings, &mut vec![key()]).unwrap();
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
    assert_eq!(
        opened_slots(&file, Domain::Data, &[key()]).unwrap(),
        [done.slots[1].id]
    );
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
        (
            SlotChange::Remove(vec![slot]),
            "nothing would open it any more",
        ),
        (
            SlotChange::Remove(vec![none]),
            "it has no key slot 01020304",
        ),
        (
            SlotChange::Replace(Vec::new()),
            "nothing would open it any more",
        ),
        (SlotChange::Add(key()), "this secret opens it already"),
        (
            SlotChange::Replace((20..60).map(key_file).collect()),
            "no room for another slot",
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

/// Stopped between any two writes, or in the middle of one: the old key opens it, the new one from some
/// moment on, for good; nothing that was sealed is touched; and the same command finishes it.
#[test]
fn a_stop_at_any_write_leaves_the_old_the_new_or_what_the_same_command_finishes() {
    let before = archive();
    let file = file_of(&before);
    add(&file, key_file(9)).unwrap();
    let after = bytes_of(&file);
    let places = places(&before, Domain::Data);
    let mut had_opened = false;
    for stopped in 0..=places.len() * 2 {
        let mut bytes = before.clone();
        for place in &places[..stopped / 2] {
            bytes[place.clone()].copy_from_slice(&after[place.clone()]);
        }
        if let (1, Some(torn)) = (stopped % 2, places.get(stopped / 2)) {
            let half = torn.start..torn.start + 200;
            bytes[half.clone()].copy_from_slice(&after[half]);
        }
        let is_open = opens(&bytes, key_file(9));
        assert!(opens(&bytes, key()), "{stopped}");
        assert!(is_open || !had_opened, "{stopped}: it opened before");
        had_opened = is_open;
        let keyless = verify_keyless(as_file(&bytes), 2, &Unobserved).unwrap();
        let is_between = stopped % 2 == 1 || (1..2).contains(&(stopped / 2));
        assert_eq!(
            !keyless.findings.is_empty(),
            is_between,
            "{stopped}: {:?}",
            keyless.findings
        );

        let file = file_of(&bytes);
        match add(&file, key_file(9)) {
            Ok(done) => assert!(!is_open && done.added.len() == 1, "{stopped}"),
            Err(SlotChangeError::OpensAlready(_)) => assert!(is_open, "{stopped}"),
            Err(error) => panic!("{stopped}: {error}"),
        }
        let finished = bytes_of(&file);
        assert_eq!(findings(&finished, key_file(9)), [], "{stopped}");
        let tables = places.iter().map(|place| &finished[place.clone()]);
        assert!(
            tables
                .clone()
                .all(|table| table == tables.clone().next().unwrap()),
            "{stopped}"
        );
    }
    assert!(had_opened);
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
