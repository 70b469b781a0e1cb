//! Where each structure of an archive lies, byte for byte: what the damage matrix walks.

use bakpak_format::block;
use bakpak_format::check_page::CheckPage;
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::error::Structure;
use bakpak_format::geometry::{CHECK_PAGE_HEADER_LEN, StripeIndex};
use bakpak_format::header::Head;
use bakpak_format::slots::Domain;
use bakpak_format::tail::{LOCATOR_LEN, Locator};
use std::ops::Range;

/// A structure of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Head,
    SlotsA(Domain),
    SlotsB(Domain),
    Envelope,
    Block(u64),
    CheckPage(u64),
    /// The n-th parity block of all.
    Parity(u64),
    /// The check page again, behind the parity.
    SecondPage(u64),
    /// Copy of the head, of a slot table, or of the envelope body.
    TailCopy,
    /// With its locator.
    TailPage,
}

/// A stretch of a structure that one rule covers.
#[derive(Clone, Debug)]
pub struct Region {
    pub name: String,
    pub site: Site,
    pub range: Range<usize>,
}

/// All structures and all regions of an archive, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Map {
    pub sites: Vec<(Site, Range<usize>)>,
    pub regions: Vec<Region>,
}

impl Site {
    /// The structures by which a finding may name it.
    pub fn structures(self) -> &'static [Structure] {
        match self {
            Self::Head => &[Structure::Head, Structure::Header],
            Self::SlotsA(_) | Self::SlotsB(_) => &[Structure::Slots],
            Self::Envelope => &[Structure::Envelope],
            Self::Block(_) => &[Structure::Block],
            Self::CheckPage(_) | Self::SecondPage(_) => &[Structure::CheckPage],
            Self::Parity(_) => &[Structure::Parity],
            Self::TailCopy | Self::TailPage => &[Structure::Tail],
        }
    }

    /// Whether two structures are of one kind, so that they can be swapped.
    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Map {
    /// Takes a whole archive apart.
    pub fn of(archive: &[u8]) -> Self {
        let head = Head::decode(&archive[..4096]).expect("the head is whole, and one page");
        let locator = Locator::decode(archive.last_chunk().expect("it is long enough"))
            .expect("the locator is whole")
            .expect("there is a locator");
        let geometry = head.geometry();
        let mut map = Self::default();
        map.head(&head);
        let mut at = head.head_len;
        let domains = [Domain::Data, Domain::Envelope];
        for domain in domains
            .into_iter()
            .take(1 + usize::from(geometry.has_envelope()))
        {
            for site in [Site::SlotsA(domain), Site::SlotsB(domain)] {
                let table = &archive[at..at + geometry.slot_area];
                map.slots(site, at, table);
                at += geometry.slot_area;
            }
        }
        if geometry.has_envelope() {
            let len = geometry.envelope_len;
            let parts = [("clear header", 32), ("ciphertext", len - 48), ("tag", 16)];
            map.site(Site::Envelope, at, &parts);
            at += len;
        }
        let block_size = geometry.block_size.bytes();
        let mut parity = 0;
        for index in 0..geometry.stripe_count(locator.block_count) {
            let stripe = geometry.stripe(locator.block_count, StripeIndex(index));
            for block in stripe.blocks() {
                let body = block_size - block::CLEAR_LEN - block::TAG_LEN;
                let parts = [
                    ("clear header", block::CLEAR_LEN),
                    ("ciphertext", body),
                    ("tag", 16),
                ];
                map.site(Site::Block(block.0), at, &parts);
                at += block_size;
            }
            let page = CheckPage::decode(
                &archive[at..at + stripe.page_len],
                &geometry,
                &head.header.archive_id,
                &head.head_digest,
                stripe.index,
            )
            .expect("the check page is whole");
            let list = 4 * (stripe.covered_len / SECTOR_LEN);
            let (hashes, crcs) = (32 * stripe.shard_count(), 4 * page.sector_crcs.len());
            let lists = CHECK_PAGE_HEADER_LEN + list + hashes + crcs;
            let copies = page.head.len() + page.envelope.len();
            let parts = [
                ("header", CHECK_PAGE_HEADER_LEN),
                ("own CRCs", list),
                ("hashes", hashes),
                ("sector CRCs", crcs),
                ("head copy", page.head.len()),
                ("envelope copy", page.envelope.len()),
                ("padding", stripe.covered_len - lists - copies),
                ("data slots copy", page.data_slots.len()),
                ("envelope slots copy", page.envelope_slots.len()),
            ];
            map.site(Site::CheckPage(index), at, &parts);
            at += stripe.page_len;
            for _ in 0..stripe.parity_count {
                map.site(Site::Parity(parity), at, &[("all", block_size)]);
                at += block_size;
                parity += 1;
            }
            if stripe.parity_count > 0 {
                map.site(Site::SecondPage(index), at, &parts);
                at += stripe.page_len;
            }
        }
        assert_eq!(at as u64, locator.tail_offset.0);
        map.site(Site::TailCopy, at, &[("of the head", head.head_len)]);
        at += head.head_len;
        map.site(
            Site::TailCopy,
            at,
            &[("of the data slots", geometry.slot_area)],
        );
        at += geometry.slot_area;
        if geometry.has_envelope() {
            map.site(
                Site::TailCopy,
                at,
                &[("of the envelope slots", geometry.slot_area)],
            );
            at += geometry.slot_area;
            map.site(
                Site::TailCopy,
                at,
                &[("of the envelope", geometry.envelope_len)],
            );
            at += geometry.envelope_len;
        }
        let page = archive.len() - at;
        assert_eq!(page, locator.tail_page_len);
        let parts = [
            ("header", 128),
            ("padding", page - 128 - LOCATOR_LEN),
            ("locator", LOCATOR_LEN),
        ];
        map.site(Site::TailPage, at, &parts);
        map
    }

    /// The structure in which a byte stands; the last one for whatever is behind.
    pub fn site_at(&self, offset: usize) -> (Site, Range<usize>) {
        let found = self.sites.iter().find(|(_, range)| range.contains(&offset));
        found.or(self.sites.last()).expect("it has sites").clone()
    }

    /// The range of a structure.
    pub fn range_of(&self, site: Site) -> Range<usize> {
        let found = self.sites.iter().find(|(found, _)| *found == site);
        found.unwrap_or_else(|| panic!("no {site:?}")).1.clone()
    }

    /// The next region of the same kind and length.
    pub fn next_like(&self, region: &Region) -> Option<&Region> {
        self.regions.iter().find(|other| {
            other.range.start > region.range.start
                && other.range.len() == region.range.len()
                && other.site.is_like(region.site)
                && part(&other.name) == part(&region.name)
        })
    }

    fn head(&mut self, head: &Head) {
        let cover = 23 + head.cover_text.len();
        let header_len = 304;
        let parts = [
            ("magic", 15),
            ("version", 8),
            ("cover text", head.cover_text.len()),
            ("cover padding", 2048 - cover),
            ("header magic", 4),
            ("header_len", 4),
            ("fields", 232),
            ("MAC", 32),
            ("digest", 32),
            ("padding", head.head_len - 2048 - header_len),
        ];
        self.site(Site::Head, 0, &parts);
    }

    fn slots(&mut self, site: Site, at: usize, table: &[u8]) {
        let slots_len = u32::from_le_bytes(table[12..16].try_into().expect("4 bytes")) as usize;
        let parts = [
            ("header", 32),
            ("slots", slots_len),
            ("unused", table.len() - 96 - slots_len),
            ("MAC", 32),
            ("digest", 32),
        ];
        self.site(site, at, &parts);
    }

    fn site(&mut self, site: Site, start: usize, parts: &[(&str, usize)]) {
        let mut at = start;
        for (part, len) in parts {
            if *len > 0 {
                self.regions.push(Region {
                    name: format!("{site:?}: {part}"),
                    site,
                    range: at..at + len,
                });
            }
            at += len;
        }
        self.sites.push((site, start..at));
    }
}

fn part(name: &str) -> &str {
    name.split_once(": ").map_or(name, |(_, part)| part)
}
