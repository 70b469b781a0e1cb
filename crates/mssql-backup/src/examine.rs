//! Listens to the walk, collects the backup sets and checks what passes.

use std::ops::Range;

use crate::check::{Fault, Level};
use crate::decode::{MediaDescriptors, SetDescriptors};
use crate::depth::Depth;
use crate::descriptor::{BlockHeader, StreamHeader, Tag};
use crate::label::Label;
use crate::places::Places;
use crate::report::{Report, SetReport};
use crate::set_check::SetCheck;
use crate::tally::{Faults, Tallies};
use crate::walk::{Broken, End, Event, Visitor, Walk};
use crate::wire::{u16_at, u32_at, u64_at};

use log::LogPlace;
use stream::{Stream, Whole};

mod log;
mod stream;

/// Collects what a walk comes by.
pub(crate) struct Examiner {
    depth: Depth,
    is_compressed: bool,
    media: MediaDescriptors,
    label: Option<Label>,
    sets: Vec<SetReport>,
    current: Option<SetCheck>,
    /// What was checked outside of sets.
    tallies: Tallies,
    faults: Faults,
    notes: Vec<String>,
    /// Offsets in the file of the soft filemarks so far.
    filemarks: Vec<u64>,
    pub(crate) places: Places,
    /// The stream whose data comes, and what of it waits for the rest of its unit.
    stream: Stream,
    carry: Vec<u8>,
    /// What of it is not known.
    lost: Vec<Range<usize>>,
    /// Bytes of descriptors kept.
    kept: usize,
    /// Where the last set map is.
    set_map: Option<u64>,
    /// Descriptors were passed over in this set.
    has_lost_blocks: bool,
    /// The places of all filemarks so far are known.
    knows_filemarks: bool,
    /// That the bytes before data are not zero was told of this stream.
    has_told_lead: bool,
    /// Where the content of the stream starts, behind the bytes before it.
    content_start: u64,
    /// Where in the log it is.
    log_place: LogPlace,
}

impl Examiner {
    /// Bytes before the first page or log block of a stream.
    const LEAD_LEN: usize = 2;
    /// A configuration: some 12,000 database files.
    const MAX_CONFIGURATION_LEN: usize = 16 << 20;
    /// Descriptors of all sets of a medium together.
    const MAX_KEPT_LEN: usize = 64 << 20;
    const MAX_NOTES: usize = 100;
    /// About what a set takes beside its descriptors.
    const SET_COST: usize = 2048;
    /// Filemarks whose places are followed: more than fit into any table.
    const MAX_FILEMARKS: usize = 8192;

    pub(crate) fn new(depth: Depth, is_compressed: bool) -> Self {
        Self {
            depth,
            is_compressed,
            media: MediaDescriptors::default(),
            label: None,
            sets: Vec::new(),
            current: None,
            tallies: Tallies::default(),
            faults: Faults::default(),
            notes: Vec::new(),
            filemarks: Vec::new(),
            places: Places::default(),
            stream: Stream::default(),
            carry: Vec::new(),
            lost: Vec::new(),
            kept: 0,
            set_map: None,
            has_lost_blocks: false,
            knows_filemarks: true,
            has_told_lead: false,
            content_start: 0,
            log_place: LogPlace::default(),
        }
    }

    /// Ends the examination: nothing more comes.
    pub(crate) fn finish(mut self, walk: &Walk) -> Report {
        self.tallies_here().checked(Level::Tiling, 1);
        let is_closed = self.current.as_ref().is_none_or(SetCheck::is_closed);
        let message = match walk.end() {
            End::Whole if !is_closed => Some("the file ends inside a backup set".to_owned()),
            End::Whole if self.current.is_none() && self.sets.is_empty() => {
                Some("the file ends before its first backup set".to_owned())
            }
            End::Whole => None,
            End::Empty => Some("the file is empty".to_owned()),
            End::AfterBlock(tag) => Some(format!("the file ends after a block {tag}")),
            End::InBlock => Some("the file ends inside a descriptor".to_owned()),
            End::InStream { tag, missing } => Some(format!(
                "the file ends inside a stream {tag}, {missing} bytes are missing"
            )),
            End::Lost { since } => Some(format!("no descriptor follows what is broken at {since}")),
        };
        if let Some(message) = message {
            self.fault(
                Level::Tiling,
                walk.offset(),
                format!("truncated: {message}"),
            );
        }
        if let End::InStream { missing, .. } = walk.end()
            && walk.is_unsure()
        {
            self.missing(missing);
        }
        if let End::Lost { since } = walk.end()
            && let Some(set) = &mut self.current
        {
            let len = walk.offset().saturating_sub(since);
            set.passed_over(self.places.in_file(since), len);
        }
        self.end_stream(walk.offset(), Whole::No);
        self.close_set();
        if self.label.is_none() {
            self.fault(
                Level::Completeness,
                0,
                "the medium has no header".to_owned(),
            );
        }
        Report {
            len: walk.offset(),
            label: self.label,
            descriptors: self.media,
            sets: self.sets,
            levels: self.tallies.reports(),
            faults: self.faults.first,
            fault_count: self.faults.count,
            notes: self.notes,
            ..Report::default()
        }
    }

    /// Notes a fault of the level; `offset` is in the stream of descriptor blocks.
    pub(crate) fn fault(&mut self, level: Level, offset: u64, message: String) {
        let offset = self.places.in_file(offset);
        self.fault_in_file(level, offset, message);
    }

    /// The same at an offset in the file.
    pub(crate) fn fault_in_file(&mut self, level: Level, offset: u64, message: String) {
        let position = self.current.as_ref().map(SetCheck::position);
        let fault = Fault {
            level,
            offset,
            position,
            page: None,
            message,
        };
        self.tallies_here().faulty(level, 1);
        match &mut self.current {
            Some(set) => set.faults.push(fault),
            None => self.faults.push(fault),
        }
    }

    /// Notes so many things checked at a level, in the set that is open, if one is.
    pub(crate) fn checked(&mut self, level: Level, count: u64) {
        self.tallies_here().checked(level, count);
    }

    fn tallies_here(&mut self) -> &mut Tallies {
        match &mut self.current {
            Some(set) => &mut set.tallies,
            None => &mut self.tallies,
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < Self::MAX_NOTES {
            self.notes.push(note);
        }
    }

    /// Checks a number that a descriptor holds of itself.
    fn address(&mut self, offset: u64, what: &str, found: u64, expected: u64) {
        self.checked(Level::Addresses, 1);
        if found != expected {
            let message = format!("{what} is {found}, and should be {expected}");
            self.fault(Level::Addresses, offset, message);
        }
    }

    fn block(&mut self, offset: u64, header: BlockHeader, bytes: &[u8]) {
        if header.tag == Tag::SSET {
            self.close_set();
            self.open_set(offset, bytes);
        }
        self.checked(Level::Descriptors, 1);
        match header.tag {
            Tag::TAPE => {
                self.media.tape = bytes.to_vec();
                self.label = Some(Label::decode(&self.media, self.is_compressed));
            }
            Tag::SFMB => self.filemark(offset, bytes),
            Tag::ESET => self.end_of_set(offset, bytes),
            Tag::SSET => {
                let own = u64_at(bytes, 0x50).unwrap_or_default();
                self.address(offset, "the address of the set", own, offset);
            }
            Tag::VOLB | Tag::MSCI | Tag::MSDA | Tag::MSTL | Tag::MSLS => {}
            other => self.note(format!("a block '{other}' at {offset} is passed over")),
        }
        if !matches!(header.tag, Tag::TAPE | Tag::SFMB | Tag::ESET | Tag::SSET) {
            self.block_in_set(offset, header, bytes);
        }
    }

    fn block_in_set(&mut self, offset: u64, header: BlockHeader, bytes: &[u8]) {
        const ADDRESS_UNIT: u64 = 1024;
        // Its first descriptor is lost: the rest of the set is still looked at.
        if self.current.is_none() && matches!(header.tag, Tag::VOLB | Tag::MSCI) {
            let back = header.logical_address.saturating_mul(ADDRESS_UNIT);
            self.open_set(offset.saturating_sub(back), &[]);
        }
        let Some(set) = &mut self.current else {
            let message = format!("a block '{}' stands outside of a backup set", header.tag);
            self.fault(Level::Addresses, offset, message);
            return;
        };
        set.block(header.tag);
        if header.tag == Tag::MSTL
            && let (Some(number), Some(len)) = (u32_at(bytes, 0x5C), u64_at(bytes, 0x60))
        {
            set.virtual_log_file(number, len);
        }
        if header.tag == Tag::VOLB {
            set.descriptors.volume = bytes.to_vec();
            self.kept += bytes.len();
        }
        let expected = (offset - set.descriptors.offset) / ADDRESS_UNIT;
        self.address(
            offset,
            "the logical address",
            header.logical_address,
            expected,
        );
        let expected = self.current.as_ref().map_or(0, SetCheck::last_block_id);
        let id = u64::from(header.control_block_id);
        // What was passed over had numbers too.
        if !self.has_lost_blocks {
            self.address(offset, "the number of the block", id, expected);
        }
    }

    fn open_set(&mut self, offset: u64, bytes: &[u8]) {
        let descriptors = SetDescriptors {
            offset,
            start: bytes.to_vec(),
            ..SetDescriptors::default()
        };
        let families = self
            .label
            .as_ref()
            .map_or(1, |label| label.family_count.max(1));
        self.kept += bytes.len() + Self::SET_COST;
        self.has_lost_blocks = false;
        let file_offset = self.places.in_file(offset);
        let set = SetCheck::new(descriptors, file_offset, families, self.depth);
        self.current = Some(set);
    }

    fn close_set(&mut self) {
        let Some(set) = self.current.take() else {
            return;
        };
        let (report, faults) = set.finish(self.is_compressed);
        self.faults.append(faults);
        self.kept += report.lost.memory_len();
        if self.kept <= Self::MAX_KEPT_LEN {
            self.sets.push(report);
        } else {
            let offset = report.descriptors.offset;
            let message = "limit: its descriptors are not kept, there are too many".to_owned();
            self.fault(Level::Completeness, offset, message);
        }
    }

    fn filemark(&mut self, offset: u64, bytes: &[u8]) {
        // SQL Server 2008 and later say where the table is; 2005 starts it in that place.
        const TABLE: usize = 0x48;
        const TABLE_2005: usize = 0x3C;
        let says = u32_at(bytes, TABLE_2005).map(|start| start as usize);
        let table = if says == Some(TABLE) {
            TABLE
        } else {
            TABLE_2005
        };
        let used = usize::try_from(u32_at(bytes, 0x38).unwrap_or_default()).unwrap_or(usize::MAX);
        let capacity = bytes.len().saturating_sub(table) / 8;
        let earlier = self.filemarks.len();
        // How a full table goes on is not known; nor are places behind what was lost.
        if self.knows_filemarks && earlier <= capacity {
            self.address(
                offset,
                "the number of earlier filemarks",
                used as u64,
                earlier as u64,
            );
            for index in 0..used.min(earlier) {
                let stored = u64_at(bytes, table + 8 * index).unwrap_or_default();
                let place = self.filemarks[earlier - 1 - index];
                self.address(offset, "the place of an earlier filemark", stored, place);
            }
        }
        if earlier <= Self::MAX_FILEMARKS {
            self.filemarks.push(self.places.in_file(offset));
        }
        if let Some(set) = &mut self.current {
            set.filemark();
            if set.is_closed() {
                self.close_set();
            }
        }
    }

    fn end_of_set(&mut self, offset: u64, bytes: &[u8]) {
        let Some(set) = &mut self.current else {
            let message = "an end of set without its start".to_owned();
            self.fault(Level::Addresses, offset, message);
            return;
        };
        let first = set.end_of_set(offset);
        let position = u64::from(set.position());
        let number = u64::from(u16_at(bytes, 0x4E).unwrap_or_default());
        self.address(offset, "the number of the set", number, position);
        // The block that holds the set map; SQL Server 2005 names the stream in it, a compressed
        // medium its place in the file.
        let map = u64_at(bytes, 0x3C).unwrap_or_default();
        let in_file = first.map(|first| self.places.in_file(first));
        let streams = [first, in_file, self.set_map.filter(|_| first.is_some())];
        let expected = streams.into_iter().flatten().find(|place| *place == map);
        let expected = expected.or(first).unwrap_or(0);
        self.address(offset, "the address of the set map", map, expected);
    }

    /// Checks what the family says of itself: a wrong count would make stripes of a single file.
    fn check_family(&mut self, offset: u64, label: &Label) {
        const MARK: u64 = 0xF000_00AD;
        let mark = u64::from(u32_at(&self.media.family, 0x10).unwrap_or_default());
        self.address(offset, "the mark of the family", mark, MARK);
        let (number, count) = (label.family_sequence_number, label.family_count);
        self.checked(Level::Addresses, 1);
        if !(1..=count).contains(&number) {
            let message = format!("the family is number {number} of {count}");
            self.fault(Level::Addresses, offset, message);
        }
    }

    fn broken(&mut self, offset: u64, broken: Broken) {
        let message = match broken {
            Broken::Block(tag, why) => format!("no descriptor block ('{tag}' stands here): {why}"),
            Broken::Stream(tag, why) => format!("no stream header ('{tag}' stands here): {why}"),
            Broken::TooLong(tag, len) => format!("stream '{tag}' says that it is {len} bytes long"),
            Broken::Hole => "a descriptor is not readable".to_owned(),
        };
        self.end_stream(offset, Whole::No);
        self.has_lost_blocks = true;
        self.knows_filemarks = false;
        if let Some(set) = &mut self.current {
            set.lose_sum();
        }
        self.checked(Level::Descriptors, 1);
        self.fault(Level::Descriptors, offset, message);
    }
}

impl Visitor for Examiner {
    fn event(&mut self, offset: u64, event: Event<'_>) {
        match event {
            Event::Block { header, bytes } => self.block(offset, header, bytes),
            Event::Stream(stream) => self.begin_stream(offset, &stream),
            Event::Data(bytes) => self.data(offset, bytes),
            Event::Hole(len) => self.hole(offset, len),
            Event::Gap(at_most) => self.gap(offset, at_most),
            Event::Missing(len) => self.missing(len),
            Event::StreamEnd => self.end_stream(offset, Whole::Yes),
            Event::Broken(broken) => self.broken(offset, broken),
            Event::Found { lost } => {
                let message = format!("{lost} bytes were passed over to the next descriptor");
                self.fault(Level::Tiling, offset, message);
                let place = self.places.in_file(offset);
                if let Some(set) = &mut self.current {
                    set.passed_over(place, lost);
                }
            }
        }
    }

    fn wants(&self, _: &StreamHeader) -> bool {
        self.stream != Stream::Unseen
    }
}
