//! The tree above the catalogue: TREE PAGE and its items (spec, chapter 11).

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::encoding;
use crate::error::{FormatError, Structure};
use crate::geometry::{DataOffset, Place, StreamOffset};
use crate::limits::{MAX_PAGE_RAW_LEN, MAX_TREE_LEVEL};
use crate::record::FactsPlace;
use crate::wire::{WireReader, u32_len};

const PAGE_HEAD_LEN: usize = 10;

/// A part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreePart {
    /// 1: one [`PageItem`] for each CATALOGUE PAGE.
    Pages,
    /// 2: one [`StripeItem`] for each stripe but the last.
    Stripes,
    /// 3: one [`FactsPlace`] for each FACTS.
    Facts,
}

/// A TREE PAGE: items in a zstd frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreePage<'a> {
    /// The part to which it belongs.
    pub part: TreePart,
    /// 0 for the items of the part, more for [`NodeItem`]s.
    pub level: u8,
    /// How many items.
    pub count: u32,
    /// Length of their encodings together.
    pub raw_len: usize,
    /// The frame that gives them.
    pub frame: &'a [u8],
}

/// An item of level 0 of part 1: a CATALOGUE PAGE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageItem {
    /// The path of its first row.
    #[serde(with = "encoding::bytes")]
    pub first_path: Vec<u8>,
    /// Of its record header.
    pub place: Place,
    /// How many rows it has.
    pub row_count: u32,
}

/// An item of level 0 of part 2: a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeItem {
    /// Of its first chunk; of the next chunk, if it holds none.
    pub stream_offset: StreamOffset,
    /// Of the same chunk.
    pub data_offset: DataOffset,
    /// Of the CHECKPOINT that ends it.
    pub checkpoint: Place,
}

/// An item of a level above 0: a TREE PAGE of the level below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeItem {
    /// In part 1 the first path below it, otherwise empty.
    #[serde(with = "encoding::bytes")]
    pub key: Vec<u8>,
    /// Of its record header.
    pub place: Place,
}

/// What stands in tree pages: [`PageItem`], [`StripeItem`], [`FactsPlace`] and [`NodeItem`].
pub trait TreeItem: sealed::Sealed + Serialize + DeserializeOwned {
    /// Appends the item's encoding.
    fn encode_into(&self, raw: &mut Vec<u8>) {
        raw.extend_from_slice(&encoding::encode(self));
    }

    /// Decodes the joined encodings of `count` items.
    ///
    /// # Errors
    ///
    /// - [`FormatError::Malformed`]: another number of items, or a broken encoding (spec: REC-6).
    fn decode_all(raw: &[u8], count: u32) -> Result<Vec<Self>, FormatError> {
        let broken = |_| {
            let what = "the items do not follow the record encoding";
            FormatError::malformed(Structure::Record, "REC-6", what)
        };
        let mut items = Vec::new();
        let mut rest = raw;
        for _ in 0..count {
            let (item, after) = encoding::decode_first(rest).map_err(broken)?;
            items.push(item);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(broken(encoding::NotEncoded));
        }
        Ok(items)
    }
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for PageItem {}
impl sealed::Sealed for StripeItem {}
impl sealed::Sealed for FactsPlace {}
impl sealed::Sealed for NodeItem {}
impl TreeItem for PageItem {}
impl TreeItem for StripeItem {}
impl TreeItem for FactsPlace {}
impl TreeItem for NodeItem {}

impl TreePart {
    /// All parts, in the order of FINAL's roots.
    pub const ALL: [Self; 3] = [Self::Pages, Self::Stripes, Self::Facts];

    /// The part of that number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.number() == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Pages => 1,
            Self::Stripes => 2,
            Self::Facts => 3,
        }
    }
}

impl<'a> TreePage<'a> {
    /// Encodes the body of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(PAGE_HEAD_LEN + self.frame.len());
        body.push(self.part.number());
        body.push(self.level);
        body.extend_from_slice(&self.count.to_le_bytes());
        body.extend_from_slice(&u32_len(self.raw_len).to_le_bytes());
        body.extend_from_slice(self.frame);
        body
    }

    /// Decodes the body of a record; [`TreeItem::decode_all`] decodes what the frame gives.
    ///
    /// # Errors
    ///
    /// - [`FormatError::LimitExceeded`]: raw_len is over 1 MiB (spec: CAT-2), or level over 3
    ///   (spec: TRE-1).
    /// - [`FormatError::Malformed`]: the body is too short (spec: REC-6), the part is unknown, or
    ///   there is no item (spec: TRE-1).
    pub fn decode(body: &'a [u8]) -> Result<Self, FormatError> {
        let structure = Structure::Tree;
        let short = |_| FormatError::malformed(Structure::Record, "REC-6", "the body is too short");
        let malformed = |what| FormatError::malformed(structure, "TRE-1", what);
        let mut cursor = WireReader::new(structure, body);
        let part = cursor.u8().map_err(short)?;
        let level = cursor.u8().map_err(short)?;
        let count = cursor.u32().map_err(short)?;
        let raw_len = cursor.len32().map_err(short)?;
        let max = MAX_TREE_LEVEL.into();
        FormatError::check_range(structure, "level", level.into(), 0..=max)?; // spec: TRE-1
        let max = MAX_PAGE_RAW_LEN as u64;
        FormatError::check_range(structure, "raw_len", raw_len as u64, 0..=max)?; // spec: CAT-2
        if count == 0 {
            return Err(malformed("a page has no item"));
        }
        Ok(Self {
            part: TreePart::from_number(part).ok_or_else(|| malformed("its part is unknown"))?,
            level,
            count,
            raw_len,
            frame: cursor.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    fn come_back<T: TreeItem + Clone + PartialEq + std::fmt::Debug>(item: T, len: usize) {
        let items = vec![item; 3];
        let mut raw = Vec::new();
        items.iter().for_each(|item| item.encode_into(&mut raw));
        assert_eq!(raw.len(), 3 * len);
        assert_eq!(T::decode_all(&raw, 3).unwrap(), items);
        assert!(T::decode_all(&raw, 2).is_err());
        assert!(T::decode_all(&raw, 4).is_err());
        assert!(T::decode_all(&raw[1..], 3).is_err());
    }

    #[test]
    fn items_come_back() {
        let place = Place(1);
        let path = b"sql/a".to_vec();
        let first_path = path.clone();
        let row_count = 2;
        come_back(
            PageItem {
                first_path,
                place,
                row_count,
            },
            13 + 8 + 4,
        );
        come_back(NodeItem { key: path, place }, 13 + 8);
        let entry = Some(StreamOffset(3));
        come_back(
            FactsPlace {
                entry,
                kind: 4,
                place,
            },
            18,
        );
        let stripe = StripeItem {
            stream_offset: StreamOffset(5),
            data_offset: DataOffset(6),
            checkpoint: place,
        };
        come_back(stripe, 24);
    }

    #[test]
    fn pages_come_back_unless_they_break_rules() {
        let good = TreePage {
            part: TreePart::Stripes,
            level: 3,
            count: 1,
            raw_len: MAX_PAGE_RAW_LEN,
            frame: b"frame",
        };
        assert_eq!(TreePage::decode(&good.encode()).unwrap(), good);
        let class = |page: TreePage<'_>| TreePage::decode(&page.encode()).unwrap_err().class();
        assert_eq!(class(TreePage { level: 4, ..good }), Class::LimitExceeded);
        let raw_len = MAX_PAGE_RAW_LEN + 1;
        assert_eq!(class(TreePage { raw_len, ..good }), Class::LimitExceeded);
        assert_eq!(class(TreePage { count: 0, ..good }), Class::Malformed);
        let mut body = good.encode();
        for part in [0, 4] {
            body[0] = part;
            assert_eq!(
                TreePage::decode(&body).unwrap_err().class(),
                Class::Malformed
            );
        }
        assert_eq!(
            TreePage::decode(&body[..9]).unwrap_err().class(),
            Class::Malformed
        );
    }
}
