//! Compresses to LZ77+Huffman, simply: the counterpart of [`crate::xpress`].

use crate::xpress::TABLE_LEN;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

const SYMBOL_COUNT: usize = 2 * TABLE_LEN;
const MAX_CODE_LEN: u8 = 15;
const MIN_COPY: usize = 3;
const MAX_DISTANCE: usize = 0xFFFF;
const END: usize = 256;

/// Compresses to one payload, with one table.
#[must_use]
pub fn compress(plain: &[u8]) -> Vec<u8> {
    let tokens = tokens(plain);
    let mut frequencies = [0u64; SYMBOL_COUNT];
    for token in &tokens {
        frequencies[token.symbol()] += 1;
    }
    frequencies[END] += 1;
    if frequencies.iter().filter(|&&count| count > 0).count() == 1 {
        // A code of one symbol is not complete.
        frequencies[0] += 1;
    }
    let lengths = code_lengths(frequencies);
    let codes = codes(&lengths);

    let mut writer = BitWriter::new(&lengths);
    for token in &tokens {
        let symbol = token.symbol();
        writer.put_bits(codes[symbol], lengths[symbol]);
        if let Token::Copy { distance, len } = *token {
            writer.put_long_length(len - MIN_COPY);
            let bits = distance.ilog2() as u8;
            writer.put_bits((distance - (1 << bits)) as u16, bits);
        }
    }
    writer.put_bits(codes[END], lengths[END]);
    writer.finish()
}

#[derive(Clone, Copy)]
enum Token {
    Literal(u8),
    Copy { distance: usize, len: usize },
}

impl Token {
    fn symbol(self) -> usize {
        match self {
            Self::Literal(value) => usize::from(value),
            Self::Copy { distance, len } => {
                256 + distance.ilog2() as usize * 16 + (len - MIN_COPY).min(15)
            }
        }
    }
}

/// At each place the copy from where the same three bytes stood last, if there is one.
fn tokens(plain: &[u8]) -> Vec<Token> {
    let mut last: HashMap<&[u8], usize> = HashMap::new();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < plain.len() {
        let key = plain.get(at..at + MIN_COPY);
        let earlier = key.and_then(|key| last.insert(key, at));
        let Some(from) = earlier.filter(|from| at - from <= MAX_DISTANCE) else {
            tokens.push(Token::Literal(plain[at]));
            at += 1;
            continue;
        };
        let equal = |(ahead, behind): &(&u8, &u8)| ahead == behind;
        let pairs = plain[at..].iter().zip(&plain[from..]);
        let len = pairs.take_while(equal).count();
        tokens.push(Token::Copy {
            distance: at - from,
            len,
        });
        at += len;
    }
    tokens
}

/// Huffman's lengths; frequencies are halved until none is too long.
fn code_lengths(mut frequencies: [u64; SYMBOL_COUNT]) -> [u8; SYMBOL_COUNT] {
    loop {
        let lengths = huffman(&frequencies);
        if lengths.iter().all(|&len| len <= MAX_CODE_LEN) {
            return lengths;
        }
        for count in &mut frequencies {
            *count = count.div_ceil(2);
        }
    }
}

fn huffman(frequencies: &[u64; SYMBOL_COUNT]) -> [u8; SYMBOL_COUNT] {
    // A node is the symbols below it; with 512 of them that is cheap enough.
    let mut heap = BinaryHeap::new();
    for (symbol, &count) in frequencies
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
    {
        heap.push(Reverse((count, vec![symbol])));
    }
    let mut lengths = [0; SYMBOL_COUNT];
    while let Some(Reverse((count, mut symbols))) = heap.pop() {
        let Some(Reverse((other_count, others))) = heap.pop() else {
            break;
        };
        symbols.extend(others);
        for &symbol in &symbols {
            lengths[symbol] += 1;
        }
        heap.push(Reverse((count + other_count, symbols)));
    }
    lengths
}

/// The canonical code: by length, then by symbol.
fn codes(lengths: &[u8; SYMBOL_COUNT]) -> [u16; SYMBOL_COUNT] {
    let mut codes = [0; SYMBOL_COUNT];
    let mut next = 0u16;
    for len in 1..=MAX_CODE_LEN {
        next <<= 1;
        for symbol in (0..SYMBOL_COUNT).filter(|&symbol| lengths[symbol] == len) {
            codes[symbol] = next;
            next = next.wrapping_add(1);
        }
    }
    codes
}

/// Interleaves words of bits with single bytes, as the format's reader fetches them.
struct BitWriter {
    bytes: Vec<u8>,
    /// Where the words stand that have room: the one being filled first.
    reserved: [usize; 2],
    word: u16,
    used: u8,
}

impl BitWriter {
    fn new(lengths: &[u8; SYMBOL_COUNT]) -> Self {
        let mut bytes: Vec<u8> = lengths
            .chunks(2)
            .map(|pair| pair[0] | pair[1] << 4)
            .collect();
        bytes.extend([0; 4]);
        Self {
            bytes,
            reserved: [TABLE_LEN, TABLE_LEN + 2],
            word: 0,
            used: 0,
        }
    }

    fn put_bits(&mut self, value: u16, count: u8) {
        for bit in (0..count).rev() {
            if self.used == 16 {
                self.store();
                // The reader fetches one further word as soon as it begins the second of two.
                self.reserved = [self.reserved[1], self.bytes.len()];
                self.bytes.extend([0; 2]);
            }
            self.word = self.word << 1 | (value >> bit & 1);
            self.used += 1;
        }
    }

    fn put_long_length(&mut self, len: usize) {
        if len < 15 {
            return;
        }
        match (u8::try_from(len - 15), u16::try_from(len)) {
            (Ok(short), _) if short < 255 => self.bytes.push(short),
            (_, Ok(word)) => {
                self.bytes.push(255);
                self.bytes.extend(word.to_le_bytes());
            }
            _ => {
                self.bytes.extend([255, 0, 0]);
                self.bytes.extend((len as u32).to_le_bytes());
            }
        }
    }

    fn store(&mut self) {
        let word = self.word.to_le_bytes();
        self.bytes[self.reserved[0]..][..2].copy_from_slice(&word);
        (self.word, self.used) = (0, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.word <<= 16 - self.used;
        self.store();
        self.bytes
    }
}
