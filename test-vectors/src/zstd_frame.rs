//! Zstandard frames made by hand (RFC 8878): runs become RLE blocks, all else raw blocks.
//!
//! The bytes of a vector must not change with a release of the zstd library, and a frame that is
//! made by hand can be made wrong in one place.

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Longest block: 128 KiB.
const MAX_BLOCK: usize = 128 << 10;
/// From this length on a run is worth a block of its own.
const MIN_RUN: usize = 24;

/// How a frame announces its window.
#[derive(Clone, Copy, Debug)]
pub enum Window {
    /// A single segment of this content size.
    Segment(u64),
    /// A window descriptor (exponent and mantissa), no content size.
    Descriptor(u8),
}

/// One frame of `raw`, which gives its size.
pub fn frame(raw: &[u8]) -> Vec<u8> {
    frame_with(Window::Segment(raw.len() as u64), raw)
}

/// One frame of `raw` that announces whatever `window` says.
pub fn frame_with(window: Window, raw: &[u8]) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    match window {
        // Single segment, content size of 8 bytes.
        Window::Segment(size) => {
            frame.push(0b1110_0000);
            frame.extend_from_slice(&size.to_le_bytes());
        }
        Window::Descriptor(descriptor) => frame.extend_from_slice(&[0, descriptor]),
    }
    let mut blocks = cut(raw).peekable();
    if blocks.peek().is_none() {
        frame.extend_from_slice(&[1, 0, 0]);
    }
    while let Some((content, is_run)) = blocks.next() {
        let is_last = u32::from(blocks.peek().is_none());
        let len = u32::try_from(content.len()).expect("a block is at most 128 KiB");
        let header = is_last | u32::from(is_run) << 1 | len << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(if is_run { &content[..1] } else { content });
    }
    frame
}

/// Cuts into blocks, and tells which are runs.
fn cut(raw: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let run = run_len(rest);
        let is_run = run >= MIN_RUN;
        let len = if is_run { run } else { literal_len(rest) };
        let (block, after) = rest.split_at(len.min(MAX_BLOCK));
        rest = after;
        (!block.is_empty()).then_some((block, is_run))
    })
}

/// How far the next long run is away.
fn literal_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let run = run_len(&bytes[at..]);
        if run >= MIN_RUN {
            break;
        }
        at += run;
    }
    at
}

fn run_len(bytes: &[u8]) -> usize {
    let first = bytes.first();
    let bytes = bytes.iter().take(MAX_BLOCK);
    bytes.take_while(|byte| Some(*byte) == first).count()
}
