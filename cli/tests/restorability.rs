//! What cannot be restored is refused before it is packed, marked if it shows while packing, and
//! told by `verify`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use std::io::{Cursor, Write};

use jiff::civil::{DateTime, date};
use mssql_backup::testing::container::{ContainerWriter, wrap};
use mssql_backup::testing::{Database, Media, Product, Set, write_media};

#[allow(dead_code, reason = "each test uses a part of it")]
#[path = "support/sandbox.rs"]
mod sandbox;

use sandbox::{Run, Sandbox};

const PAGE_LEN: usize = 8192;

fn at(minute: i8) -> DateTime {
    date(2026, 3, 1).at(12, minute, 0, 0)
}

/// A full backup and two logs, each with a commit.
fn chain() -> [Set; 3] {
    let mut database = Database::with_pages("Orders", 64, 40);
    database.commit(at(1));
    let full = database.full(at(5));
    database.commit(at(6));
    let first = database.log(at(10));
    database.commit(at(11));
    [full, first, database.log(at(15))]
}

fn one_file(set: &Set) -> Vec<u8> {
    write_media(&Media::default(), std::slice::from_ref(set)).remove(0)
}

/// The chain as three files below `backups`.
fn with_chain() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, set) in ["full.bak", "one.trn", "two.trn"].iter().zip(&chain()) {
        sandbox.write(&format!("backups/{name}"), one_file(set));
    }
    sandbox
}

fn pack(sandbox: &Sandbox, more: &str) -> Run {
    sandbox.typed(&format!(
        "pack -o a.bakpak --sql backups --key-file data.key {more}"
    ))
}

fn verify(sandbox: &Sandbox, more: &str) -> Run {
    sandbox.typed(&format!("verify a.bakpak --key-file data.key {more}"))
}

/// The JSON line of a type.
fn line(run: &Run, wanted: &str) -> serde_json::Value {
    run.events(wanted).remove(0)
}

fn codes(event: &serde_json::Value) -> Vec<String> {
    let of = |findings: &serde_json::Value| -> Vec<String> {
        let findings = findings.as_array().unwrap().iter();
        findings
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let databases = event["databases"].as_array().unwrap().iter();
    let mut codes = of(&event["findings"]);
    codes.extend(databases.flat_map(|database| of(&database["findings"])));
    codes
}

#[test]
fn a_whole_chain_is_restorable_at_every_level_and_from_a_pipe() {
    let sandbox = with_chain();
    let packed = pack(&sandbox, "--json").succeeds();
    assert_eq!(line(&packed, "restorability")["answer"], "restorable");
    for more in ["", "--level media"] {
        let verified = verify(&sandbox, more).succeeds();
        let text = verified.text();
        assert!(text.contains("whole and RESTORABLE"), "{text}");
        assert!(
            text.contains("RESTORABLE 'Orders': 2026-03-01 12:05:00"),
            "{text}"
        );
        assert!(text.contains("to 2026-03-01 12:15:00"), "{text}");
        let event = line(
            &verify(&sandbox, &format!("{more} --json")),
            "restorability",
        );
        assert_eq!(event["databases"][0]["standing"], "restorable");
    }
    let archive = sandbox.read("a.bakpak");
    let piped = sandbox
        .typed_with_input("verify - --key-file data.key", &archive)
        .succeeds();
    assert!(
        piped.text().contains("RESTORABLE 'Orders'"),
        "{}",
        piped.text()
    );
    let keyless = sandbox.typed("verify --keyless a.bakpak").succeeds();
    assert!(
        keyless.text().contains("not whether it is restorable"),
        "{}",
        keyless.text()
    );
    let blocks = verify(&sandbox, "--level blocks").succeeds();
    assert!(!blocks.text().contains("RESTORABLE"), "{}", blocks.text());
}

#[test]
fn a_file_with_more_sets_than_an_archive_notes_is_told_and_read_again() {
    const LOGS: usize = 400;
    let mut database = Database::with_pages("Orders", 64, 40);
    let mut sets = vec![database.full(at(5))];
    sets.extend((0..LOGS).map(|_| database.log(at(10))));
    let sandbox = Sandbox::new();
    sandbox.write(
        "backups/all.bak",
        write_media(&Media::default(), &sets).remove(0),
    );
    let packed = pack(&sandbox, "--block-size 4KiB").succeeds();
    assert!(packed.err.contains("facts left out"), "{}", packed.err);

    let verified = verify(&sandbox, "--json").succeeds();
    let event = line(&verified, "restorability");
    assert_eq!(event["answer"], "unknown");
    assert!(codes(&event).contains(&"BP175".to_owned()));
    let told = format!("it holds {} backup sets", LOGS + 1);
    for command in ["plan a.bakpak", "inspect a.bakpak"] {
        let run = sandbox.typed(&format!("{command} --key-file data.key"));
        let all = run.text() + &run.err;
        assert!(all.contains(&told), "{command}: {all}");
    }
    let again = verify(&sandbox, "--level media --json").succeeds();
    assert_eq!(line(&again, "restorability")["answer"], "restorable");
}

#[test]
fn a_gap_is_refused_before_anything_is_written_unless_accepted() {
    let sandbox = with_chain();
    std::fs::remove_file(sandbox.path("backups/one.trn")).unwrap();
    pack(&sandbox, "").exits(23).says("BP121 log chain gap");
    assert!(!sandbox.path("a.bakpak").exists());
    let json = pack(&sandbox, "--json").exits(23);
    assert!(codes(&line(&json, "restorability")).contains(&"BP121".to_owned()));

    pack(&sandbox, "--allow-incomplete").succeeds();
    for more in ["", "--level media"] {
        let verified = verify(&sandbox, more).exits(23);
        assert!(
            verified.text().contains("INTACT BUT NOT RESTORABLE"),
            "{}",
            verified.text()
        );
        let verified = verified.says("BP121");
        // What is before the gap still is.
        assert!(
            verified.text().contains("RESTORABLE IN PART 'Orders'"),
            "{}",
            verified.text()
        );
    }
}

#[test]
fn a_stripe_that_stayed_behind_is_refused_by_name() {
    let sandbox = Sandbox::new();
    let media = Media {
        families: 2,
        ..Media::default()
    };
    let [full, ..] = chain();
    let files = write_media(&media, &[full]);
    sandbox.write("backups/a.bak", &files[0]);
    pack(&sandbox, "")
        .exits(23)
        .says("BP125 stripe missing")
        .says("'sql/a.bak'");
    sandbox.write("backups/b.bak", &files[1]);
    pack(&sandbox, "").succeeds();
    let verified = verify(&sandbox, "--level media").succeeds();
    assert!(
        verified.text().contains("RESTORABLE 'Orders'"),
        "{}",
        verified.text()
    );
}

#[test]
fn damage_that_shows_while_packing_marks_the_archive_and_keeps_it() {
    let sandbox = with_chain();
    let mut full = sandbox.read("backups/full.bak");
    let pages = full.windows(4).position(|tag| tag == b"MQDA").unwrap() + 24;
    full[pages + 20 * PAGE_LEN + 4000] ^= 1;
    sandbox.write("backups/full.bak", full);
    pack(&sandbox, "")
        .exits(23)
        .says("BP124 damaged backup set");
    assert!(
        sandbox.path("a.bakpak").exists(),
        "the only copy must be kept"
    );
    // It is known from the facts, and seen again in the content.
    for more in ["", "--level media"] {
        let verified = verify(&sandbox, more).exits(23);
        assert!(
            verified.text().contains("INTACT BUT NOT RESTORABLE"),
            "{}",
            verified.text()
        );
        verified.says("BP124");
    }
    sandbox.typed("verify --keyless a.bakpak").succeeds();
    pack(&sandbox, "--force --allow-incomplete").succeeds();
}

#[test]
fn compressed_backups_are_judged_as_others_are() {
    let sandbox = Sandbox::new();
    let [full, log, _] = chain();
    sandbox.write("backups/full.bak", wrap(&one_file(&full)).bytes);
    sandbox.write("backups/log.trn", wrap(&one_file(&log)).bytes);
    pack(&sandbox, "").succeeds();
    let verified = verify(&sandbox, "").succeeds();
    assert!(
        verified.text().contains("to 2026-03-01 12:10:00"),
        "{}",
        verified.text()
    );
}

#[test]
fn an_encrypted_backup_needs_its_certificate_and_is_never_called_valid() {
    let sandbox = Sandbox::new();
    let mut writer = ContainerWriter::encrypted();
    writer.content(&[7; 1024]);
    writer.filemark(512);
    writer.content(&[8; 65_536]);
    writer.filemark(512);
    writer.content(&[9; 2048]);
    writer.filemark(512);
    sandbox.write("backups/secret.bak", writer.finish().bytes);
    pack(&sandbox, "")
        .exits(23)
        .says("BP130 certificate missing");
    pack(&sandbox, "--allow-incomplete").succeeds();
    let verified = verify(&sandbox, "").exits(23);
    assert!(
        !verified.text().contains("and RESTORABLE"),
        "{}",
        verified.text()
    );
}

#[test]
fn a_differential_without_its_base_is_refused() {
    let sandbox = Sandbox::new();
    let mut database = Database::new("Orders");
    database.full(at(1));
    database.commit(at(2));
    sandbox.write("backups/d.dif", one_file(&database.differential(at(3))));
    pack(&sandbox, "")
        .exits(23)
        .says("BP122 differential base missing");
}

#[test]
fn an_empty_backup_is_refused_and_other_files_are_not() {
    let sandbox = with_chain();
    sandbox.write("backups/readme.txt", "the backups of orders\n");
    pack(&sandbox, "").succeeds();
    sandbox.write("backups/other.trn", vec![7; 5000]);
    pack(&sandbox, "--force")
        .exits(23)
        .says("'sql/other.trn' is no SQL Server backup");
    std::fs::remove_file(sandbox.path("backups/other.trn")).unwrap();
    sandbox.write("backups/empty.bak", "");
    pack(&sandbox, "--force")
        .exits(23)
        .says("'sql/empty.bak' is empty");
}

#[test]
fn a_set_whose_start_is_broken_is_not_forgotten() {
    let sandbox = Sandbox::new();
    let [full, log, _] = chain();
    let mut other = Database::with_pages("Customers", 64, 40);
    let mut file = write_media(&Media::default(), &[other.full(at(1)), full, log]).remove(0);
    // The first descriptor of the first set.
    let start = file.windows(4).position(|tag| tag == b"SSET").unwrap();
    file[start..start + 512].fill(0xA5);
    sandbox.write("backups/all.bak", file);
    pack(&sandbox, "").exits(23).says("BP124");
}

#[test]
fn pages_that_nothing_vouches_for_are_not_called_restorable() {
    let sandbox = Sandbox::new();
    let mut database = Database::with_pages("Orders", 64, 40);
    database.product = Product::Sql2016;
    let mut file = one_file(&database.full(at(1)));
    let pages = file.windows(4).position(|tag| tag == b"MQDA").unwrap() + 24;
    // As in an encrypted database: the headers of pages are in clear, the rest is noise.
    for page in file[pages..pages + 40 * PAGE_LEN].chunks_mut(PAGE_LEN) {
        let mut noise = 1_u32;
        for byte in &mut page[96..] {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (noise >> 24) as u8;
        }
    }
    sandbox.write("backups/full.bak", file);
    pack(&sandbox, "").succeeds().says("BP136");
    for more in ["", "--level media"] {
        let verified = verify(&sandbox, more).succeeds();
        assert!(
            verified.text().contains("cannot be judged"),
            "{}",
            verified.text()
        );
    }
}

#[test]
fn a_backup_from_a_pipe_is_judged_too() {
    let sandbox = Sandbox::new();
    let [full, ..] = chain();
    let line = "pack -o a.bakpak --stdin-entry sql/full.bak --key-file data.key";
    sandbox.typed_with_input(line, &one_file(&full)).succeeds();
    let verified = verify(&sandbox, "").succeeds();
    assert!(
        verified.text().contains("RESTORABLE 'Orders'"),
        "{}",
        verified.text()
    );
    // It may be what the others build on.
    let [_, log, _] = chain();
    sandbox.write("backups/log.trn", one_file(&log));
    let line = "pack -o b.bakpak --sql backups --stdin-entry sql/full.bak --key-file data.key";
    sandbox.typed_with_input(line, &one_file(&full)).succeeds();
}

#[test]
fn a_dump_that_was_cut_is_told_while_it_is_packed() {
    let sandbox = Sandbox::new();
    let whole = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n";
    sandbox.write("backups/shop.sql", whole);
    pack(&sandbox, "").succeeds();
    sandbox.write("backups/shop.sql", &whole[..50]);
    pack(&sandbox, "--force").exits(23).says("BP152");
    pack(&sandbox, "--force --allow-incomplete").succeeds();
    verify(&sandbox, "").exits(23).says("BP152");
}

/// A BACPAC with this model; the hash in it is that of the model `x`.
fn bacpac(model: &[u8]) -> Vec<u8> {
    let origin = "<DacOrigin><PackageProperties><ContainsExportedData>true</ContainsExportedData>\
        </PackageProperties><Checksums><Checksum Uri=\"/model.xml\">\
        2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881\
        </Checksum></Checksums></DacOrigin>";
    let members: [(&str, &[u8]); 5] = [
        ("model.xml", model),
        ("[Content_Types].xml", b"<Types/>"),
        ("DacMetadata.xml", b"<DacType><Name>shop</Name></DacType>"),
        ("Data/dbo.Note/TableData-000-00000.BCP", &[7; 100_000]),
        ("Origin.xml", origin.as_bytes()),
    ];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_bacpac_is_checked_while_it_is_packed_and_read_again() {
    let whole = bacpac(b"x");
    let cases = [
        (bacpac(b"y"), "BP153"),
        (whole[..whole.len() - 30].to_vec(), "BP152"),
    ];
    // By its content: the name may be any.
    for name in ["backups/shop.bacpac", "backups/shop.zip"] {
        let sandbox = Sandbox::new();
        sandbox.write(name, &whole);
        pack(&sandbox, "").succeeds();
        verify(&sandbox, "--level media").succeeds();
        for (content, rule) in &cases {
            sandbox.write(name, content);
            pack(&sandbox, "--force").exits(23).says(rule);
            for options in ["", "--level media"] {
                verify(&sandbox, options).exits(23).says(rule);
            }
        }
    }
}

/// The same content at both levels, which must be judged alike: exit code, and what is said.
fn verified_alike(sandbox: &Sandbox, more: &str, code: i32, words: &str) {
    for level in ["", "--level media"] {
        verify(sandbox, &format!("{level} {more}"))
            .exits(code)
            .says(words);
    }
}

#[test]
fn a_damaged_zip_is_told_whatever_its_name_and_wherever_it_is_damaged() {
    let whole = bacpac(b"x");
    let second = (10..whole.len())
        .find(|at| whole[*at..].starts_with(b"PK\x03\x04"))
        .unwrap();
    // Cut before it can be known as a package, and a member that is none any more.
    let mut broken = whole.clone();
    broken[second] ^= 1;
    for content in [&whole[..100], &broken] {
        let sandbox = Sandbox::new();
        sandbox.write("backups/shop.zip", content);
        pack(&sandbox, "").exits(23).says("BP152");
        verified_alike(&sandbox, "", 23, "BP152");
    }
}

fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn zipped_backups_are_told_and_other_zips_are_not() {
    let sandbox = Sandbox::new();
    sandbox.write("backups/notes.zip", zip_of("notes.txt", b"nothing"));
    let packed = pack(&sandbox, "").succeeds();
    assert!(!packed.err.contains("BP"), "{}", packed.err);

    let full = one_file(&chain()[0]);
    sandbox.write("backups/orders.zip", zip_of("full.bak", &full));
    let words = "RESTORE reads no ZIP";
    let packed = pack(&sandbox, "--force").succeeds().says(words);
    assert_eq!(packed.err.matches(words).count(), 1, "{}", packed.err);
    verified_alike(&sandbox, "", 0, words);
    verified_alike(&sandbox, "--fail-on warning", 3, words);

    sandbox.write("backups/more.bak", zip_of("full.bak", &full));
    let words = "'sql/more.bak' is no SQL Server backup, though its name says so";
    sandbox
        .typed("pack -o b.bakpak --sql backups --key-file data.key")
        .exits(23)
        .says(words);
}

#[test]
fn a_bacpac_that_cannot_be_read_is_not_judged_at_all() {
    let mut bytes = bacpac(b"x");
    let heads: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(b"PK\x03\x04"))
        .collect();
    heads.iter().for_each(|at| bytes[at + 6] |= 1);
    for name in ["backups/shop.bacpac", "backups/shop.zip"] {
        let sandbox = Sandbox::new();
        sandbox.write(name, &bytes);
        let packed = pack(&sandbox, "").succeeds().says("it is encrypted");
        assert!(!packed.err.contains("no such member"), "{}", packed.err);
        verified_alike(&sandbox, "", 0, "BP176");
        let event = line(&verify(&sandbox, "--json"), "restorability");
        assert_eq!(event["answer"], "unknown");
        // One word for it from facts and from content.
        verified_alike(&sandbox, "", 0, "(model.xml): it is encrypted");
    }
}

#[test]
fn warnings_of_the_verdict_count_for_fail_on() {
    // Made without CHECKSUM.
    let full = Database::with_pages("Orders", 64, 40).full(at(5));
    let sandbox = Sandbox::new();
    sandbox.write("backups/full.bak", one_file(&full));
    pack(&sandbox, "").succeeds();
    verified_alike(&sandbox, "", 0, "BP");
    verified_alike(&sandbox, "--fail-on warning", 3, "BP");
}
