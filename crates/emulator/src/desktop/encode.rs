//! Raw and ZRLE.

use flate2::{Compress, Compression, FlushCompress};

use super::frame::{Frame, Rect};
use super::pixel::PixelFormat;

/// Colours of a tile that is sent with a palette of packed indices.
const PACKED_MAX: usize = 4;
/// Colours of a tile that is sent with a palette and runs.
const PALETTE_MAX: usize = 16;

/// All pixels of a part, one after the other.
pub(super) fn raw(frame: &Frame, rect: Rect, format: &PixelFormat, out: &mut Vec<u8>) {
    for pixel in frame.rows(rect).flatten() {
        format.write(*pixel, out);
    }
}

/// The ZRLE encoding: one compressed stream for a connection.
#[derive(Debug)]
pub(super) struct Zrle(Compress);

impl Zrle {
    pub(super) fn new() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }

    /// Length and bytes of a part.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        rect: Rect,
        format: &PixelFormat,
        out: &mut Vec<u8>,
    ) {
        let mut plain = Vec::new();
        for part in rect.tiles() {
            let pixels: Vec<u32> = frame.rows(part).flatten().copied().collect();
            tile(&pixels, part.width, format, &mut plain);
        }
        let packed = self.compress(&plain);
        out.extend(u32::try_from(packed.len()).unwrap_or(0).to_be_bytes());
        out.extend(packed);
    }

    /// Compresses so that the other side can read all of it.
    pub(super) fn compress(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(plain.len() / 2 + 256);
        loop {
            let before = self.0.total_in();
            let flush = FlushCompress::Sync;
            // Only a stream that was ended can fail.
            let _ = self.0.compress_vec(plain, &mut packed, flush);
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(0);
            plain = plain.get(taken..).unwrap_or_default();
            if plain.is_empty() && packed.len() < packed.capacity() {
                return packed;
            }
            packed.reserve(packed.capacity());
        }
    }
}

/// One tile in the way that suits it.
fn tile(pixels: &[u32], width: usize, format: &PixelFormat, out: &mut Vec<u8>) {
    let mut palette: Vec<u32> = Vec::new();
    for pixel in pixels {
        if palette.len() > PALETTE_MAX {
            break;
        }
        if !palette.contains(pixel) {
            palette.push(*pixel);
        }
    }
    let index = |pixel: &u32| palette.iter().position(|colour| colour == pixel);
    let index = |pixel: &u32| u8::try_from(index(pixel).unwrap_or(0)).unwrap_or(0);
    let count = u8::try_from(palette.len()).unwrap_or(u8::MAX);
    let write_palette = |out: &mut Vec<u8>| {
        for colour in &palette {
            format.write_compact(*colour, out);
        }
    };
    match palette.len() {
        1 => {
            out.push(1);
            write_palette(out);
        }
        2..=PACKED_MAX => {
            out.push(count);
            write_palette(out);
            let bits = if count == 2 { 1 } else { 2 };
            for row in pixels.chunks(width) {
                packed_row(row.iter().map(index), bits, out);
            }
        }
        _ if palette.len() <= PALETTE_MAX => {
            out.push(128 + count);
            write_palette(out);
            for (pixel, length) in runs(pixels) {
                if length == 1 {
                    out.push(index(&pixel));
                } else {
                    out.push(128 + index(&pixel));
                    run_length(length, out);
                }
            }
        }
        _ if runs(pixels).count() * 2 < pixels.len() => {
            out.push(128);
            for (pixel, length) in runs(pixels) {
                format.write_compact(pixel, out);
                run_length(length, out);
            }
        }
        _ => {
            out.push(0);
            for pixel in pixels {
                format.write_compact(*pixel, out);
            }
        }
    }
}

/// Indices of `bits` bits, the first in the highest; a row fills its last byte.
fn packed_row(row: impl Iterator<Item = u8>, bits: u8, out: &mut Vec<u8>) {
    let (mut byte, mut used) = (0, 0);
    for index in row {
        used += bits;
        byte |= index << (8 - used);
        if used == 8 {
            out.push(byte);
            (byte, used) = (0, 0);
        }
    }
    if used > 0 {
        out.push(byte);
    }
}

fn runs(pixels: &[u32]) -> impl Iterator<Item = (u32, usize)> {
    let runs = pixels.chunk_by(|a, b| a == b);
    runs.filter_map(|run| Some((*run.first()?, run.len())))
}

fn run_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length - 1;
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}
