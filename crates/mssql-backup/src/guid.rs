//! GUIDs, as SQL Server stores and prints them.

use std::fmt;

use serde::{Serialize, Serializer};

/// A GUID, in the byte order of the file: the first three fields little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// None if all bytes are zero, which is how SQL Server writes "there is none".
    #[must_use]
    pub fn or_none(self) -> Option<Self> {
        (self.0 != [0; 16]).then_some(self)
    }
}

/// As `RESTORE` prints it: five groups of upper-case hexadecimal digits.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] = self.0;
        let a = u32::from_le_bytes([a0, a1, a2, a3]);
        let b = u16::from_le_bytes([b0, b1]);
        let c = u16::from_le_bytes([c0, c1]);
        write!(f, "{a:08X}-{b:04X}-{c:04X}-")?;
        for (index, byte) in rest.iter().enumerate() {
            let dash = if index == 2 { "-" } else { "" };
            write!(f, "{dash}{byte:02X}")?;
        }
        Ok(())
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_printed_as_sql_server_does() {
        let bytes: [u8; 16] = std::array::from_fn(|index| index as u8 + 0xA0);
        let text = Guid(bytes).to_string();
        assert_eq!(text, "A3A2A1A0-A5A4-A7A6-A8A9-AAABACADAEAF");
    }
}
