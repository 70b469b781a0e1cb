//! `medium PAGES FILE NAME`: writes a medium of SQL Server's with these pages in its data section.
//!
//! The pages are taken as they are, whole extents of them: enough for what only looks at where they
//! stand. The name goes into the medium's header.

use mssql_backup::jiff::civil::date;
use mssql_backup::read::read_headers;
use mssql_backup::testing::{Database, Media, write_media};
use mssql_backup::{EXTENT_LEN, PAGE_LEN};
use std::error::Error;
use std::fs;
use std::io::Cursor;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pages, file, name] = arguments.as_slice() else {
        return Err("usage: medium PAGES FILE NAME".into());
    };
    let pages = fs::read(pages)?;
    if pages.is_empty() || !pages.len().is_multiple_of(EXTENT_LEN) {
        return Err("these are no whole extents".into());
    }
    let count = u32::try_from(pages.len() / PAGE_LEN)?;
    let full = Database::with_pages(name, count, count).full(date(2026, 3, 1).at(2, 0, 0, 0));
    let media = Media {
        name: Some(name.clone()),
        ..Media::default()
    };
    let mut medium = write_media(&media, &[full]).swap_remove(0);
    let report = read_headers(Cursor::new(&medium))?;
    let spans = report.sets.iter().flat_map(|set| &set.data_spans);
    let span = spans.max_by_key(|span| span.end - span.start);
    let start = span.ok_or("the medium has no pages")?.start as usize;
    medium[start..start + pages.len()].copy_from_slice(&pages);
    fs::write(file, medium)?;
    Ok(())
}
