//! Decompresses LZ77+Huffman ("XPRESS Huffman" of MS-XCA), the algorithm of compressed backups.

use thiserror::Error;

/// The bytes of the table of code lengths that opens a payload.
pub const TABLE_LEN: usize = 256;

const SYMBOL_COUNT: usize = 2 * TABLE_LEN;
const MAX_CODE_LEN: usize = 15;
/// Symbols below are literals, those from here on are copies.
const FIRST_COPY: u16 = 256;
/// The copy that also says, after the last byte, that it was the last (MS-XCA 2.2.4).
const END: u16 = 256;
/// The shortest copy; lengths are written less this.
const MIN_COPY: usize = 3;
/// A length in a symbol that says: more of it follows in the byte stream.
const LONG_LENGTH: usize = 15;

/// Codes up to this length are found by one look into a table. With 11 bits it takes 4 KiB, which
/// stays in the first cache beside the output; longer codes are rare by construction.
const LOOKUP_BITS: usize = 11;

/// Why a payload does not decompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum XpressError {
    /// The payload ends inside its table of code lengths.
    #[error("it ends inside its table of code lengths")]
    NoTable,
    /// The code lengths do not make a complete code: this is not LZ77+Huffman, or damaged.
    #[error("its code lengths do not make a complete code")]
    IncompleteTable,
    /// The payload ends before the output is full.
    #[error("it ends before all {expected} bytes are decompressed")]
    Truncated {
        /// The length that the output should have.
        expected: usize,
    },
    /// A copy begins before the first byte of the output.
    #[error("a copy at byte {at} reaches {distance} bytes back")]
    CopyBeforeStart {
        /// Where in the output.
        at: usize,
        /// How far back the copy should begin.
        distance: usize,
    },
    /// A copy would make the output longer than it should be.
    #[error("a copy of {len} bytes at byte {at} goes beyond the last of {expected}")]
    CopyBeyondEnd {
        /// Where in the output.
        at: usize,
        /// The length of the copy.
        len: usize,
        /// The length that the output should have.
        expected: usize,
    },
    /// A length in the long form that the short form could have said.
    #[error("a length of {len} is written in the long form")]
    LengthForm {
        /// The length.
        len: usize,
    },
    /// The output is full, but the payload does not end there.
    #[error("it goes on after {expected} bytes are decompressed")]
    NoEnd {
        /// The length that the output should have.
        expected: usize,
    },
}

/// Decompresses one payload, whose output has exactly the length of `output`.
///
/// One payload has one table, and in a medium its output is at most 64 KiB; here it may be longer.
/// It must end where the output does, so an output of another length does not pass. Whatever the payload holds, the work is bounded by the length of `output`.
///
/// # Errors
///
/// [`XpressError`]; what `output` then holds is without meaning.
pub fn decompress(payload: &[u8], output: &mut [u8]) -> Result<(), XpressError> {
    let (table, coded) = payload.split_first_chunk().ok_or(XpressError::NoTable)?;
    let table = DecodeTable::new(table)?;
    let mut bits = BitReader::new(coded);
    let mut at = 0;
    while at < output.len() {
        bits.refill();
        let mut symbol = table.next(&mut bits);
        // Two literals fit into one refill: 2 * 15 bits.
        if symbol < FIRST_COPY {
            output[at] = symbol as u8;
            at += 1;
            if at == output.len() {
                break;
            }
            symbol = table.next(&mut bits);
            if symbol < FIRST_COPY {
                output[at] = symbol as u8;
                at += 1;
                continue;
            }
            bits.refill();
        }
        let expected = output.len();
        let len = match usize::from(symbol & 15) {
            LONG_LENGTH => bits.long_length(expected)?,
            len => len,
        } + MIN_COPY;
        let distance_bits = u32::from((symbol - FIRST_COPY) >> 4);
        let distance = (1 << distance_bits) + bits.take(distance_bits) as usize;
        if distance > at {
            return Err(XpressError::CopyBeforeStart { at, distance });
        }
        if len > expected - at {
            return Err(XpressError::CopyBeyondEnd { at, len, expected });
        }
        copy(output, at, distance, len);
        at += len;
    }
    bits.refill();
    let symbol = table.next(&mut bits);
    bits.finish(symbol, output.len())
}

/// Finds the symbol that the next bits say.
struct DecodeTable {
    /// By the next [`LOOKUP_BITS`] bits: the symbol, and the length of its code in the high bits.
    /// Zero where the code is longer.
    lookup: [u16; 1 << LOOKUP_BITS],
    /// All symbols that have a code, in the order of their codes.
    symbols: [u16; SYMBOL_COUNT],
    /// By length: the first 16 bits, left-aligned, that no code of up to this length begins with.
    limits: [u32; MAX_CODE_LEN + 1],
    /// By length: what to add to a code of this length to have its place in `symbols`.
    places: [i32; MAX_CODE_LEN + 1],
}

const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u16 = (1 << SYMBOL_BITS) - 1;

impl DecodeTable {
    fn new(packed: &[u8; TABLE_LEN]) -> Result<Self, XpressError> {
        let mut counts = [0u16; MAX_CODE_LEN + 1];
        for byte in packed {
            counts[usize::from(byte & 15)] += 1;
            counts[usize::from(byte >> 4)] += 1;
        }
        let mut table = Self {
            lookup: [0; 1 << LOOKUP_BITS],
            symbols: [0; SYMBOL_COUNT],
            limits: [0; MAX_CODE_LEN + 1],
            places: [0; MAX_CODE_LEN + 1],
        };
        // `code` in units of the longest code, so that a complete code ends at 2^15.
        let mut code = 0;
        let mut place = 0;
        let mut next_places = [0; MAX_CODE_LEN + 1];
        for len in 1..=MAX_CODE_LEN {
            let first_code = code >> (MAX_CODE_LEN - len);
            table.places[len] = place - first_code as i32;
            next_places[len] = place as usize;
            place += i32::from(counts[len]);
            code += u32::from(counts[len]) << (MAX_CODE_LEN - len);
            table.limits[len] = code << 1;
        }
        if code != 1 << MAX_CODE_LEN {
            return Err(XpressError::IncompleteTable);
        }
        for symbol in 0..SYMBOL_COUNT {
            let len = usize::from((packed[symbol / 2] >> (4 * (symbol % 2))) & 15);
            if len > 0 {
                table.symbols[next_places[len]] = symbol as u16;
                next_places[len] += 1;
            }
        }
        table.fill_lookup(&counts);
        Ok(table)
    }

    fn fill_lookup(&mut self, counts: &[u16; MAX_CODE_LEN + 1]) {
        let mut symbols = self.symbols.iter();
        let mut rest = &mut self.lookup[..];
        for (len, &count) in (1..).zip(&counts[1..=LOOKUP_BITS]) {
            let width = 1 << (LOOKUP_BITS - len);
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                // The code is complete, so there is room for all; if not, the rest stays zero.
                let (entries, after) = rest.split_at_mut(width.min(rest.len()));
                entries.fill(symbol | (len as u16) << SYMBOL_BITS);
                rest = after;
            }
        }
    }

    /// The next symbol; there must be 15 bits.
    #[inline]
    fn next(&self, bits: &mut BitReader<'_>) -> u16 {
        let entry = self.lookup[(bits.window >> (64 - LOOKUP_BITS)) as usize];
        if entry == 0 {
            return self.next_long(bits);
        }
        bits.drop(u32::from(entry >> SYMBOL_BITS));
        entry & SYMBOL_MASK
    }

    #[cold]
    fn next_long(&self, bits: &mut BitReader<'_>) -> u16 {
        let ahead = (bits.window >> 48) as u32;
        let is_below = |len: &usize| ahead < self.limits[*len];
        let len = (LOOKUP_BITS + 1..MAX_CODE_LEN)
            .find(is_below)
            .unwrap_or(MAX_CODE_LEN);
        let code = (ahead >> (16 - len)) as i32;
        bits.drop(len as u32);
        let place = (self.places[len] + code) as usize;
        // Never beyond, since the code is complete.
        self.symbols[place % SYMBOL_COUNT]
    }
}

/// Reads bits and bytes out of one stream, in which they are interleaved.
///
/// The format defines a reader that fetches a 16-bit word whenever fewer than 16 bits are left, and
/// takes single bytes from behind the words fetched so far. This one fetches further ahead and
/// calculates back where that reader would stand ([`Self::byte_position`]).
struct BitReader<'a> {
    bytes: &'a [u8],
    /// Behind the last word fetched. Beyond the end, zeros were fetched.
    position: usize,
    /// The next bits, from the highest on.
    window: u64,
    /// How many bits of `window` are valid.
    valid: u32,
}

impl<'a> BitReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self {
            bytes,
            position: 0,
            window: 0,
            valid: 0,
        };
        reader.refill();
        reader
    }

    /// Makes sure of 32 bits: a code of 15 and a distance of 15 fit.
    #[inline]
    fn refill(&mut self) {
        if self.valid > 32 {
            return;
        }
        let ahead = self.bytes.get(self.position..).unwrap_or_default();
        let words = match ahead.first_chunk() {
            Some(words) => u32::from_le_bytes(*words),
            None => last_words(ahead),
        };
        // The first word is the high one.
        let words = u64::from(words.rotate_left(16));
        self.window |= words << (32 - self.valid);
        self.valid += 32;
        self.position += 4;
    }

    #[inline]
    fn drop(&mut self, count: u32) {
        self.window <<= count;
        self.valid -= count;
    }

    #[inline]
    fn take(&mut self, count: u32) -> u64 {
        // In two steps, since a shift by 64 is none.
        let value = (self.window >> 1) >> (63 - count);
        self.drop(count);
        value
    }

    /// Where the format's reader takes the next single byte.
    fn byte_position(&self) -> usize {
        self.position - self.words_ahead() * 2
    }

    /// How many words are fetched that the format's reader, which has 16 to 31 bits, has not.
    fn words_ahead(&self) -> usize {
        (self.valid / 16).saturating_sub(1) as usize
    }

    /// The rest of a length that does not fit into a symbol.
    fn long_length(&mut self, expected: usize) -> Result<usize, XpressError> {
        let position = self.byte_position();
        let ahead = self.bytes.get(position..).unwrap_or_default();
        let truncated = XpressError::Truncated { expected };
        let (&first, rest) = ahead.split_first().ok_or(truncated)?;
        let (len, taken) = if first < 255 {
            (LONG_LENGTH + usize::from(first), 1)
        } else {
            let (word, rest) = rest.split_first_chunk().ok_or(truncated)?;
            let (len, taken) = match u16::from_le_bytes(*word) {
                0 => {
                    let long = rest.first_chunk().ok_or(truncated)?;
                    let len = u32::from_le_bytes(*long);
                    // Whatever is longer than 4 GiB less something is too long for any output.
                    (usize::try_from(len).unwrap_or(usize::MAX - MIN_COPY), 7)
                }
                len => (usize::from(len), 3),
            };
            if len < LONG_LENGTH {
                return Err(XpressError::LengthForm { len });
            }
            (len, taken)
        };
        self.go_on_at(position + taken);
        Ok(len.min(usize::MAX - MIN_COPY))
    }

    /// Forgets what was fetched too early, and fetches from `position` on.
    fn go_on_at(&mut self, position: usize) {
        let ahead = self.words_ahead() as u32;
        self.valid -= ahead * 16;
        self.window &= !(u64::MAX >> self.valid);
        self.position = position;
        self.refill();
    }

    /// The last symbol must be the end, and the format's reader stand exactly behind it.
    fn finish(&self, symbol: u16, expected: usize) -> Result<(), XpressError> {
        let position = self.byte_position();
        if position > self.bytes.len() {
            return Err(XpressError::Truncated { expected });
        }
        if symbol != END || position < self.bytes.len() {
            return Err(XpressError::NoEnd { expected });
        }
        Ok(())
    }
}

/// What is left of less than two words, filled up with zeros.
#[cold]
fn last_words(ahead: &[u8]) -> u32 {
    let mut words = [0; 4];
    words[..ahead.len()].copy_from_slice(ahead);
    u32::from_le_bytes(words)
}

/// Repeats `len` bytes that begin `distance` before `at`; they may overlap what they make.
#[inline]
fn copy(output: &mut [u8], at: usize, distance: usize, len: usize) {
    const STEP: usize = 16;
    // In whole steps, which may write beyond the copy, where that is still output.
    if distance >= STEP && output.len() - at >= len + STEP {
        let (from, to) = output.split_at_mut(at);
        if distance >= len + STEP {
            let from = &from[at - distance..][..len + STEP];
            let (from, _) = from.as_chunks::<STEP>();
            let (to, _) = to[..len + STEP].as_chunks_mut::<STEP>();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
            return;
        }
        let mut done = 0;
        while done < len {
            let step: [u8; STEP] = std::array::from_fn(|i| output[at + done - distance + i]);
            output[at + done..][..STEP].copy_from_slice(&step);
            done += STEP;
        }
    } else if distance == 1 {
        let value = output[at - 1];
        output[at..at + len].fill(value);
    } else if distance >= len {
        output.copy_within(at - distance..at - distance + len, at);
    } else {
        for to in at..at + len {
            output[to] = output[to - distance];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::xpress::compress;
    use proptest::prelude::*;

    /// MS-XCA 3.2, the first example: the letters from a to z.
    fn alphabet() -> Vec<u8> {
        let mut payload = vec![0; TABLE_LEN];
        payload[0x30] = 0x50;
        payload[0x31..0x3B].fill(0x55);
        payload[0x3B..0x3E].copy_from_slice(&[0x45, 0x44, 0x04]);
        payload[0x80] = 0x04;
        payload.extend([0xD8, 0x52, 0x3E, 0xD7, 0x94, 0x11, 0x5B, 0xE9, 0x19, 0x5F]);
        payload.extend([0xF9, 0xD6, 0x7C, 0xDF, 0x8D, 0x04, 0, 0, 0, 0]);
        payload
    }

    /// MS-XCA 3.2, the second example: "abc" a hundred times.
    fn hundred_times_abc() -> Vec<u8> {
        let mut payload = vec![0; TABLE_LEN];
        payload[0x30..0x32].copy_from_slice(&[0x30, 0x23]);
        payload[0x80] = 0x02;
        payload[0x8F] = 0x20;
        payload.extend([0xA8, 0xDC, 0x00, 0x00, 0xFF, 0x26, 0x01]);
        payload
    }

    fn decompressed(payload: &[u8], len: usize) -> Result<Vec<u8>, XpressError> {
        let mut output = vec![0xEE; len];
        decompress(payload, &mut output).map(|()| output)
    }

    #[test]
    fn the_published_examples_decompress() {
        let letters: Vec<u8> = (b'a'..=b'z').collect();
        assert_eq!(decompressed(&alphabet(), 26), Ok(letters));
        assert_eq!(
            decompressed(&hundred_times_abc(), 300),
            Ok(b"abc".repeat(100))
        );
    }

    #[test]
    fn only_the_right_length_passes() {
        for len in (0..26).chain(27..100) {
            assert!(decompressed(&alphabet(), len).is_err(), "{len}");
        }
        for len in [0, 1, 299, 301, 65_536] {
            assert!(decompressed(&hundred_times_abc(), len).is_err(), "{len}");
        }
    }

    #[test]
    fn a_payload_cut_anywhere_does_not_pass() {
        for (whole, len) in [(alphabet(), 26), (hundred_times_abc(), 300)] {
            for cut in 0..whole.len() {
                assert!(decompressed(&whole[..cut], len).is_err(), "{cut}");
            }
        }
        assert_eq!(decompressed(&[0; 255], 1), Err(XpressError::NoTable));
    }

    #[test]
    fn a_code_that_is_not_complete_is_refused() {
        let mut payload = alphabet();
        payload[0x80] = 0x05;
        assert_eq!(
            decompressed(&payload, 26),
            Err(XpressError::IncompleteTable)
        );
        payload[0x80] = 0x03;
        assert_eq!(
            decompressed(&payload, 26),
            Err(XpressError::IncompleteTable)
        );
        assert_eq!(
            decompressed(&[0; 300], 26),
            Err(XpressError::IncompleteTable)
        );
        // More codes than there is room for.
        assert_eq!(
            decompressed(&[0x11; 300], 26),
            Err(XpressError::IncompleteTable)
        );
    }

    #[test]
    fn a_copy_may_not_reach_before_the_start() {
        // The copy's code first: 10, and the distance's bit.
        let mut payload = hundred_times_abc();
        payload.truncate(TABLE_LEN);
        payload.extend([0x00, 0xA0, 0, 0, 0xFF, 0x26, 0x01]);
        let expected = XpressError::CopyBeforeStart { at: 0, distance: 3 };
        assert_eq!(decompressed(&payload, 300), Err(expected));
    }

    #[test]
    fn a_copy_may_not_go_beyond_the_end() {
        let expected = XpressError::CopyBeyondEnd {
            at: 3,
            len: 297,
            expected: 299,
        };
        assert_eq!(decompressed(&hundred_times_abc(), 299), Err(expected));
    }

    #[test]
    fn lengths_of_every_form_decompress() {
        let long = |len| {
            let mut plain = vec![b'x'; len];
            plain.extend(b"yz");
            plain
        };
        for len in [
            1, 2, 4, 17, 18, 19, 272, 273, 274, 65_537, 65_538, 65_539, 70_000,
        ] {
            let plain = long(len);
            assert_eq!(
                decompressed(&compress(&plain), plain.len()),
                Ok(plain),
                "{len}"
            );
        }
    }

    #[test]
    fn codes_of_the_greatest_length_decompress() {
        // Frequencies as the Fibonacci numbers make the longest codes.
        let (mut plain, mut counts) = (Vec::new(), (1usize, 1usize));
        for value in 0..22u8 {
            plain.extend(std::iter::repeat_n([value, value.wrapping_mul(37)], counts.0).flatten());
            counts = (counts.1, counts.0 + counts.1);
        }
        let mut shuffled = plain.clone();
        let mut state = 1u64;
        for index in (1..shuffled.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let payload = compress(&shuffled);
        let longest = payload[..TABLE_LEN]
            .iter()
            .map(|pair| (pair & 15).max(pair >> 4))
            .max();
        assert!(longest > Some(LOOKUP_BITS as u8), "{longest:?}");
        assert_eq!(decompressed(&payload, shuffled.len()), Ok(shuffled));
    }

    /// Bytes with repetitions at short and long distances.
    fn plain() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![
            prop::collection::vec(any::<u8>(), 1..80),
            (any::<u8>(), 1..400usize).prop_map(|(value, len)| vec![value; len]),
            (prop::collection::vec(0..4u8, 1..20), 1..30usize).prop_map(|(v, n)| v.repeat(n)),
        ];
        prop::collection::vec(run, 1..30).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn what_is_compressed_decompresses(plain in plain()) {
            prop_assert_eq!(decompressed(&compress(&plain), plain.len()), Ok(plain));
        }

        #[test]
        fn garbage_after_a_complete_code_ends_in_order(
            coded in prop::collection::vec(any::<u8>(), 0..400),
            len in 0..5000usize,
        ) {
            let mut payload = compress(&[b"abcdefghij".as_slice(), &[0; 300]].concat());
            payload.truncate(TABLE_LEN);
            payload.extend(coded);
            let _ = decompressed(&payload, len);
        }

        #[test]
        fn a_changed_payload_ends_in_order(
            plain in plain(),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let mut payload = compress(&plain);
            let at = at.index(payload.len());
            payload[at] = value;
            let _ = decompressed(&payload, plain.len());
        }
    }
}
