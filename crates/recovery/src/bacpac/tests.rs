use super::*;
use crate::fault::Fault;
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
    let whole = package_of(&members());
    let end = whole.len() - 22;
    let (len, offset) = (
        end - offset_of_directory(&whole),
        offset_of_directory(&whole),
    );
    // ZIP64 with a count of its own.
    let with_count = |count: u64| {
        let mut bytes = whole[..end].to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for value in [count, count, len as u64, offset as u64] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend((end as u64).to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(&whole[end..]);
        let start = bytes.len() - 22;
        bytes[start + 8..start + 12].fill(0xFF);
        bytes
    };
    let look = |count| look_into(Cursor::new(with_count(count))).unwrap();
    assert_eq!(look(7), ZipContent::Bacpac);
    assert_eq!(check_bytes(&with_count(7)).faults.list(), []);
    assert_eq!(look(MAX_MEMBERS + 1), ZipContent::Unreadable);
    let faults = check_bytes(&with_count(MAX_MEMBERS + 1)).faults;
    assert!(faults.has(FaultKind::Damaged));
}

fn offset_of_directory(zip: &[u8]) -> usize {
    let end = zip.len() - 22;
    u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap()) as usize
}

#[test]
fn a_member_that_the_directory_puts_where_another_is_is_told() {
    // It names the first member's bytes a second time.
    let mut bytes = package_of(&[("a", vec![0; 100_000]), ("b", vec![1; 10])]);
    let second = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    bytes[second + 42..second + 46].fill(0);
    let told = check_bytes(&bytes).faults;
    let message = "the directory says something else of it";
    let is_told = |fault: &Fault| fault.part.as_deref() == Some("b") && fault.message == message;
    assert!(told.list().iter().any(is_told), "{told:?}");
}

/// One with this member's flags and method as given, in the local header and in the directory.
fn with_method(name: &str, flags: u8, method: u8) -> Package {
    let mut bytes = package_of(&members());
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name.as_bytes()))
        .collect();
    for at in places {
        if at >= 30 && bytes[at - 30..].starts_with(b"PK\x03\x04") {
            (bytes[at - 24], bytes[at - 22]) = (flags, method);
        } else if at >= 46 && bytes[at - 46..].starts_with(b"PK\x01\x02") {
            (bytes[at - 38], bytes[at - 36]) = (flags, method);
        }
    }
    check_bytes(&bytes)
}

#[test]
fn a_member_that_cannot_be_read_is_not_missing() {
    for name in REQUIRED {
        for (flags, method, message) in [
            (1, 8, "it is encrypted"),
            (0, 14, "its compression method 14 is not supported"),
        ] {
            let package = with_method(name, flags, method);
            let told: Vec<_> = package
                .faults
                .list()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(told, [format!("{name:?}: {message}")]);
            assert!(package.faults.say_nothing());
        }
    }
    let package = changed("Data/dbo.Note/TableData-000-00000.BCP", b"abc");
    assert!(package.has_data);
}

#[test]
fn faults_beyond_those_that_are_listed_count() {
    // More members that nobody can read than are listed, then a cut.
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..400 {
        zip.start_file(format!("Data/dbo.A/{number}"), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(b"abc").unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    let heads: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(b"PK\x03\x04"))
        .collect();
    for at in heads {
        bytes[at + 6] |= 1;
    }
    let faults = check_bytes(&bytes[..bytes.len() / 3]).faults;
    assert!(faults.count() > crate::fault::MAX_FAULTS as u64);
    assert!(faults.has(FaultKind::Truncated) && !faults.say_nothing());
    // It was cut: nothing is known to be missing.
    assert!(!faults.has(FaultKind::Missing));
}

#[test]
fn a_zip_of_any_name_is_known_by_what_passes() {
    let check = |bytes: &[u8]| check_any(Cursor::new(bytes)).unwrap();
    let whole = package_of(&members());
    assert!(matches!(check(&whole), Checked::Package(package) if package.faults.is_empty()));
    // Cut behind the third of those by which it is known, and before.
    let cut = check(&whole[..whole.len() - 200]);
    assert!(matches!(cut, Checked::Package(package) if !package.faults.is_empty()));
    let Checked::Other(zip) = check(&whole[..100]) else {
        panic!("nobody can know what it was");
    };
    assert!(zip.faults.has(FaultKind::Truncated));
    let zipped = [
        ("read me.txt", b"x".to_vec()),
        ("shop.bin", b"TAPE\0\0\x03\0".to_vec()),
        ("more.bin", b"MSSQLBAK\x02".to_vec()),
    ];
    let Checked::Other(zip) = check(&package_of(&zipped)) else {
        panic!("it is no package");
    };
    assert_eq!(
        (zip.backups, zip.faults.count()),
        (vec!["shop.bin".into(), "more.bin".into()], 0)
    );
}

/// Archives keep this text, and know the fault again by it: old ones must be judged as before.
#[test]
fn the_words_for_a_changed_model_stay() {
    let words = "its SHA-256 is not the one in Origin.xml: it was changed after the export";
    assert_eq!(rule(words), "BP153");
    let package = changed(MODEL, b"<DataSchemaModel/>");
    assert_eq!(package.faults.list()[0].message, words);
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
