//! Log sequence numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A place in the transaction log of a database; ordered as the log is.
///
/// SQL Server prints it as one decimal number, which fits `numeric(25,0)` but not 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn {
    /// Sequence number of the virtual log file.
    pub vlf: u32,
    /// The log block inside it, in units of 512 bytes.
    pub block: u32,
    /// The record inside the block.
    pub slot: u16,
}

/// A text that is no log sequence number: up to 20 decimal digits too many, or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a log sequence number in decimal form")]
pub struct NotAnLsn(String);

impl Lsn {
    /// Encoded length in bytes.
    pub const LEN: usize = 10;

    /// Decodes the form of the file: u32 virtual log file, u32 block, u16 slot.
    #[must_use]
    pub fn decode(bytes: [u8; Self::LEN]) -> Self {
        let [v0, v1, v2, v3, b0, b1, b2, b3, s0, s1] = bytes;
        Self {
            vlf: u32::from_le_bytes([v0, v1, v2, v3]),
            block: u32::from_le_bytes([b0, b1, b2, b3]),
            slot: u16::from_le_bytes([s0, s1]),
        }
    }

    /// Encodes it likewise.
    #[must_use]
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.vlf.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.block.to_le_bytes());
        bytes[8..].copy_from_slice(&self.slot.to_le_bytes());
        bytes
    }

    /// None if it is zero, which is how SQL Server writes "there is none".
    #[must_use]
    pub fn or_none(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    /// The decimal number that SQL Server prints, as `numeric(25,0)`.
    #[must_use]
    pub fn number(self) -> u128 {
        u128::from(self.vlf) * VLF + u128::from(self.block) * BLOCK + u128::from(self.slot)
    }
}

/// What one more of each counts in the decimal form: the slot has 5 digits, the block 10.
const BLOCK: u128 = 100_000;
const VLF: u128 = BLOCK * 10_000_000_000;

/// The decimal form.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let wrong = || NotAnLsn(text.to_owned());
        let number: u128 = text.parse().map_err(|_| wrong())?;
        let part = |value: u128| u32::try_from(value).map_err(|_| wrong());
        Ok(Self {
            vlf: part(number / VLF)?,
            block: part(number % VLF / BLOCK)?,
            slot: u16::try_from(number % BLOCK).map_err(|_| wrong())?,
        })
    }
}

/// As a decimal string: the number does not fit what JSON readers take for numbers.
impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsn_is_printed_as_sql_server_does_and_read_again() {
        let lsn = Lsn {
            vlf: 34,
            block: 69,
            slot: 179,
        };
        assert_eq!(lsn.to_string(), "34000000006900179");
        assert_eq!("34000000006900179".parse(), Ok(lsn));
        assert_eq!(Lsn::decode(lsn.encode()), lsn);
        let last = Lsn {
            vlf: u32::MAX,
            block: u32::MAX,
            slot: u16::MAX,
        };
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    #[test]
    fn what_no_lsn_prints_is_refused() {
        for text in [
            "",
            "-1",
            "x",
            "99999",
            "34000000006999999",
            "9999999999000000000000000",
        ] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
