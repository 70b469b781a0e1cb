//! What the fuzzing of foreign files begins with: the test data of `recovery`, and made ones.

use std::io::{Cursor, Write};
use std::path::Path;

/// Name of the function, and an input.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![
        ("bacpac", package()),
        ("qdrant", snapshot()),
        (
            "qdrant",
            tar(&[("a.snapshot", &snapshot()), ("config.json", FULL)]),
        ),
        ("certificate", private_key()),
    ];
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/recovery/tests/data");
    for function in ["pg_dump", "certificate"] {
        for file in std::fs::read_dir(data.join(function)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension != "md") {
                seeds.push((function, std::fs::read(path).unwrap()));
            }
        }
    }
    // Mutations go by the order of the seeds, which the file system does not keep.
    seeds.sort();
    seeds
}

const FULL: &[u8] =
    br#"{"collections_mapping":{"a":"a.snapshot"},"collections_aliases":{"b":"a"}}"#;
const COLLECTION: &[u8] = br#"{"params":{"vectors":{"size":4,"distance":"Dot"},"shard_number":1}}"#;
const ORIGIN: &[u8] = b"<DacOrigin><PackageProperties>\
    <ContainsExportedData>true</ContainsExportedData></PackageProperties>\
    <Server><ServerVersion>12</ServerVersion><ObjectCounts><Table>1</Table>\
    </ObjectCounts></Server><Checksums><Checksum Uri=\"/model.xml\">\
    2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881\
    </Checksum></Checksums></DacOrigin>";

/// A whole BACPAC; the hash is that of its model, `x`.
fn package() -> Vec<u8> {
    let members: [(&str, &[u8]); 5] = [
        ("model.xml", b"x"),
        ("[Content_Types].xml", b"<Types/>"),
        ("DacMetadata.xml", b"<DacType><Name>shop</Name></DacType>"),
        ("Data/dbo.Note/TableData-000-00000.BCP", &[7; 500]),
        ("Origin.xml", ORIGIN),
    ];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A whole snapshot of a collection.
fn snapshot() -> Vec<u8> {
    let segment = tar(&[("snapshot/files/segment.json", b"{}")]);
    tar(&[
        ("0/segments/1.tar", &segment),
        ("0/segments/2/segment.json", b"{}"),
        ("0/shard_config.json", b"{}"),
        ("version.info", b"0.4.2"),
        ("config.json", COLLECTION),
    ])
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A PVK file of 512 bits, without a key.
fn private_key() -> Vec<u8> {
    let words = [
        0xB0B5_F11E,
        0,
        1,
        0,
        0,
        308,
        0x0207,
        0xA400,
        0x3241_5352,
        512,
        65_537,
    ];
    let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    file.resize(24 + 308, 0x99);
    file
}

/// The checksum of each header set to what it must be.
pub(crate) fn mend_tar(input: &mut [u8]) {
    for block in input.chunks_exact_mut(512) {
        if block[257..].starts_with(b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}
