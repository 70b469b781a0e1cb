//! The header of an entry: `x` block, pax records, ustar block (10.2).

use super::{Item, PaxRecords, bare, filled};

/// The greatest number of a ustar field of 8 bytes, and of one of 12.
const MAX_SHORT: u64 = 0o7_777_777;
const MAX_LONG: u64 = 0o77_777_777_777;

impl Item {
    /// `x` header block, pax records, ustar header block of an entry with so much content.
    pub fn encode_header(&self, content_len: usize) -> Vec<u8> {
        let mut pax = self.pax_records();
        (self.pax)(&mut pax);
        let records: Vec<u8> = pax
            .iter()
            .flat_map(|(key, value)| pax_record(key, value))
            .collect();
        let x_header = Item {
            mode: 0o644,
            owner: [0; 2],
            owner_names: [Vec::new(), Vec::new()],
            mtime: (0, 0),
            ..bare(b'x', "././@PaxHeader")
        };
        let mut bytes = x_header.ustar_block(&x_header.path, records.len());
        bytes.extend_from_slice(&filled(records));
        bytes.extend_from_slice(&self.ustar_block(&self.stored_path(), content_len));
        (self.header)(&mut bytes);
        bytes
    }

    /// One header block of this path, and with so much behind it.
    pub fn ustar_block(&self, path: &[u8], size: usize) -> Vec<u8> {
        let mut block = vec![0; 512];
        put_text(&mut block[..100], path);
        put_octal(&mut block[100..108], self.mode.into());
        for (field, number) in [108, 116].into_iter().zip(self.owner) {
            put_octal(&mut block[field..field + 8], up_to(MAX_SHORT, number));
        }
        put_octal(&mut block[124..136], up_to(MAX_LONG, size as u64));
        let seconds = u64::try_from(self.mtime.0).unwrap_or(0);
        put_octal(&mut block[136..148], up_to(MAX_LONG, seconds));
        block[156] = self.typeflag;
        put_text(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        for (field, name) in [265, 297].into_iter().zip(&self.owner_names) {
            put_text(&mut block[field..field + 31], name);
        }
        for (field, number) in [329, 337].into_iter().zip(self.device) {
            put_octal(&mut block[field..field + 8], number.into());
        }
        put_checksum(&mut block);
        block
    }

    fn stored_path(&self) -> Vec<u8> {
        if self.extents.is_none() {
            return self.path.clone();
        }
        let name_at = self.path.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = self.path.split_at(name_at.map_or(0, |at| at + 1));
        [directory, b"GNUSparseFile.0/", name].concat()
    }

    /// Keys and values in ascending order of the keys.
    fn pax_records(&self) -> PaxRecords {
        let mut records = PaxRecords::new();
        let mut push = |key: &str, value: &[u8]| records.push((key.into(), value.to_vec()));
        if self.extents.is_some() {
            push("GNU.sparse.major", b"1");
            push("GNU.sparse.minor", b"0");
            push("GNU.sparse.name", &self.path);
            push("GNU.sparse.realsize", self.size.to_string().as_bytes());
        }
        for (key, number) in ["uid", "gid"].into_iter().zip(self.owner) {
            if number > MAX_SHORT {
                push(key, number.to_string().as_bytes());
            }
        }
        for (key, name) in ["uname", "gname"].into_iter().zip(&self.owner_names) {
            if name.len() > 31 || !name.is_ascii() {
                push(key, name);
            }
        }
        if let Some(comment) = self.comment {
            push("comment", comment.as_bytes());
        }
        if matches!(self.typeflag, b'1' | b'2') {
            push("linkpath", &self.link);
        }
        push("path", &self.stored_path());
        push("mtime", time_text(self.mtime).as_bytes());
        for (name, value) in &self.xattrs {
            let key = [b"SCHILY.xattr.", name.as_slice()].concat();
            records.push((key, value.clone()));
        }
        let is_text = |key: &[u8]| {
            matches!(
                key,
                b"gname" | b"linkpath" | b"path" | b"uname" | b"GNU.sparse.name"
            )
        };
        if records
            .iter()
            .any(|(key, value)| is_text(key) && str::from_utf8(value).is_err())
        {
            records.push((b"hdrcharset".to_vec(), b"BINARY".to_vec()));
        }
        records.sort();
        records
    }
}

/// `LENGTH KEY=VALUE\n`, LENGTH counting itself.
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let mut len = rest.len();
    while len != rest.len() + len.to_string().len() {
        len = rest.len() + len.to_string().len();
    }
    [len.to_string().as_bytes(), &rest].concat()
}

/// Computes the checksum of a header block.
pub fn put_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum = block.iter().map(|&byte| u64::from(byte)).sum();
    put_octal(&mut block[148..156], sum);
}

fn up_to(max: u64, number: u64) -> u64 {
    if number > max { 0 } else { number }
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    put_text(field, format!("{number:0digits$o}\0").as_bytes());
}

fn time_text((seconds, nanos): (i64, u32)) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let sign = if total < 0 { "-" } else { "" };
    let (whole, fraction) = (
        total.unsigned_abs() / 1_000_000_000,
        total.unsigned_abs() % 1_000_000_000,
    );
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').to_owned()
}
