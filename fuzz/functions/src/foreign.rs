//! The checks of files beside SQL Server's backups: what is whole is not without its end.

use std::io::Cursor;

use mssql_backup::kind::{Kind, PostgresFormat};
use recovery::bacpac::ZipContent;
use recovery::certificate::CertificateFile;
use recovery::pg_dump::DirectoryCheck;
use recovery::{bacpac, foreign, pg_dump, qdrant};

/// A BACPAC, or any other ZIP: one that is whole is told as one.
pub fn bacpac(data: &[u8]) {
    let package = bacpac::check(Cursor::new(data)).expect("memory has no errors");
    let content = bacpac::look_into(Cursor::new(data)).expect("memory has no errors");
    if package.faults.is_empty() {
        assert!(matches!(content, ZipContent::Bacpac | ZipContent::Dacpac));
    }
}

/// A dump of PostgreSQL, read in all formats, whatever its first bytes say.
pub fn pg_dump(data: &[u8]) {
    use PostgresFormat::{Custom, DirectoryToc, Plain, PlainCluster, Tar};
    for format in [Custom, DirectoryToc, Plain, PlainCluster, Tar] {
        let dump = pg_dump::check(data, format).expect("memory has no errors");
        if dump.faults.is_empty() && matches!(format, Custom | DirectoryToc) {
            let cut =
                pg_dump::check(&data[..data.len() - 1], format).expect("memory has no errors");
            assert!(!cut.faults.is_empty());
        }
    }
    let mut check = DirectoryCheck::new(data).expect("memory has no errors");
    check.file("1.dat");
    check
        .blob_list("blobs_1.toc", data)
        .expect("memory has no errors");
    let _ = check.finish();
}

/// A snapshot of Qdrant, or any other tar.
pub fn qdrant(data: &[u8]) {
    let snapshot = qdrant::check(data).expect("memory has no errors");
    assert_eq!(snapshot.len, data.len() as u64);
    if snapshot.faults.is_empty() {
        // The last two blocks are zeros, and there may be more of them.
        let end = data.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        let cut = qdrant::check(&data[..end]).expect("memory has no errors");
        assert!(!cut.faults.is_empty());
    }
    if let Some(kind) = foreign::recognise(data, "a.snapshot") {
        assert!(!Kind::of(data).is_sql_server());
        let report = foreign::check(&kind, Cursor::new(data)).expect("memory has no errors");
        let _ = report.map(|report| report.facts());
    }
}

/// A certificate or the file of a key.
pub fn certificate(data: &[u8]) {
    let Ok(file) = CertificateFile::decode(data) else {
        return;
    };
    assert!(CertificateFile::decode(&data[..data.len() - 1]).is_err());
    if let CertificateFile::PrivateKey(key) = file {
        assert!(key.bits < data.len() * 8);
    }
}
