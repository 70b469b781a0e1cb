//! The options that say what is stored only once, and what finding that may cost.

use bakpak_codec::pack::Matching;
use clap::Args;

const MATCHING: &str = "What is stored only once";

/// Less history than a chunk would be of no use.
const MIN_HISTORY_LEN: u64 = 1 << 20;

const MIN_TABLE_MEMORY: u64 = 64 << 10;
const MAX_TABLE_MEMORY: u64 = 16 << 30;

/// Within a smaller reach hardly anything is found.
const MIN_REACH: u64 = 64 << 10;

/// As far as sizes go in archives.
const MAX_REACH: u64 = 1 << 60;

/// How repeats are found.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MatchingOptions {
    /// Copy nothing: each entry stands alone, so that damage spreads less; the archive gets larger
    #[arg(long, help_heading = MATCHING,
          conflicts_with_all = ["copy_reach", "history", "dedup_memory"])]
    pub(crate) no_match: bool,
    /// Copy from at most SIZE of new data back, so that a reader from a pipe keeps no more: up to
    /// 32M in memory, otherwise about 1.3 times as much in temporary files; 0 is --no-match
    /// [default: any]
    #[arg(long, value_name = "SIZE|any", value_parser = copy_reach, help_heading = MATCHING)]
    pub(crate) copy_reach: Option<u64>,
    /// Compare byte by byte with the last SIZE of new data, which stay in memory; 0: with none
    #[arg(long, value_name = "SIZE", default_value = "48M", value_parser = history,
          help_heading = MATCHING)]
    history: usize,
    /// Remember in SIZE of memory where segments of files stood, to find them far back; 0: none
    #[arg(long, value_name = "SIZE", default_value = "40M", value_parser = dedup_memory,
          help_heading = MATCHING)]
    dedup_memory: usize,
}

impl MatchingOptions {
    /// What is meant; `None`: nothing is copied.
    pub(crate) fn meant(&self) -> Option<Matching> {
        (!self.no_match).then_some(Matching {
            history_len: self.history,
            table_memory: self.dedup_memory,
            copy_reach: self.copy_reach.unwrap_or(u64::MAX),
        })
    }
}

fn copy_reach(typed: &str) -> Result<u64, String> {
    match bytes(typed) {
        _ if typed == "any" => Ok(u64::MAX),
        Some(reach @ (0 | MIN_REACH..=MAX_REACH)) => Ok(reach),
        _ => Err("it must be any, 0, or from 64K to 1048576T".to_owned()),
    }
}

fn history(typed: &str) -> Result<usize, String> {
    let most = Matching::MAX_HISTORY_LEN as u64;
    zero_or(typed, MIN_HISTORY_LEN, most).ok_or_else(|| "it must be 0, or from 1M to 1G".to_owned())
}

fn dedup_memory(typed: &str) -> Result<usize, String> {
    zero_or(typed, MIN_TABLE_MEMORY, MAX_TABLE_MEMORY)
        .ok_or_else(|| "it must be 0, or from 64K to 16G".to_owned())
}

fn zero_or(typed: &str, least: u64, most: u64) -> Option<usize> {
    let len = bytes(typed).filter(|len| *len == 0 || (least..=most).contains(len))?;
    usize::try_from(len).ok()
}

/// Reads `48M`, `48MiB` or `50331648`.
fn bytes(typed: &str) -> Option<u64> {
    let digits = typed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = typed.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        "T" | "TIB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: MatchingOptions,
    }

    fn meant(line: &str) -> Option<Option<Matching>> {
        let typed = ["pack"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(typed).ok()?;
        Some(line.options.meant())
    }

    #[test]
    fn sizes_have_binary_units() {
        let sizes = [
            ("0", 0),
            ("1025", 1025),
            ("64K", 64 << 10),
            ("48MiB", 48 << 20),
            ("1g", 1 << 30),
            ("3T", 3 << 40),
        ];
        for (typed, meant) in sizes {
            assert_eq!(bytes(typed), Some(meant), "{typed}");
        }
        for typed in [
            "",
            "M",
            "-1",
            "+1",
            "1.5G",
            "1 G",
            "1MB",
            "1P",
            "ein",
            "99999999999T",
        ] {
            assert_eq!(bytes(typed), None, "{typed}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_codec() {
        assert_eq!(meant(""), Some(Some(Matching::default())));
    }

    #[test]
    fn what_is_typed_is_meant_or_refused() {
        let default = Matching::default();
        let lines = [
            ("--no-match", None),
            (
                "--copy-reach 64K",
                Some(Matching {
                    copy_reach: 64 << 10,
                    ..default
                }),
            ),
            (
                "--history 1G --dedup-memory 0 --copy-reach any",
                Some(Matching {
                    history_len: 1 << 30,
                    table_memory: 0,
                    ..default
                }),
            ),
        ];
        for (line, expected) in lines {
            assert_eq!(meant(line), Some(expected), "{line}");
        }
        for line in [
            "--copy-reach 63K",
            "--copy-reach 1048577T",
            "--copy-reach all",
            "--history 1023K",
            "--history 1025M",
            "--dedup-memory 1K",
            "--dedup-memory 17G",
            "--no-match --history 48M",
            "--no-match --copy-reach any",
            "--no-match --dedup-memory 0",
        ] {
            assert_eq!(meant(line), None, "{line}");
        }
    }
}
