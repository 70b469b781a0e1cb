//! What stands behind a member that tells its lengths there.

use super::{CENTRAL, DESCRIPTOR, LOCAL, Sum, le};

/// The descriptor behind a member, of which nothing tells the layout: its signature is optional,
/// and its lengths take 4 bytes or 8. A ZIP64 extra field should go with long ones, but .NET's
/// packages have them without.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) len: usize,
    /// Whether a member or the directory comes behind it.
    pub(super) is_sure: bool,
}

impl Descriptor {
    /// The longest one, and the signature behind it.
    pub(super) const AHEAD: usize = 28;
    /// Lengths of the signature and of each length.
    const LAYOUTS: [(usize, usize); 4] = [(4, 4), (4, 8), (0, 4), (0, 8)];

    /// The layout in which what comes says what was found.
    pub(super) fn of(found: Sum, ahead: &[u8]) -> Option<Self> {
        let fitting = Self::LAYOUTS.into_iter().filter_map(|(start, width)| {
            let len = start + 4 + 2 * width;
            let (signature, values) = ahead.get(..len)?.split_at(start);
            let lens = &values[4..];
            let stated = Sum {
                crc: le(&values[..4]),
                compressed_len: le(&lens[..width]),
                len: le(&lens[width..]),
            };
            let fits = DESCRIPTOR.starts_with(signature) && stated == found;
            let is_sure = is_followed(ahead, len);
            fits.then_some(Self { len, is_sure })
        });
        // Of an empty member several layouts may fit.
        fitting.max_by_key(|descriptor| descriptor.is_sure)
    }

    /// How long one is that says something else.
    pub(super) fn len_of_wrong(ahead: &[u8], is_zip64: bool) -> usize {
        let lens = Self::LAYOUTS.map(|(start, width)| start + 4 + 2 * width);
        let followed = lens.into_iter().find(|len| is_followed(ahead, *len));
        let start = if ahead.starts_with(DESCRIPTOR) { 4 } else { 0 };
        let width = if is_zip64 { 8 } else { 4 };
        followed.unwrap_or(start + 4 + 2 * width)
    }
}

/// Whether what follows the first `len` bytes is what can follow a member.
fn is_followed(ahead: &[u8], len: usize) -> bool {
    let behind = ahead.get(len..).unwrap_or_default();
    [LOCAL, CENTRAL].iter().any(|one| behind.starts_with(*one))
}
