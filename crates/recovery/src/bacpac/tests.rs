use super::*;
use proptest::collection;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const MODEL_TEXT: &str =
    "<DataSchemaModel><Model>many tables, many tables</Model></DataSchemaModel>";
const METADATA_TEXT: &str = "<DacType><Name>shop</Name><Version>1.2.0.0</Version></DacType>";

fn origin_text(model: &str) -> String {
    let hash: String = Sha256::digest(model)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    format!(
        "\u{feff}<?xml version=\"1.0\"?>\
         <DacOrigin xmlns=\"http://schemas.microsoft.com/sqlserver/dac/Serialization/2012/02\">\
         <PackageProperties><ContainsExportedData>true</ContainsExportedData></PackageProperties>\
         <Operation><Start>2026-01-02T03:04:05+01:00</Start>\
         <ProductVersion>162.1</ProductVersion></Operation>\
         <Server><ServerVersion>Microsoft SQL Azure (RTM) - 12.0.2000.8\n\tbuilt</ServerVersion>\
         <ObjectCounts><Table>2</Table><View>1</View></ObjectCounts></Server>\
         <Checksums><Checksum Uri=\"/model.xml\">{hash}</Checksum></Checksums></DacOrigin>"
    )
}

fn members() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (MODEL, MODEL_TEXT.into()),
        (METADATA, METADATA_TEXT.into()),
        (CONTENT_TYPES, b"<Types/>".to_vec()),
        ("Data/dbo.Order/TableData-000-00000.BCP", vec![7; 3000]),
        ("Data/dbo.Note/TableData-000-00000.BCP", b"abc".to_vec()),
        ("Data/dbo.Order/TableData-000-00001.BCP", vec![8; 40]),
        (ORIGIN, origin_text(MODEL_TEXT).into_bytes()),
    ]
}

fn package_of(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, (name, content)) in members.iter().enumerate() {
        let method = if index % 3 == 2 {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn check_bytes(bytes: &[u8]) -> Package {
    check(Cursor::new(bytes)).unwrap()
}

fn faults_without(name: &str) -> Vec<String> {
    let mut members = members();
    members.retain(|(found, _)| *found != name);
    let package = check_bytes(&package_of(&members));
    package
        .faults
        .list()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn changed(name: &str, content: &[u8]) -> Package {
    let mut members = members();
    for (found, old) in &mut members {
        if *found == name {
            *old = content.to_vec();
        }
    }
    check_bytes(&package_of(&members))
}

#[test]
fn a_whole_bacpac_tells_what_it_is() {
    let package = check_bytes(&package_of(&members()));
    assert_eq!(package.faults.list(), []);
    assert_eq!(package.name.as_deref(), Some("shop"));
    assert_eq!(package.version.as_deref(), Some("1.2.0.0"));
    assert_eq!(package.member_count, 7);
    assert_eq!((package.table_count, package.data_len), (2, 3043));
    let origin = &package.origin;
    assert_eq!(
        origin.server_version.as_deref(),
        Some("Microsoft SQL Azure (RTM) - 12.0.2000.8")
    );
    assert_eq!(origin.started.as_deref(), Some("2026-01-02T03:04:05+01:00"));
    assert_eq!(origin.object_counts.len(), 2);
}

#[test]
fn zips_are_told_apart_by_what_is_in_them() {
    let look = |members: &[(&str, Vec<u8>)]| look_into(Cursor::new(package_of(members))).unwrap();
    assert_eq!(look(&members()), ZipContent::Bacpac);
    let mut model_only = members();
    model_only.retain(|(name, _)| !name.starts_with("Data/"));
    assert_eq!(look(&model_only), ZipContent::Dacpac);
    let zipped = [
        ("read me.txt", b"x".to_vec()),
        ("shop.bin", b"TAPE\0\0\x03\0".to_vec()),
    ];
    assert_eq!(look(&zipped), ZipContent::Backups(vec!["shop.bin".into()]));
    assert_eq!(look(&zipped[..1]), ZipContent::Other);
    assert_eq!(
        look_into(Cursor::new(b"PK\x03\x04")).unwrap(),
        ZipContent::Unreadable
    );
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = package_of(&members());
    for len in 0..bytes.len() {
        let package = check_bytes(&bytes[..len]);
        assert!(
            package.faults.has(FaultKind::Truncated),
            "cut to {len} bytes"
        );
    }
}

#[test]
fn what_is_appended_is_noticed() {
    let mut bytes = package_of(&members());
    bytes.push(0);
    assert!(!check_bytes(&bytes).faults.is_empty());
}

#[test]
fn every_changed_byte_of_a_member_is_noticed() {
    let bytes = package_of(&members());
    let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
    for index in 0..zip.len() {
        let member = zip.by_index(index).unwrap();
        let start = member.data_start().unwrap() as usize;
        let content = start..start + member.compressed_size() as usize;
        let name = member.name().unwrap().into_owned();
        drop(member);
        for offset in content {
            let mut bytes = bytes.clone();
            bytes[offset] ^= 0x10;
            let faults = check_bytes(&bytes).faults;
            let named = faults
                .list()
                .iter()
                .any(|fault| fault.part.as_deref() == Some(&name));
            // The last bits of DEFLATE's last byte may be unused.
            let is_last =
                offset + 1 == start + zip.by_index_raw(index).unwrap().compressed_size() as usize;
            assert!(named || is_last, "byte {offset} of {name}");
        }
    }
}

#[test]
fn a_model_that_is_not_the_exported_one_is_noticed() {
    let package = changed(MODEL, b"<DataSchemaModel/>");
    assert_eq!(package.faults.count(), 1);
    let fault = &package.faults.list()[0];
    assert_eq!(
        (fault.kind, fault.part.as_deref()),
        (FaultKind::Mismatch, Some(MODEL))
    );
}

#[test]
fn missing_members_are_named() {
    for name in REQUIRED {
        let faults = faults_without(name);
        assert_eq!(
            faults,
            [format!("{name:?}: the package has no such member")]
        );
    }
}

#[test]
fn xml_that_is_none_is_named() {
    for (name, content) in [(ORIGIN, "<DacOrigin"), (METADATA, "<!DOCTYPE x><DacType/>")] {
        let package = changed(name, content.as_bytes());
        let fault = &package.faults.list()[0];
        assert_eq!(
            (fault.kind, fault.part.as_deref()),
            (FaultKind::Damaged, Some(name))
        );
    }
    let package = changed(ORIGIN, b"<DacOrigin/>");
    assert!(package.faults.has(FaultKind::Missing));
}

#[test]
fn large_xml_is_not_kept() {
    let package = changed(METADATA, &vec![b' '; MAX_XML_LEN + 1]);
    assert!(package.faults.has(FaultKind::LimitExceeded));
    assert_eq!(package.name, None);
}

#[test]
fn a_directory_of_too_many_members_is_not_read() {
    let mut bytes = package_of(&members());
    let end = bytes.len() - 22;
    bytes[end + 12..end + 16].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
    assert!(check_bytes(&bytes).faults.has(FaultKind::Damaged));
    // ZIP64 with a count of its own.
    let zip64_offset = end as u64;
    let tail = bytes.split_off(end);
    let mut zip64 = b"PK\x06\x06".to_vec();
    zip64.resize(56, 0);
    zip64[32..40].copy_from_slice(&(MAX_MEMBERS + 1).to_le_bytes());
    bytes.extend(zip64);
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(zip64_offset.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(tail);
    assert!(check_bytes(&bytes).faults.has(FaultKind::Damaged));
    let content = look_into(Cursor::new(&bytes)).unwrap();
    assert_eq!(content, ZipContent::Unreadable);
}

#[test]
fn members_that_overlap_are_not_read() {
    // The directory names the first member's bytes a second time: work without bytes.
    let mut bytes = package_of(&[("a", vec![0; 100_000]), ("b", vec![1; 10])]);
    let second = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    bytes[second + 42..second + 46].fill(0);
    let faults = check_bytes(&bytes).faults;
    assert!(faults.has(FaultKind::Damaged), "{faults:?}");
}

#[test]
fn an_error_of_the_disk_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    assert!(check(Broken).is_err());
}

/// Places in a file, and what stands there instead.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!check_bytes(&bytes).faults.is_empty());
    }

    #[test]
    fn no_changes_panic(changes in changes()) {
        let mut bytes = package_of(&members());
        for (index, value) in changes {
            let offset = index.index(bytes.len());
            bytes[offset] = value;
        }
        check_bytes(&bytes);
        look_into(Cursor::new(&bytes)).unwrap();
    }
}
