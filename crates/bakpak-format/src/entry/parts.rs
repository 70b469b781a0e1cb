//! The names of parts: content of unknown size in files of 8 MiB (spec, chapter 10.4).

use super::EntryPath;

/// Length of every part but the last (spec: ENT-8).
pub const PART_LEN: u64 = 8 * 1024 * 1024;

const SUFFIX: &[u8] = b".parts";
const DIGITS: usize = 12;
const MAX_NUMBER: u64 = 999_999_999_999;

/// The path of part `number` of `path`, from 1.
///
/// `None` if there is no such part: number 0 or of more than 12 digits, or a path that is no longer
/// legal with what is added to it.
pub fn part_path(path: &EntryPath, number: u64) -> Option<EntryPath> {
    if !(1..=MAX_NUMBER).contains(&number) {
        return None;
    }
    let digits = format!("/{number:0DIGITS$}");
    EntryPath::new([path.as_bytes(), SUFFIX, digits.as_bytes()].concat())
}

/// The path and the number that make the path of a part; `None` for other paths.
///
/// An entry may have such a path without being a part: a part is marked.
pub fn split_part(path: &EntryPath) -> Option<(EntryPath, u64)> {
    let (rest, digits) = path.as_bytes().split_last_chunk::<DIGITS>()?;
    let name = rest.strip_suffix(b"/")?.strip_suffix(SUFFIX)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number > 0).then_some((EntryPath::new(name)?, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_paths_come_apart_again() {
        let path = EntryPath::new("sql/log.trn").unwrap();
        for number in [1, 2, MAX_NUMBER] {
            let part = part_path(&path, number).unwrap();
            assert_eq!(split_part(&part), Some((path.clone(), number)));
        }
        let first = part_path(&path, 1).unwrap();
        assert_eq!(first.as_bytes(), b"sql/log.trn.parts/000000000001");
    }

    #[test]
    fn there_are_no_other_parts() {
        let path = EntryPath::new("sql/a").unwrap();
        assert_eq!(part_path(&path, 0), None);
        assert_eq!(part_path(&path, MAX_NUMBER + 1), None);
        assert_eq!(part_path(&EntryPath::new("sql").unwrap(), 1), None);
        for path in [
            "sql/a",
            "sql/a.parts/1",
            "sql/a.parts/000000000000",
            "sql/a.parts/00000000000x",
            "sql/a.part/000000000001",
            "sql/.parts/000000000001",
            "sql/..parts/000000000001",
        ] {
            assert_eq!(split_part(&EntryPath::new(path).unwrap()), None, "{path}");
        }
    }
}
