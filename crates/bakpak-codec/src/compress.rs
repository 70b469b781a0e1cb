//! Zstandard (RFC 8878) for chunks and pages: one frame, no dictionary, bounded.

use bakpak_format::limits::MAX_ZSTD_WINDOW_LOG;
use std::io;
use zstd::zstd_safe::CParameter;

/// The level that is tuned for what matching leaves.
pub(crate) const DEFAULT_LEVEL: i32 = 3;

/// zstd's own words when a frame does not fit.
const DESTINATION_FULL: &str = "Destination buffer is too small";

/// Compresses one buffer after another with one context.
pub(crate) struct Compressor(zstd::bulk::Compressor<'static>);

/// Decompresses one frame after another with one context.
pub(crate) struct Decompressor(zstd::bulk::Decompressor<'static>);

/// A frame is not what the format allows (spec: CHU-6).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the compressed data is not one zstd frame: {0}")]
    Malformed(&'static str),
    #[error("the zstd window is {0} bytes")]
    Window(u64),
}

impl Compressor {
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(level)?;
        // Tags authenticate every byte; zstd's own checksum and size field would be dead weight.
        compressor.include_checksum(false)?;
        compressor.include_contentsize(true)?;
        if level == DEFAULT_LEVEL {
            tune(&mut compressor)?;
        }
        Ok(Self(compressor))
    }

    /// The frame of `raw`, or `None` if it gains less than 1/64: then it is stored.
    pub(crate) fn compress(&mut self, raw: &[u8]) -> io::Result<Option<Vec<u8>>> {
        // Room for exactly what would be worth it: zstd gives up as soon as it is full.
        let mut frame = Vec::with_capacity(raw.len() - raw.len() / 64);
        match self.0.compress_to_buffer(raw, &mut frame) {
            Ok(_) => Ok(Some(frame)),
            Err(error) if error.to_string() == DESTINATION_FULL => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The frame of `raw`, whatever it gains.
    pub(crate) fn compress_always(&mut self, raw: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(raw)
    }
}

/// Tables half as large and matches from 6 bytes on: a tenth faster on chunks of 1 MiB for the
/// same size (format-spec/rationale.md, "Compression").
fn tune(compressor: &mut zstd::bulk::Compressor<'static>) -> io::Result<()> {
    let parameters = [
        CParameter::MinMatch(6),
        CParameter::HashLog(16),
        CParameter::ChainLog(15),
    ];
    parameters
        .into_iter()
        .try_for_each(|parameter| compressor.set_parameter(parameter))
}

impl Decompressor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(zstd::bulk::Decompressor::new()?))
    }

    /// Decompresses `frame` into exactly `raw_len` bytes, which `raw` holds then (spec: CHU-6).
    pub(crate) fn decompress(
        &mut self,
        frame: &[u8],
        raw_len: usize,
        raw: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        check_frame(frame)?;
        // zstd writes no more than the buffer has room for, which is bounded as `raw_len` is.
        raw.clear();
        raw.reserve_exact(raw_len);
        let written = self
            .0
            .decompress_to_buffer(frame, raw)
            .map_err(|_| FrameError::Malformed("it does not decompress to the length declared"))?;
        if written != raw_len {
            return Err(FrameError::Malformed(
                "it does not decompress to the length declared",
            ));
        }
        Ok(())
    }
}

/// Checks what zstd itself would let pass: skippable and further frames, dictionaries, the window.
fn check_frame(frame: &[u8]) -> Result<(), FrameError> {
    const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
    if frame.get(..4) != Some(&MAGIC) {
        return Err(FrameError::Malformed("it does not begin as zstd data do"));
    }
    let descriptor = *frame.get(4).ok_or(FrameError::Malformed("cut"))?;
    if descriptor & 0b11 != 0 {
        return Err(FrameError::Malformed("it names a dictionary"));
    }
    let single_segment = descriptor & 0b10_0000 != 0;
    let window = if single_segment {
        zstd::zstd_safe::get_frame_content_size(frame)
            .map_err(|_| FrameError::Malformed("header"))?
            .ok_or(FrameError::Malformed("header"))?
    } else {
        // RFC 8878, 3.1.1.1.2: exponent in the upper five bits, mantissa in the lower three.
        let byte = u64::from(*frame.get(5).ok_or(FrameError::Malformed("cut"))?);
        let base = 1u64 << (10 + (byte >> 3));
        base + base / 8 * (byte & 7)
    };
    if window > 1 << MAX_ZSTD_WINDOW_LOG {
        return Err(FrameError::Window(window));
    }
    match zstd::zstd_safe::find_frame_compressed_size(frame) {
        Ok(len) if len == frame.len() => Ok(()),
        Ok(_) => Err(FrameError::Malformed("something follows the frame")),
        Err(_) => Err(FrameError::Malformed("cut")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gains_less_than_a_64th_is_stored() {
        let mut noise = vec![0; 1 << 20];
        crate::random::Random::seeded(b"noise")
            .fill(&mut noise)
            .unwrap();
        let mut compressor = Compressor::new(3).unwrap();
        assert_eq!(compressor.compress(&noise).unwrap(), None);
        assert!(compressor.compress(&noise[..1]).unwrap().is_none());
        assert!(compressor.compress(&[]).unwrap().is_none());
        assert!(
            compressor
                .compress(&vec![7; 1 << 20])
                .unwrap()
                .unwrap()
                .len()
                < 200
        );
        // The context is whole after it gave up.
        let frame = compressor.compress(&vec![8; 5000]).unwrap().unwrap();
        let mut raw = Vec::new();
        Decompressor::new()
            .unwrap()
            .decompress(&frame, 5000, &mut raw)
            .unwrap();
        assert_eq!(raw, vec![8; 5000]);
    }

    #[test]
    fn a_frame_gives_exactly_the_length_declared() {
        let frame = Compressor::new(3)
            .unwrap()
            .compress_always(&[1; 10_000])
            .unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let mut raw = Vec::new();
        for wrong in [0, 1, 9_999, 10_001, 1 << 20] {
            assert!(
                decompressor.decompress(&frame, wrong, &mut raw).is_err(),
                "{wrong}"
            );
        }
        assert!(decompressor.decompress(&frame, 10_000, &mut raw).is_ok());
    }

    #[test]
    fn further_frames_cut_frames_and_large_windows_are_refused() {
        let frame = Compressor::new(3)
            .unwrap()
            .compress_always(&[1; 10_000])
            .unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let mut raw = Vec::new();
        let two = [frame.clone(), frame.clone()].concat();
        assert!(decompressor.decompress(&two, 20_000, &mut raw).is_err());
        let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0], frame.as_slice()].concat();
        assert!(
            decompressor
                .decompress(&skippable, 10_000, &mut raw)
                .is_err()
        );
        for len in 0..frame.len() {
            assert!(
                decompressor
                    .decompress(&frame[..len], 10_000, &mut raw)
                    .is_err(),
                "{len}"
            );
        }
        // Window descriptor 0x69: exponent 13, mantissa 1: 9 MiB.
        let large = [0x28, 0xB5, 0x2F, 0xFD, 0, 0x69, 1, 0, 0];
        assert_eq!(check_frame(&large), Err(FrameError::Window(9 << 20)));
    }
}
