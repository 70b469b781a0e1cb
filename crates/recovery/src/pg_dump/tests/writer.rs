//! Writes dumps by the rules of the format, as `pg_dump` of several versions would.

use std::io::Write;

use flate2::write::ZlibEncoder;

/// A dump that is being written.
pub(super) struct Writer {
    pub(super) minor: u8,
    pub(super) compression: u8,
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(minor: u8, format: u8, compression: u8) -> Self {
        let mut writer = Self {
            minor,
            compression,
            bytes: b"PGDMP\x01".to_vec(),
        };
        writer.bytes.extend([minor, 0, 4, 8, format]);
        if minor >= 15 {
            writer.bytes.push(compression);
        } else {
            writer.int(i32::from(compression));
        }
        for field in [5, 4, 3, 2, 0, 126, 0] {
            writer.int(field);
        }
        for text in ["shop", "16.1", "17.2"] {
            writer.string(Some(text));
        }
        writer
    }

    pub(super) fn int(&mut self, value: i32) {
        self.bytes.push(u8::from(value < 0));
        self.bytes.extend(value.unsigned_abs().to_le_bytes());
    }

    pub(super) fn string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.int(text.len() as i32);
                self.bytes.extend(text.as_bytes());
            }
            None => self.int(-1),
        }
    }

    /// An entry, up to what depends on the format.
    pub(super) fn entry(&mut self, dump_id: i32, has_data: bool, tag: &str, description: &str) {
        self.int(dump_id);
        self.int(i32::from(has_data));
        for text in ["1259", "16384", tag, description] {
            self.string(Some(text));
        }
        self.int(3);
        for text in [Some("definition"), Some(""), None, Some("public"), Some("")] {
            self.string(text);
        }
        if self.minor >= 14 {
            self.string(Some("heap"));
        }
        if self.minor >= 16 {
            self.int(i32::from(b'r'));
        }
        self.string(Some("owner"));
        self.string(Some("false"));
        self.string(Some("12"));
        self.string(None);
    }

    /// An offset, of which only the state is known yet. Gives its place.
    pub(super) fn offset(&mut self, state: u8) -> usize {
        self.bytes.push(state);
        self.bytes.extend([0; 8]);
        self.bytes.len() - 8
    }

    /// Sets an offset to what comes next.
    pub(super) fn set_offset(&mut self, place: usize) {
        let offset = self.bytes.len() as u64;
        self.bytes[place..place + 8].copy_from_slice(&offset.to_le_bytes());
    }

    pub(super) fn chunks(&mut self, content: &[u8]) {
        let stored = if self.compression == 1 {
            let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.to_vec()
        };
        for chunk in stored.chunks(20) {
            self.int(chunk.len() as i32);
            self.bytes.extend(chunk);
        }
        self.int(0);
    }
}

/// A custom dump of two tables and two large objects.
pub(super) fn custom(minor: u8, compression: u8, state: u8) -> Vec<u8> {
    let mut writer = Writer::new(minor, 1, compression);
    writer.int(4);
    writer.entry(2, false, "vector", "EXTENSION");
    writer.offset(3);
    let places = [
        (7, "note", "TABLE DATA"),
        (9, "tag", "TABLE DATA"),
        (11, "1..2", "BLOBS"),
    ]
    .map(|(dump_id, tag, description)| {
        writer.entry(dump_id, true, tag, description);
        writer.offset(state)
    });
    for (place, dump_id) in places.into_iter().zip([7, 9]) {
        if state == 2 {
            writer.set_offset(place);
        }
        writer.bytes.push(1);
        writer.int(dump_id);
        writer.chunks(b"1\tone\n2\ttwo two two two two two\n\\.\n\n\n");
    }
    if state == 2 {
        writer.set_offset(places[2]);
    }
    writer.bytes.push(3);
    writer.int(11);
    for oid in [100, 101] {
        writer.int(oid);
        writer.chunks(b"a large object");
    }
    writer.int(0);
    writer.bytes
}

/// The table of contents of a directory, or of a tar, which has another name for large objects.
pub(super) fn toc(minor: u8, blobs_name: &str) -> Vec<u8> {
    let mut writer = Writer::new(minor, 3, 0);
    writer.int(3);
    writer.entry(2, false, "plpgsql", "EXTENSION");
    writer.string(Some(""));
    writer.entry(7, true, "note", "TABLE DATA");
    writer.string(Some("7.dat"));
    writer.entry(11, true, "BLOBS", "BLOBS");
    writer.string(Some(blobs_name));
    writer.bytes
}

/// The members of a tar.
pub(super) fn members() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("toc.dat", toc(16, "11.dat")),
        ("7.dat", b"1\tone\n\\.\n\n\n".to_vec()),
        ("blob_100.dat", b"a large object".to_vec()),
        ("blob_101.dat", Vec::new()),
        (
            "blobs_11.toc",
            b"100 blob_100.dat\n101 blob_101.dat\n".to_vec(),
        ),
        ("restore.sql", b"--\n".to_vec()),
    ]
}

pub(super) fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}
