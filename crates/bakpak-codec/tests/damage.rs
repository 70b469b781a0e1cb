//! The damage matrix: each structure, damaged in each way, read by each command.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "support/support.rs"]
mod support;

use bakpak_codec::archive::Archive;
use bakpak_codec::error::{ErrorClass, Finding, ReadError};
use bakpak_codec::inspect::inspect;
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::random::Random;
use bakpak_codec::verify::{VerifyLevel, verify, verify_keyless};
use bakpak_format::entry::{EntryKind, Extent};
use bakpak_format::error::{Class, Structure};
use bakpak_format::geometry::{BlockSize, ParityGeometry};
use bakpak_format::slots::Domain;
use bakpak_format::tail::LOCATOR_LEN;
use bytes::Bytes;
use std::ops::Range;
use support::commands::{COMMANDS, Command, Outcome, Truth, Verb};
use support::forge::Parts;
use support::regions::{Map, Region, Site};
use support::*;

/// An archive, another one of the same shape, and what the first holds.
struct Case {
    archive: Vec<u8>,
    other: Vec<u8>,
    map: Map,
    truth: Truth,
}

/// What happens to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    FlipFirst,
    FlipMiddle,
    FlipLast,
    Zero,
    /// The file ends in its middle.
    Cut,
    /// It changes places with the next of its kind.
    Swap,
    /// It stands there twice.
    Repeat,
    /// Other bytes stand before it.
    Insert,
    /// It is not there.
    Drop,
    /// It is that of another archive with the same key.
    Splice,
}

const DAMAGES: [Damage; 10] = [
    Damage::FlipFirst,
    Damage::FlipMiddle,
    Damage::FlipLast,
    Damage::Zero,
    Damage::Cut,
    Damage::Swap,
    Damage::Repeat,
    Damage::Insert,
    Damage::Drop,
    Damage::Splice,
];

/// What must become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It tells of the damage.
    Fault,
    /// It does not need what is damaged.
    Success,
    /// Either, but the truth in any case.
    Either,
}

impl Case {
    /// Some of everything, in so many bytes that compress badly.
    fn new(filler: usize) -> Self {
        Self::with_parity(filler, ParityGeometry::NONE)
    }

    fn with_parity(filler: usize, parity: ParityGeometry) -> Self {
        Self::with_blocks(filler, parity, None)
    }

    fn with_blocks(filler: usize, parity: ParityGeometry, blocks: Option<BlockSize>) -> Self {
        let sources = |seed: &str| {
            let mut hole = vec![0; 30_000];
            hole[8192..12_288].copy_from_slice(&noise(&format!("{seed} hole"), 4096));
            let mut linked = file("home/octopus/first", noise(&format!("{seed} linked"), 700));
            linked.entry.linked = true;
            let target = linked.entry.path.clone();
            vec![
                file("sql/orders.bak", noise(&format!("{seed} orders"), 5000)),
                file("sql/people.bak", noise(&format!("{seed} people"), filler)),
                bare("home/octopus", EntryKind::Directory),
                file("home/octopus/empty", ""),
                linked,
                bare("home/octopus/second", EntryKind::HardLink { target }),
                sparse(
                    "home/octopus/sparse",
                    hole,
                    vec![Extent {
                        offset: 8192,
                        len: 4096,
                    }],
                ),
                bare(
                    "home/octopus/way",
                    EntryKind::Symlink {
                        target: b"first".to_vec(),
                    },
                ),
                file("attachments/readme.txt", log(seed.len(), 300)),
            ]
        };
        let items = vec![item(
            1,
            "master key",
            b"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=",
        )];
        let pack_with = |seed: &str| {
            let settings = PackSettings {
                random: Random::seeded(seed.as_bytes()),
                envelope: envelope(items.clone()),
                parity,
                block_size: blocks,
                cover_text: "Orders of the night.\nRing 555-0100.\n".into(),
                ..settings()
            };
            try_pack(sources(seed), settings).unwrap().0
        };
        let archive = pack_with("the one");
        let other = pack_with("another");
        assert_eq!(archive.len(), other.len(), "both have the same shape");
        let entries = sources("the one");
        let truth = Truth {
            items,
            ..Truth::new(&archive, entries.iter().map(MemorySource::truth))
        };
        Self {
            map: Map::of(&archive),
            archive,
            other,
            truth,
        }
    }

    /// The archive with a region damaged; nothing where that changes no byte.
    fn damaged(&self, region: &Region, damage: Damage) -> Option<Vec<u8>> {
        let mut bytes = self.archive.clone();
        let range = region.range.clone();
        match damage {
            Damage::FlipFirst => bytes[range.start] ^= 1,
            Damage::FlipMiddle => bytes[range.start + range.len() / 2] ^= 0x10,
            Damage::FlipLast => bytes[range.end - 1] ^= 0x80,
            Damage::Zero => bytes[range].fill(0),
            Damage::Cut => bytes.truncate(range.start + range.len() / 2),
            Damage::Swap => {
                let next = self.map.next_like(region)?.range.clone();
                let (front, back) = bytes.split_at_mut(next.start);
                front[range].swap_with_slice(&mut back[..next.len()]);
            }
            Damage::Repeat => {
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Damage::Insert => {
                let other = noise("other", range.len());
                bytes.splice(range.start..range.start, other);
            }
            Damage::Drop => drop(bytes.drain(range)),
            Damage::Splice => bytes[range.clone()].copy_from_slice(&self.other[range]),
        }
        (bytes != self.archive).then_some(bytes)
    }

    /// Runs all commands over an archive with this damage; gives what is not as it must be.
    fn check(&self, bytes: &[u8], what: &str) -> Vec<String> {
        let bytes = &Bytes::copy_from_slice(bytes);
        let file = file_of(bytes);
        let mut complaints = Vec::new();
        for command in COMMANDS {
            let outcome = command.run(&file, bytes, &self.truth, what);
            if let Err(complaint) = self.judge(command, bytes, &outcome) {
                complaints.push(format!(
                    "{complaint}: {command:?}, {what}: {}",
                    outcome.in_short()
                ));
            }
        }
        complaints
    }

    fn judge(&self, command: Command, bytes: &[u8], outcome: &Outcome) -> Result<(), String> {
        if let Some(lie) = &outcome.lie {
            return Err(format!("untrue ({lie})"));
        }
        match self.expected(command, bytes) {
            Expected::Fault if outcome.is_clean() => return Err("unnoticed".into()),
            Expected::Success if !outcome.is_clean() => return Err("needless".into()),
            _ => {}
        }
        let is_judged_by_what_comes_out = matches!(command.verb(), Verb::Repair | Verb::Salvage);
        match outcome.is_clean() {
            false if is_judged_by_what_comes_out => Ok(()),
            true if !outcome.complete => Err("not all came out".into()),
            true => Ok(()),
            false => self.judge_fault(command, bytes, outcome),
        }
    }

    /// What must become of a command, from which structures are not what they were.
    fn expected(&self, command: Command, bytes: &[u8]) -> Expected {
        if command.is_verify() {
            return Expected::Fault;
        }
        let intact =
            |range: &Range<usize>| bytes.get(range.clone()) == Some(&self.archive[range.clone()]);
        let regions = self.map.regions.iter();
        let changed: Vec<&Region> = regions.filter(|region| !intact(&region.range)).collect();
        let has = |wanted: fn(&Site) -> bool| changed.iter().any(|region| wanted(&region.site));
        let has_both = |domain| {
            let a = changed
                .iter()
                .any(|region| region.site == Site::SlotsA(domain));
            a && changed
                .iter()
                .any(|region| region.site == Site::SlotsB(domain))
        };
        let head = has(|s| matches!(s, Site::Head)) || has_both(Domain::Data);
        let blocks = has(|s| matches!(s, Site::Block(_)));
        // What the root covers of a check page; the copies of slot tables are not.
        let is_changed = |is_page: fn(&Site) -> bool| {
            let mut regions = changed.iter().filter(|region| is_page(&region.site));
            regions.any(|region| !region.name.ends_with("slots copy"))
        };
        // Then there may be two heads, each of them whole.
        let is_spliced = head || tail_changed(&changed);
        let has_parity = (self.map.sites.iter()).any(|(site, _)| matches!(site, Site::Parity(_)));
        // With parity there are two of them, and one is enough.
        let page = is_changed(|site| matches!(site, Site::CheckPage(_)))
            && (!has_parity || is_changed(|site| matches!(site, Site::SecondPage(_))));
        let envelope = has(|s| matches!(s, Site::Envelope));
        let resized = bytes.len() != self.archive.len();
        let tail = has(|s| matches!(s, Site::TailCopy | Site::TailPage));
        // A file has a copy of the head in its tail (spec: RDR-7), which may be damaged too.
        let has_copy = !matches!(command, Command::Stream(_)) && !resized;
        let (head, maybe_head) = match (has_copy, tail) {
            (true, true) => (false, head),
            (true, false) => (false, false),
            (false, _) => (head, false),
        };
        let (needed, welcome) = match command.verb() {
            // Everything but blocks has copies, and with parity a block is mended; only where the
            // file is shorter or longer, or goes on as another one, more may be lost.
            Verb::Repair if !has_parity => (blocks && !resized, resized || page || is_spliced),
            Verb::Salvage if !has_parity => (blocks && !resized, resized || is_spliced),
            Verb::Repair | Verb::Salvage => (false, resized || is_spliced),
            // Copies that nobody needs, and one of the two places in which the root stands.
            Verb::Unpack | Verb::Tar => (
                head || blocks || page || resized,
                envelope
                    || maybe_head
                    || has_both(Domain::Envelope)
                    || has(|s| matches!(s, Site::TailCopy | Site::TailPage))
                    || has(|s| matches!(s, Site::CheckPage(_) | Site::SecondPage(_))),
            ),
            // What the locator says can be found out without it (spec: TAL-2); where the pages
            // are damaged too, perhaps not.
            Verb::Archive => (
                head || blocks,
                resized || page || maybe_head || has_both(Domain::Envelope),
            ),
            // Either front or tail is enough. If the head cannot be read, it may be the tail of
            // another archive; and where something is missing, the tail may be found all the same.
            _ => {
                let slots = has_both(Domain::Envelope) || has_both(Domain::Data);
                let in_head = has(|s| matches!(s, Site::Head));
                let front = in_head || slots || envelope;
                let lost = self.archive.starts_with(bytes) || (tail && !in_head && !resized);
                (front && lost, front)
            }
        };
        match (needed, welcome) {
            (true, _) => Expected::Fault,
            (false, true) => Expected::Either,
            // One table of each pair is enough (spec: SLT-1).
            (false, false) => Expected::Success,
        }
    }

    /// Class and place of what was noticed.
    fn judge_fault(&self, command: Command, bytes: &[u8], outcome: &Outcome) -> Result<(), String> {
        let first = self.first_change(bytes);
        let (site, range) = self.map.site_at(first);
        let cut = self.archive.starts_with(bytes);
        let by_seeking = matches!(command.verb(), Verb::Archive | Verb::Envelope);
        let end = |bytes: &[u8]| bytes.last_chunk::<LOCATOR_LEN>().copied();
        let has_end = end(bytes) == end(&self.archive);
        for class in outcome.classes() {
            let right = match class {
                // Who seeks does not know how much there was.
                ErrorClass::Damaged => !cut || by_seeking,
                // If the end is there, what is missing is in the middle (spec: FIL-1); from a
                // pipe that cannot be told.
                // Where bytes are missing, a large block may reach beyond the end.
                ErrorClass::Truncated => {
                    let is_shorter = bytes.len() < self.archive.len();
                    !has_end || matches!(command, Command::Stream(_)) || by_seeking && is_shorter
                }
                // Magic, version and header_len come before the digest (chapter 2, end).
                ErrorClass::Unsupported => site == Site::Head && first < 2056,
                _ => false,
            };
            if !right {
                return Err(format!("{class:?} is the wrong class"));
            }
        }
        let offsets: Option<Vec<u64>> = outcome.findings.iter().map(|f| f.offset).collect();
        let Some(earliest) = offsets.ok_or("where?")?.into_iter().min() else {
            return Err("another error than a fault".into());
        };
        let expected = range.start as u64;
        if cut && !by_seeking {
            let places = [expected, bytes.len() as u64];
            return if places.contains(&earliest) {
                Ok(())
            } else {
                Err(format!("expected at {places:?}"))
            };
        }
        // Commands that stop at the first fault that hits them may pass over others.
        if !command.is_verify() {
            return if by_seeking || earliest >= expected {
                Ok(())
            } else {
                Err(format!("expected at or behind {expected}"))
            };
        }
        if bytes.len() != self.archive.len() && earliest >= expected {
            // Where all that follows is moved, only what follows may show it.
            return Ok(());
        }
        let is_page = matches!(site, Site::CheckPage(_)) && first < range.start + 4;
        if is_page && matches!(command, Command::Stream(_)) && earliest > expected {
            // From a pipe it is read as a block, which may be longer than all that follows.
            return Ok(());
        }
        if earliest != expected {
            return Err(format!("expected at {expected}"));
        }
        let mut structures = site.structures().to_vec();
        if matches!(site, Site::CheckPage(_)) && first < range.start + 4 {
            // From a pipe only its magic tells a check page from a block.
            structures.push(Structure::Block);
        }
        let is_right = |finding: &&Finding| {
            let block = matches!(site, Site::Block(index) if finding.block == Some(index));
            finding.offset == Some(expected)
                && structures.contains(&finding.structure)
                && (block || !matches!(site, Site::Block(_)))
        };
        match outcome.findings.iter().find(is_right) {
            Some(_) => Ok(()),
            None => Err(format!("{site:?} is not named")),
        }
    }

    fn first_change(&self, bytes: &[u8]) -> usize {
        let mut pairs = bytes.iter().zip(&self.archive);
        let same = pairs.position(|(a, b)| a != b);
        same.unwrap_or(bytes.len().min(self.archive.len()))
    }

    /// Every damage of every region that `choose` takes.
    fn walk(&self, choose: impl Fn(&Region) -> bool) {
        let mut done = 0;
        let mut without_effect = Vec::new();
        let mut complaints = Vec::new();
        for region in self.map.regions.iter().filter(|region| choose(region)) {
            for damage in DAMAGES {
                let what = format!("{damage:?} of {}", region.name);
                match self.damaged(region, damage) {
                    Some(bytes) => {
                        complaints.extend(self.check(&bytes, &what));
                        done += 1;
                    }
                    None => without_effect.push(what),
                }
            }
        }
        println!("{done} damages; without effect: {without_effect:?}");
        assert!(done > 0, "nothing was damaged");
        no_complaints(complaints);
    }
}

fn tail_changed(changed: &[&Region]) -> bool {
    let is_tail = |region: &&&Region| matches!(region.site, Site::TailCopy | Site::TailPage);
    changed.iter().any(|region| is_tail(&region))
}

fn no_complaints(mut complaints: Vec<String>) {
    let count = complaints.len();
    complaints.truncate(20);
    assert!(count == 0, "{count} complaints:\n{}", complaints.join("\n"));
}

#[test]
fn whole_archives_are_read_by_every_command() {
    let with_parity = Case::with_parity(60_000, ParityGeometry::TWELVE);
    for case in [Case::new(9000), Case::new(60_000), with_parity] {
        let bytes = &Bytes::copy_from_slice(&case.archive);
        let file = file_of(bytes);
        for command in COMMANDS {
            let outcome = command.run(&file, bytes, &case.truth, "nothing");
            assert!(
                outcome.is_clean() && outcome.complete,
                "{command:?}: {outcome:?}"
            );
            assert_eq!(outcome.lie, None, "{command:?}");
        }
    }
}

#[test]
fn damage_of_the_head_and_its_slots_is_noticed() {
    Case::new(9000).walk(|r| matches!(r.site, Site::Head | Site::SlotsA(_) | Site::SlotsB(_)));
}

#[test]
fn damage_of_the_envelope_and_of_blocks_is_noticed() {
    Case::new(9000).walk(|r| matches!(r.site, Site::Envelope | Site::Block(_)));
}

#[test]
fn damage_of_check_page_and_tail_is_noticed() {
    Case::new(9000)
        .walk(|r| matches!(r.site, Site::CheckPage(_) | Site::TailCopy | Site::TailPage));
}

#[test]
fn damage_of_a_check_page_that_carries_the_head_is_noticed() {
    // 16 blocks of 4 KiB are the fewest, so this one is above 64 KiB.
    Case::new(60_000).walk(|r| matches!(r.site, Site::CheckPage(_) | Site::Block(0 | 1)));
}

#[test]
fn damage_of_a_stripe_with_parity_is_noticed() {
    for (filler, parity) in [
        (9000, ParityGeometry::THREE),
        (60_000, ParityGeometry::TWELVE),
    ] {
        Case::with_parity(filler, parity).walk(|r| {
            matches!(
                r.site,
                Site::CheckPage(_) | Site::Parity(_) | Site::SecondPage(_) | Site::Block(1)
            )
        });
    }
}

#[test]
fn damage_of_larger_blocks_is_noticed() {
    let size = Some(BlockSize::SIXTY_FOUR_KIB);
    Case::with_blocks(150_000, ParityGeometry::NONE, size).walk(|_| true);
}

#[test]
fn damage_of_larger_blocks_with_parity_is_noticed() {
    let size = Some(BlockSize::SIXTY_FOUR_KIB);
    Case::with_blocks(150_000, ParityGeometry::THREE, size).walk(|_| true);
}

#[test]
fn damage_of_any_part_of_an_archive_with_parity_is_noticed() {
    Case::with_parity(9000, ParityGeometry::THREE).walk(|_| true);
}

#[test]
fn an_archive_that_goes_on_as_another_one_is_noticed() {
    let case = Case::new(9000);
    let mut complaints = Vec::new();
    for region in &case.map.regions[1..] {
        let at = region.range.start;
        let bytes = [&case.archive[..at], &case.other[at..]].concat();
        if bytes != case.archive && bytes != case.other {
            let what = format!("another from {}", region.name);
            // What is noticed first need not lie where the other archive begins.
            let of_place = |complaint: &String| complaint.starts_with("expected at");
            // A file of which not even the whole head is the one is the other with a damaged head,
            // which its tail mends (spec: RDR-7): so what comes out is the other's.
            let is_other = |complaint: &String| {
                region.site == Site::Head
                    && complaint.starts_with("untrue")
                    && complaint.contains("File(")
            };
            let found = case.check(&bytes, &what).into_iter();
            complaints.extend(found.filter(|it| !of_place(it) && !is_other(it)));
        }
    }
    no_complaints(complaints);
}

/// What stands in for the head is told, and no other damage is hidden (spec: RDR-7).
#[test]
fn a_damaged_head_of_a_file_is_mended_by_its_tail() {
    let case = Case::new(9000);
    let slots_b = case.map.range_of(Site::SlotsB(Domain::Data)).start;
    let block = case.map.range_of(Site::Block(0)).start;
    // Magic, version, cover text, header_len, archive id, digest.
    for at in [3, 12, 17, 200, 1500, 2052, 2055, 2060, 2048 + 280] {
        let mut bytes = case.archive.clone();
        bytes[at] ^= 0x20;
        let info = inspect(&file_of(&bytes)).unwrap();
        let told: Vec<_> = info.copy_used_for.iter().map(|f| f.class).collect();
        assert_eq!(told, [Class::Damaged], "{at}");
        let mut opened = Archive::open(&file_of(&bytes), &mut vec![key()]).unwrap();
        assert_eq!(opened.head().copy_used_for, info.copy_used_for, "{at}");
        assert!(opened.rows().all(|row| row.is_ok()), "{at}");
        let piped = verify_keyless(as_stream(&bytes), 1, &Unobserved).unwrap();
        assert_eq!((piped.blocks, piped.findings.len()), (0, 1), "{at}");

        bytes[slots_b + 77] ^= 1;
        bytes[block + 1000] ^= 1;
        let keys = &mut vec![key()];
        let report = verify(as_file(&bytes), keys, VerifyLevel::Full, 1, &Unobserved).unwrap();
        let places = report.findings.iter().map(|f| (f.structure, f.offset));
        let [(_, head), slots, block_found] = places.collect::<Vec<_>>()[..] else {
            panic!("{at}: {:?}", report.findings);
        };
        assert_eq!(head, Some(0), "{at}");
        assert_eq!(slots, (Structure::Slots, Some(slots_b as u64)), "{at}");
        assert_eq!(block_found, (Structure::Block, Some(block as u64)), "{at}");
        assert!(report.root.is_some() && report.blocks > 0, "{at}");
    }
}

/// The copy has to authenticate like the original (spec: RDR-7, KEY-3).
#[test]
fn a_copy_of_the_head_that_was_made_up_does_not_open() {
    let case = Case::new(9000);
    let mut parts = Parts::of(&case.archive).unwrap();
    let chunk_size = 2048 + 56;
    parts.change_head(chunk_size, &8192_u32.to_le_bytes());
    let mut bytes = parts.assemble();
    bytes[3] ^= 1;
    let error = Archive::open(&file_of(&bytes), &mut vec![key()])
        .err()
        .unwrap();
    let ReadError::Fault(finding) = error else {
        panic!("{error}");
    };
    let place = (finding.class, finding.structure);
    assert_eq!(place, (Class::NotAuthentic, Structure::Header), "{finding}");
}

#[test]
fn findings_do_not_depend_on_the_number_of_threads() {
    let case = Case::new(60_000);
    for region in case.map.regions.iter().step_by(7) {
        let Some(bytes) = case.damaged(region, Damage::FlipMiddle) else {
            continue;
        };
        let report = |threads| {
            let level = VerifyLevel::Full;
            verify(
                as_file(&bytes),
                &mut vec![key()],
                level,
                threads,
                &Unobserved,
            )
            .unwrap()
            .findings
        };
        let one = report(1);
        assert_eq!(report(2), one, "{}", region.name);
        assert_eq!(report(5), one, "{}", region.name);
    }
}
