use super::*;
use crate::fault::FaultKind;
use std::io::{Cursor, Write};

const DUMP: &[u8] = include_bytes!("../../tests/data/pg_dump/shop-gzip.dump");

fn tar_of(name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    builder
        .append_data(&mut header, name, b"abc".as_slice())
        .unwrap();
    builder.into_inner().unwrap()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn names_decide_between_what_begins_alike() {
    let zip = b"PK\x03\x04";
    assert_eq!(recognise(zip, "sql/Shop.BACPAC"), Some(ForeignKind::Bacpac));
    assert_eq!(recognise(zip, "shop.dacpac"), Some(ForeignKind::Dacpac));
    assert_eq!(recognise(zip, "shop.zip"), Some(ForeignKind::Zip));
    assert_eq!(
        recognise(&tar_of("any"), "a.snapshot"),
        Some(ForeignKind::QdrantSnapshot)
    );
    assert_eq!(recognise(&tar_of("any"), "a.tar"), Some(ForeignKind::Tar));
}

#[test]
fn names_do_not_decide_against_the_bytes() {
    assert_eq!(recognise(b"TAPE\0\0\x03\0", "shop.bacpac"), None);
    assert_eq!(recognise(b"text", "shop.snapshot"), None);
    assert_eq!(recognise(b"", "shop.zip"), None);
    let custom = ForeignKind::PostgresDump(PostgresFormat::Custom);
    assert_eq!(recognise(DUMP, "shop.bak"), Some(custom));
}

#[test]
fn snapshots_are_told_by_their_first_member_too() {
    for name in [
        "0/wal/open-1",
        "12/segments/a.tar",
        "segments/a.tar",
        "notes-1.snapshot",
        "0/shard_config.json",
    ] {
        assert_eq!(
            recognise(&tar_of(name), "a.tar"),
            Some(ForeignKind::QdrantSnapshot),
            "{name}"
        );
    }
    for name in ["src/main.rs", "a/notes.snapshot", "0/readme"] {
        assert_eq!(
            recognise(&tar_of(name), "a.tar"),
            Some(ForeignKind::Tar),
            "{name}"
        );
    }
    let toc = ForeignKind::PostgresDump(PostgresFormat::Tar);
    assert_eq!(recognise(&tar_of("toc.dat"), "a.snapshot"), Some(toc));
}

#[test]
fn zips_are_told_by_their_directory() {
    let package = zip_of(&[
        ("DacMetadata.xml", b""),
        ("model.xml", b""),
        ("Origin.xml", b""),
    ]);
    let look = |kind, bytes: &[u8]| look_into(kind, Cursor::new(bytes)).unwrap();
    assert_eq!(look(ForeignKind::Zip, &package), ForeignKind::Dacpac);
    assert_eq!(look(ForeignKind::Bacpac, &package), ForeignKind::Dacpac);
    let zipped = zip_of(&[("shop.bak", b"MSSQLBAK\x02")]);
    let backups = ForeignKind::ZippedBackups(vec!["shop.bak".into()]);
    assert_eq!(look(ForeignKind::Zip, &zipped), backups);
    assert_eq!(
        look(ForeignKind::Bacpac, b"PK\x03\x04"),
        ForeignKind::Bacpac
    );
    assert_eq!(look(ForeignKind::Tar, b"PK\x03\x04"), ForeignKind::Tar);
}

#[test]
fn a_report_tells_facts_faults_and_rules() {
    let kind = recognise(DUMP, "shop.dump").unwrap();
    let report = check(&kind, Cursor::new(DUMP)).unwrap().unwrap();
    assert!(report.faults().is_empty());
    assert!(
        report
            .facts()
            .contains(&("extensions", "vector".to_owned()))
    );
    assert!(report.facts().contains(&("compression", "gzip".to_owned())));
    let cut = check(&kind, Cursor::new(&DUMP[..3000])).unwrap().unwrap();
    let fault = &cut.faults().list()[0];
    assert_eq!(
        (fault.kind, cut.rule(fault)),
        (FaultKind::Truncated, "BP152")
    );
    assert_eq!(check(&ForeignKind::Tar, Cursor::new(b"")).unwrap(), None);
}

#[test]
fn a_changed_model_has_a_rule_of_its_own() {
    let origin = format!(
        "<DacOrigin><Checksums><Checksum Uri=\"/model.xml\">{}</Checksum></Checksums></DacOrigin>",
        "00".repeat(32)
    );
    let package = zip_of(&[
        ("[Content_Types].xml", b""),
        ("DacMetadata.xml", b"<DacType><Name>shop</Name></DacType>"),
        ("model.xml", b"<x/>"),
        ("Origin.xml", origin.as_bytes()),
    ]);
    let report = check(&ForeignKind::Bacpac, Cursor::new(package))
        .unwrap()
        .unwrap();
    let rules: Vec<_> = report
        .faults()
        .list()
        .iter()
        .map(|fault| report.rule(fault))
        .collect();
    assert_eq!(rules, ["BP153"]);
    assert!(report.facts().contains(&("database", "shop".to_owned())));
}

#[test]
fn a_snapshot_tells_its_hash() {
    let bytes = tar_of("segments/1/segment.json");
    let report = check(&ForeignKind::QdrantSnapshot, Cursor::new(bytes))
        .unwrap()
        .unwrap();
    assert!(report.faults().is_empty());
    let facts = report.facts();
    assert_eq!(facts[0], ("kind", "shard".to_owned()));
    assert_eq!(facts[1].1.len(), 64);
}
