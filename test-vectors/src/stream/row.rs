//! A row of the catalogue (chapter 11).

/// A row of the catalogue (chapter 11).
#[derive(Clone, Debug)]
pub struct Row {
    /// As in the specification.
    pub path: Vec<u8>,
    /// 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 FIFO.
    pub kind: u8,
    /// Bit 0 superseded, 1 changed, 2 parted, 3 linked, 4 unreadable, 5 sparse.
    pub flags: u16,
    /// Logical size.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: [u64; 2],
    /// Target of a link.
    pub link: Vec<u8>,
    /// BLAKE3 of the content.
    pub content_hash: [u8; 32],
    /// Stream offsets of the `x` header and of the content.
    pub offsets: [u64; 2],
}

impl Row {
    /// The record encoding of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(self.path.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.path);
        bytes.push(self.kind);
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.mtime.0.to_le_bytes());
        bytes.extend_from_slice(&self.mtime.1.to_le_bytes());
        bytes.extend_from_slice(&self.mode.to_le_bytes());
        for number in self.owner {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.link.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.link);
        bytes.extend_from_slice(&self.content_hash);
        for offset in self.offsets {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes
    }
}
