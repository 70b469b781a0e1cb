//! A database: pages of 8 KiB with rows as SQL Server lays them out, which compress about five to
//! one.

use crate::generator::Generator;
use crate::words;

/// Length of a page.
pub const PAGE_LEN: usize = 8192;

const SEED: u64 = 3;
const HEADER_LEN: usize = 96;
const PAGES_PER_EXTENT: u64 = 8;

/// A page being filled: rows from the front, their places from the back.
struct Page {
    bytes: Vec<u8>,
    places: Vec<u16>,
}

/// Database `number`, so many bytes of it, up to a whole page.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len.next_multiple_of(PAGE_LEN));
    for page in pages(number).take(len.div_ceil(PAGE_LEN)) {
        bytes.extend_from_slice(&page);
    }
    bytes.truncate(len);
    bytes
}

/// The pages of database `number`, without end: for one that is not held in memory.
pub fn pages(number: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..).map(move |page_number| page(number, page_number))
}

fn page(database: u64, number: u64) -> Vec<u8> {
    // A table's extents come in runs, as they were allocated.
    let mut table = Generator::of(&[SEED, database, number / PAGES_PER_EXTENT / 16]);
    let table = table.below(10);
    let mut generator = Generator::of(&[SEED, database, table, number]);
    let mut page = Page::new(database, table, number, &mut generator);
    // Pages are split when they are full, so they are between half and wholly filled.
    let end = HEADER_LEN + (PAGE_LEN - HEADER_LEN) * (60 + generator.below(40) as usize) / 100;
    let mut row_number = number * 60;
    loop {
        let row = match table {
            0..=3 => order(&mut generator, row_number),
            4..=7 => document(&mut generator, row_number),
            8 => index_key(&mut generator, row_number),
            // Allocated, not yet used.
            _ => break,
        };
        row_number += 1;
        if !page.push(&row, end) {
            break;
        }
    }
    page.finish()
}

impl Page {
    fn new(database: u64, table: u64, number: u64, generator: &mut Generator) -> Self {
        let mut bytes = Vec::with_capacity(PAGE_LEN);
        bytes.extend_from_slice(&[1, 1, 0, 0, 0, 0x82, 0, 0]);
        bytes.extend_from_slice(&(number as u32).to_le_bytes());
        bytes.extend_from_slice(&(100 + table as u32).to_le_bytes());
        bytes.extend_from_slice(&(database as u32).to_le_bytes());
        bytes.extend_from_slice(&(0x2_0000_0000 + number * 977).to_le_bytes());
        bytes.extend_from_slice(&(generator.number() as u32).to_le_bytes());
        bytes.resize(HEADER_LEN, 0);
        Self {
            bytes,
            places: Vec::new(),
        }
    }

    /// Adds a row, if it ends before `end` and leaves room for its place.
    fn push(&mut self, row: &[u8], end: usize) -> bool {
        let places_len = 2 * (self.places.len() + 1);
        if self.bytes.len() + row.len() > end.min(PAGE_LEN - places_len) {
            return false;
        }
        self.places.push(self.bytes.len() as u16);
        self.bytes.extend_from_slice(row);
        true
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(PAGE_LEN - 2 * self.places.len(), 0);
        for place in self.places.iter().rev() {
            self.bytes.extend_from_slice(&place.to_le_bytes());
        }
        self.bytes
    }
}

/// A row of numbers: an order.
fn order(generator: &mut Generator, number: u64) -> Vec<u8> {
    let mut row = vec![0x30, 0, 44, 0];
    let list_price = (1 + generator.skewed(200)) * 49_000;
    let quantity = 1 + generator.skewed(12);
    let minutes = 20_000_000 + number / 3;
    row.extend_from_slice(&(number as u32).to_le_bytes());
    row.extend_from_slice(&(generator.skewed(20_000) as u32).to_le_bytes());
    row.extend_from_slice(&(generator.skewed(2_000) as u32).to_le_bytes());
    row.extend_from_slice(&(quantity as u16).to_le_bytes());
    row.extend_from_slice(&list_price.to_le_bytes());
    row.extend_from_slice(&(list_price * quantity).to_le_bytes());
    row.extend_from_slice(&(minutes as u32).to_le_bytes());
    row.extend_from_slice(&(generator.below(18_000) as u32).to_le_bytes());
    row.extend_from_slice(&[9, 0, 0, 0, 1, 0]);
    let words = generator.skewed(8);
    let remark = words::sentence(generator, words);
    push_utf16(&mut row, &remark);
    row
}

/// A row of text: a document with its name and a JSON column.
fn document(generator: &mut Generator, number: u64) -> Vec<u8> {
    let mut row = vec![0x30, 0, 16, 0];
    row.extend_from_slice(&(number as u32).to_le_bytes());
    row.extend_from_slice(&generator.number().to_le_bytes());
    row.extend_from_slice(&[6, 0, 0, 3, 0]);
    push_utf16(&mut row, &format!("Deployments-{number}"));
    push_utf16(&mut row, &words::product(generator.skewed(60)));
    let words = 3 + generator.below(6);
    let json = format!(
        "{{\"Id\":\"Deployments-{number}\",\"ReleaseId\":\"Releases-{}\",\"EnvironmentId\":\
         \"Environments-{}\",\"Name\":\"{}\",\"Comments\":\"\",\"Created\":\"2026-03-{:02}T{:02}:\
         {:02}:11.000+00:00\",\"DeployedBy\":\"user{}\",\"TaskId\":\"ServerTasks-{}\",\
         \"Hash\":\"{:016x}\"}}",
        number / 3,
        generator.skewed(12),
        words::sentence(generator, words),
        1 + number % 28,
        generator.below(24),
        generator.below(60),
        generator.skewed(30),
        100_000 + number * 2,
        generator.number(),
    );
    push_utf16(&mut row, &json);
    row
}

/// A row of an index: a key and where its row is.
fn index_key(generator: &mut Generator, number: u64) -> Vec<u8> {
    let mut row = vec![0x16];
    row.extend_from_slice(&((number / 2) as u32).to_le_bytes());
    row.extend_from_slice(&(generator.below(200_000) as u32).to_le_bytes());
    row.extend_from_slice(&[1, 0]);
    row.extend_from_slice(&(generator.below(60) as u16).to_le_bytes());
    row
}

/// As nvarchar: two bytes a character.
fn push_utf16(row: &mut Vec<u8>, text: &str) {
    row.extend_from_slice(&(2 * text.len() as u16).to_le_bytes());
    row.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}
