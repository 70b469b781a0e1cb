//! The record encoding of chapter 0: bincode 2 with fixed-width little-endian integers.
//!
//! The only file that names bincode. The specification defines the bytes by itself, and
//! `tests/encoding.rs` holds a second encoder against this one.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nothing that is encoded is longer than a record.
const LIMIT: usize = 16 * 1024 * 1024;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<LIMIT>> = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit::<LIMIT>();

/// Bytes that do not follow the record encoding.
#[derive(Debug)]
pub(crate) struct NotEncoded;

/// Encodes a structure.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, CONFIG)
        .expect("a Vec takes every structure, and no structure of this crate refuses to be encoded")
}

/// Appends the encoding of a structure.
pub(crate) fn append<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    bincode::serde::encode_into_writer(value, Appender(bytes), CONFIG).expect(
        "a Vec takes every structure, and no structure of this crate refuses to be encoded",
    );
}

/// What bincode writes to without its feature `std`.
struct Appender<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Encodes a structure into a buffer that is not moved, and returns how many bytes it took;
/// `None` if the buffer is too short.
pub(crate) fn encode_into<T: Serialize>(value: &T, buffer: &mut [u8]) -> Option<usize> {
    bincode::serde::encode_into_slice(value, buffer, CONFIG).ok()
}

/// Decodes a structure that is all of `bytes` (spec: REC-6).
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, NotEncoded> {
    let (value, rest) = decode_first(bytes)?;
    rest.is_empty().then_some(value).ok_or(NotEncoded)
}

/// Decodes a structure at the start of `bytes`, and returns it with what follows.
///
/// Byte strings and lists of bytes are checked against what is there before memory is taken; other
/// lists grow as they are read.
pub(crate) fn decode_first<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
) -> Result<(T, &'de [u8]), NotEncoded> {
    let (value, len) =
        bincode::serde::borrow_decode_from_slice(bytes, CONFIG).map_err(|_| NotEncoded)?;
    Ok((value, bytes.get(len..).ok_or(NotEncoded)?))
}

/// 32 bytes, for `#[serde(with = "...")]`: as two numbers, of which the encoding gives the same bytes
/// with a sixteenth of the calls.
pub(crate) mod thirty_two {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (halves, _) = bytes.as_chunks::<16>();
        let numbers: [u128; 2] = std::array::from_fn(|half| u128::from_le_bytes(halves[half]));
        numbers.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let numbers = <[u128; 2]>::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        for (half, number) in bytes.chunks_mut(16).zip(numbers) {
            half.copy_from_slice(&number.to_le_bytes());
        }
        Ok(bytes)
    }
}

/// `bytes` of chapter 0 in an owned field, for `#[serde(with = "...")]`.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes.as_ref())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        // Borrowed first: the length is compared with what is there before a Vec is made.
        <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
    }
}

/// `option of bytes` of chapter 0 in an owned field, for `#[serde(with = "...")]`.
pub(crate) mod optional_bytes {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Borrowed<'a>(#[serde(with = "super::bytes")] &'a [u8]);

    #[derive(Deserialize)]
    struct Owned(#[serde(with = "super::bytes")] Vec<u8>);

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_deref().map(Borrowed).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let value = Option::<Owned>::deserialize(deserializer)?;
        Ok(value.map(|Owned(bytes)| bytes))
    }
}

/// `bytes` of chapter 0 that are UTF-8, for `#[serde(with = "...")]`.
pub(crate) mod text {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        <&str>::deserialize(deserializer).map(str::to_owned)
    }
}

/// A `u64` in which all ones mean "none", for `#[serde(with = "...")]`.
pub(crate) mod all_ones {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Copy + Into<u64>>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.map_or(u64::MAX, Into::into))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: From<u64>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let value = u64::deserialize(deserializer)?;
        Ok((value != u64::MAX).then(|| value.into()))
    }
}
