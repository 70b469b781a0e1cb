//! The files of a server in numbers that are known before: so many logs, so many bytes.

use crate::workload::{Kind, MadeFile, files};
use crate::{artifact, log, words};

/// Logs of tasks in one folder.
const LOGS_PER_FOLDER: u64 = 200;

/// Small files in one folder.
const SMALL_FILES_PER_FOLDER: u64 = 1000;

/// Of five artifacts so many are reports in text, which compress.
const REPORTS_OF_FIVE: u64 = 2;

/// Numbers from here on belong to logs that are reports or small files.
const OTHER_LOGS: u64 = 1_000_000;

/// `count` logs of `len` bytes in all.
pub fn logs(count: u64, len: u64) -> impl Iterator<Item = MadeFile> {
    let lens = scaled(count, len, log::len);
    (0..).zip(lens).map(|(number, len)| MadeFile {
        path: format!(
            "{:03}/servertasks-{number:06}.txt",
            number / LOGS_PER_FOLDER
        ),
        kind: Kind::Log,
        content: log::content(number, len),
    })
}

/// `count` artifacts of `len` bytes in all: installers that do not compress, and reports.
pub fn artifacts(count: u64, len: u64) -> impl Iterator<Item = MadeFile> {
    let lens = scaled(count, len, artifact::len);
    (0..).zip(lens).map(|(number, len)| {
        let (name, content) = match number % 5 < REPORTS_OF_FIVE {
            true => ("report.xml", log::content(OTHER_LOGS + number, len)),
            false => ("setup.bin", artifact::content(number, len)),
        };
        MadeFile {
            path: format!("deployments-{number:04}/{name}"),
            kind: Kind::Artifact,
            content,
        }
    })
}

/// Packages of consecutive versions, `len` bytes in all; the last one is cut.
pub fn packages(len: u64) -> impl Iterator<Item = MadeFile> {
    files(Kind::Package, len).map(|file| MadeFile {
        path: file.path.replacen("Packages/", "", 1),
        ..file
    })
}

/// `count` files of `len` bytes each, no two of them alike.
pub fn small_files(count: u64, len: usize) -> impl Iterator<Item = MadeFile> {
    (0..count).map(move |number| MadeFile {
        path: format!(
            "{:03}/{}-{number:06}.txt",
            number / SMALL_FILES_PER_FOLDER,
            words::product(number)
        ),
        kind: Kind::Log,
        content: log::content(OTHER_LOGS + number, len),
    })
}

/// `count` lengths that are to each other as those that `len_of` gives, `total` in all.
fn scaled(count: u64, total: u64, len_of: impl Fn(u64) -> usize) -> Vec<usize> {
    let all: u64 = (0..count).map(|number| len_of(number) as u64).sum();
    let mut before = 0;
    (0..count)
        .map(|number| {
            // Ends are rounded, not lengths: so the sum is exact.
            let start = before;
            before += len_of(number) as u64;
            let end = |place: u64| u128::from(place) * u128::from(total) / u128::from(all);
            (end(before) - end(start)) as usize
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn check(files: impl Iterator<Item = MadeFile>, count: usize, len: usize) {
        let files: Vec<MadeFile> = files.collect();
        assert_eq!(files.len(), count);
        assert_eq!(
            files.iter().map(|file| file.content.len()).sum::<usize>(),
            len
        );
        let paths: BTreeSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), count);
    }

    #[test]
    fn numbers_and_sizes_are_those_asked_for() {
        check(logs(300, 2_000_003), 300, 2_000_003);
        check(artifacts(12, 3_000_001), 12, 3_000_001);
        check(small_files(1500, 1000), 1500, 1_500_000);
        let len: usize = packages(5_000_000).map(|file| file.content.len()).sum();
        assert_eq!(len, 5_000_000);
    }

    #[test]
    fn small_files_are_not_alike() {
        let contents: BTreeSet<_> = small_files(500, 1000).map(|file| file.content).collect();
        assert_eq!(contents.len(), 500);
    }
}
