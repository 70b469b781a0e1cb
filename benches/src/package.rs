//! Packages: zip files of consecutive versions, which share the members that were not rebuilt.

use crate::generator::Generator;
use crate::words;

/// How many versions each family has.
pub const VERSIONS: u64 = 8;

const SEED: u64 = 4;

/// What is the same in all versions of a package's member.
struct Member {
    name: String,
    len: usize,
    /// How often in a hundred versions it is rebuilt: libraries of others hardly, own code often.
    rebuilt_percent: u64,
    /// Stored as text, not deflated.
    is_text: bool,
}

/// The zip file of one version of a family, from 0 to [`VERSIONS`].
pub fn content(family: u64, version: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for number in 0..Generator::of(&[SEED, family]).size(16, 3) as u64 {
        let member = Member::of(family, number);
        let revision = member.revision(family, number, version);
        let mut generator = Generator::of(&[SEED, family, number, revision]);
        let header = member.header(version, generator.number() as u32);
        directory.extend_from_slice(&[b"PK\x01\x02\x14\0", &header[4..]].concat());
        directory.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&header);
        if member.is_text {
            bytes.extend_from_slice(&text(&mut generator, member.len));
        } else {
            // What deflate has compressed looks like noise to all who come after it.
            generator.noise(&mut bytes, member.len);
        }
    }
    let start = bytes.len() as u32;
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes
}

impl Member {
    fn of(family: u64, number: u64) -> Self {
        let mut generator = Generator::of(&[SEED, family, number]);
        let is_text = generator.chance(4);
        let extension = if is_text { "xml" } else { "dll" };
        Self {
            name: format!("lib/net8.0/{}.{number}.{extension}", words::product(number)),
            len: generator.size(1 << 10, 8),
            rebuilt_percent: if generator.chance(50) { 5 } else { 60 },
            is_text,
        }
    }

    /// The last version, up to this one, for which it was rebuilt.
    fn revision(&self, family: u64, number: u64, version: u64) -> u64 {
        let rebuilt = |version: &u64| {
            let mut generator = Generator::of(&[SEED, family, number, *version, 0]);
            generator.chance(self.rebuilt_percent)
        };
        (1..=version).rev().find(rebuilt).unwrap_or_default()
    }

    /// Its local header; the time in it is that of the version, rebuilt or not.
    fn header(&self, version: u64, crc: u32) -> Vec<u8> {
        let mut header = b"PK\x03\x04\x14\0\0\0".to_vec();
        header.push(if self.is_text { 0 } else { 8 });
        header.push(0);
        header.extend_from_slice(&(0x5C21_4000 + version as u32 * 811).to_le_bytes());
        header.extend_from_slice(&crc.to_le_bytes());
        header.extend_from_slice(&(self.len as u32).to_le_bytes());
        header.extend_from_slice(&(self.len as u32 * 5 / 2).to_le_bytes());
        header.extend_from_slice(&(self.name.len() as u32).to_le_bytes());
        header.extend_from_slice(self.name.as_bytes());
        header
    }
}

fn text(generator: &mut Generator, len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len + 128);
    while text.len() < len {
        let words = 4 + generator.below(10);
        text.push_str("  <member name=\"");
        text.push_str(&words::product(generator.skewed(500)));
        text.push_str("\">\n    <summary>");
        text.push_str(&words::sentence(generator, words));
        text.push_str("</summary>\n  </member>\n");
    }
    text.truncate(len);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_a_package_is_in_the_version_before_it() {
        let (mut all, mut shared) = (0, 0);
        for family in 0..20 {
            for number in 0..16 {
                let member = Member::of(family, number);
                let revision = |version| member.revision(family, number, version);
                for version in 1..VERSIONS {
                    all += member.len;
                    shared += usize::from(revision(version) == revision(version - 1)) * member.len;
                }
            }
        }
        let percent = 100 * shared / all;
        assert!((50..=70).contains(&percent), "{percent} %");
    }
}
