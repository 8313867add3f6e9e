//! ZRLE (RFC 6143, section 7.7.6): tiles of 64 by 64 pixels, each packed in its own way, all in one zlib
//! stream for the whole connection.

use flate2::{Decompress, FlushDecompress, Status};

use super::RfbError;
use super::screen::{ScreenArea, ScreenPixels};

const TILE: u16 = 64;
/// Beside its pixels a tile has a kind and a palette at most.
const TILE_HEAD_BYTES_MAX: usize = 1 + 127 * 3;

const BAD: RfbError = RfbError::Protocol("a damaged frame");

/// The zlib stream of a connection.
pub(super) struct ZrleDecoder {
    stream: Decompress,
    plain: Vec<u8>,
}

impl ZrleDecoder {
    pub(super) fn new() -> Self {
        Self {
            stream: Decompress::new(true),
            plain: Vec::new(),
        }
    }

    /// Draws a rectangle, which was checked to be on the screen.
    pub(super) fn draw_area(
        &mut self,
        packed: &[u8],
        area: ScreenArea,
        screen: &mut ScreenPixels,
    ) -> Result<(), RfbError> {
        let tiles =
            usize::from(area.width.div_ceil(TILE)) * usize::from(area.height.div_ceil(TILE));
        // Runs take four bytes a pixel at worst.
        let max = area.pixel_count() * 4 + tiles * TILE_HEAD_BYTES_MAX;
        self.inflate_bytes(packed, max)?;
        let mut plain = PlainBytes(&self.plain);
        for top in (0..area.height).step_by(usize::from(TILE)) {
            for left in (0..area.width).step_by(usize::from(TILE)) {
                let tile = ScreenArea {
                    x: area.x + left,
                    y: area.y + top,
                    width: TILE.min(area.width - left),
                    height: TILE.min(area.height - top),
                };
                draw_tile(&mut plain, tile, screen)?;
            }
        }
        // Bytes that belong to no tile: this side has misread one before.
        if plain.0.is_empty() { Ok(()) } else { Err(BAD) }
    }

    /// Unpacks into `plain`, no more than `max` bytes.
    fn inflate_bytes(&mut self, mut packed: &[u8], max: usize) -> Result<(), RfbError> {
        self.plain.clear();
        loop {
            if self.plain.len() == self.plain.capacity() {
                self.plain
                    .reserve(packed.len().saturating_mul(4).clamp(4_096, 1 << 20));
            }
            let (before_in, before_out) = (self.stream.total_in(), self.plain.len());
            let done = self
                .stream
                .decompress_vec(packed, &mut self.plain, FlushDecompress::Sync);
            let status = done.map_err(|_| BAD)?;
            let used = self.stream.total_in() - before_in;
            packed = &packed[usize::try_from(used).unwrap_or(packed.len())..];
            // A few packed bytes can unpack to gigabytes. The stream lasts as long as the connection, so an
            // end is damage.
            if self.plain.len() > max || status == Status::StreamEnd {
                return Err(BAD);
            }
            let full = self.plain.len() == self.plain.capacity();
            // A full buffer may hide more output of the bytes that were used.
            if packed.is_empty() && !full {
                return Ok(());
            }
            // No progress although there is room: the loop would not end.
            if used == 0 && self.plain.len() == before_out && !full {
                return Err(BAD);
            }
        }
    }
}

/// Unpacked bytes that are yet to be drawn.
struct PlainBytes<'a>(&'a [u8]);

impl<'a> PlainBytes<'a> {
    fn take_bytes(&mut self, length: usize) -> Result<&'a [u8], RfbError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BAD)?;
        self.0 = rest;
        Ok(taken)
    }

    fn read_u8(&mut self) -> Result<u8, RfbError> {
        Ok(self.take_bytes(1)?[0])
    }

    /// A pixel: blue, green, red, because the unused byte of the format is left out.
    fn read_pixel(&mut self) -> Result<[u8; 3], RfbError> {
        let bytes = self.take_bytes(3)?;
        Ok([bytes[2], bytes[1], bytes[0]])
    }

    fn read_palette(&mut self, length: u8) -> Result<Vec<[u8; 3]>, RfbError> {
        (0..length).map(|_| self.read_pixel()).collect()
    }

    /// The length of a run: 255 means that it goes on.
    fn read_run_length(&mut self) -> Result<usize, RfbError> {
        let mut length = 1;
        loop {
            let more = self.read_u8()?;
            length += usize::from(more);
            if more != 255 {
                return Ok(length);
            }
        }
    }
}

fn draw_tile(
    plain: &mut PlainBytes<'_>,
    tile: ScreenArea,
    screen: &mut ScreenPixels,
) -> Result<(), RfbError> {
    let mut pixels = TilePixels::new(tile, screen);
    match plain.read_u8()? {
        0 => {
            while pixels.pixels_left() > 0 {
                pixels.put_pixels(plain.read_pixel()?, 1)?;
            }
        }
        1 => pixels.put_pixels(plain.read_pixel()?, tile.pixel_count())?,
        length @ 2..=16 => {
            let palette = plain.read_palette(length)?;
            packed_rows(plain, &palette, tile, &mut pixels)?;
        }
        128 => {
            while pixels.pixels_left() > 0 {
                let pixel = plain.read_pixel()?;
                let run = plain.read_run_length()?;
                pixels.put_pixels(pixel, run)?;
            }
        }
        kind @ 130..=255 => {
            let palette = plain.read_palette(kind - 128)?;
            while pixels.pixels_left() > 0 {
                let index = plain.read_u8()?;
                let pixel = *palette.get(usize::from(index & 127)).ok_or(BAD)?;
                let run = if index & 128 == 0 {
                    1
                } else {
                    plain.read_run_length()?
                };
                pixels.put_pixels(pixel, run)?;
            }
        }
        // Unused kinds (section 7.7.6).
        17..=127 | 129 => return Err(BAD),
    }
    Ok(())
}

/// Rows of indices into a palette, one, two or four bits each; a row begins with a byte of its own.
fn packed_rows(
    plain: &mut PlainBytes<'_>,
    palette: &[[u8; 3]],
    tile: ScreenArea,
    pixels: &mut TilePixels<'_>,
) -> Result<(), RfbError> {
    let bits: usize = match palette.len() {
        2 => 1,
        3 | 4 => 2,
        _ => 4,
    };
    let width = usize::from(tile.width);
    for _ in 0..tile.height {
        let row = plain.take_bytes((width * bits).div_ceil(8))?;
        for x in 0..width {
            let at = x * bits;
            let byte = usize::from(row[at / 8]);
            let index = (byte >> (8 - bits - at % 8)) & ((1 << bits) - 1);
            pixels.put_pixels(*palette.get(index).ok_or(BAD)?, 1)?;
        }
    }
    Ok(())
}

/// The pixels of a tile, from its first to its last.
struct TilePixels<'a> {
    tile: ScreenArea,
    screen: &'a mut ScreenPixels,
    at: usize,
}

impl<'a> TilePixels<'a> {
    fn new(tile: ScreenArea, screen: &'a mut ScreenPixels) -> Self {
        Self {
            tile,
            screen,
            at: 0,
        }
    }

    fn pixels_left(&self) -> usize {
        self.tile.pixel_count() - self.at
    }

    /// Draws the next `count` pixels.
    fn put_pixels(&mut self, pixel: [u8; 3], mut count: usize) -> Result<(), RfbError> {
        // A run may not leave its tile: this keeps all writes below inside the checked rectangle.
        if count > self.pixels_left() {
            return Err(BAD);
        }
        let width = usize::from(self.tile.width);
        while count > 0 {
            let (x, y) = (self.at % width, self.at / width);
            let here = count.min(width - x);
            // Both are below 64, the size of a tile.
            let (x, y) = (self.tile.x + x as u16, self.tile.y + y as u16);
            for place in self.screen.row_mut(x, y, here as u16).chunks_exact_mut(3) {
                place.copy_from_slice(&pixel);
            }
            self.at += here;
            count -= here;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + 1_024);
        Compress::new(Compression::fast(), true)
            .compress_vec(plain, &mut out, FlushCompress::Sync)
            .unwrap();
        out
    }

    fn area(width: u16, height: u16) -> ScreenArea {
        ScreenArea {
            x: 3,
            y: 5,
            width,
            height,
        }
    }

    #[test]
    fn zrle_tile_of_each_kind_is_drawn() {
        let (red, blue) = ([0, 0, 255], [255, 0, 0]);
        let tiles: [(&[u8], [u8; 3]); 5] = [
            (
                &[[0].as_slice(), &red, &blue, &blue, &red].concat(),
                [255, 0, 0],
            ),
            (&[[1].as_slice(), &blue].concat(), [0, 0, 255]),
            (
                &[[2].as_slice(), &red, &blue, &[0b0100_0000, 0b1000_0000]].concat(),
                [255, 0, 0],
            ),
            (
                &[[128].as_slice(), &red, &[0], &blue, &[2]].concat(),
                [255, 0, 0],
            ),
            (
                &[[130].as_slice(), &red, &blue, &[0, 129, 2]].concat(),
                [255, 0, 0],
            ),
        ];
        for (plain, first) in tiles {
            let mut screen = ScreenPixels::new(16, 16).unwrap();
            let drawn = ZrleDecoder::new().draw_area(&packed(plain), area(2, 2), &mut screen);
            assert!(drawn.is_ok(), "{plain:?}");
            assert_eq!(screen.row_mut(3, 5, 1), first, "{plain:?}");
        }
    }

    /// What a desktop may send as a rectangle: its size, and bytes of which half are a zlib stream that is
    /// right, with the kinds of tiles that exist and those that do not.
    fn rectangles() -> impl Strategy<Value = (u16, u16, Vec<u8>)> {
        let kinds = select(&[0_u8, 1, 2, 3, 5, 16, 17, 127, 128, 129, 130, 255]);
        let tiles = (kinds, vec(any::<u8>(), 0..600)).prop_map(|(kind, mut tiles)| {
            tiles.insert(0, kind);
            tiles
        });
        let bytes = (tiles, any::<bool>())
            .prop_map(|(tiles, whole)| if whole { packed(&tiles) } else { tiles });
        (0_u16..90, 0_u16..70, bytes)
    }

    /// A picture or an error, in bounded memory. Two rectangles share a stream, as on a connection.
    fn throw(cases: u32) {
        let mut runner = TestRunner::new(ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let thrown = runner.run(&(rectangles(), rectangles()), |(first, second)| {
            let mut screen = ScreenPixels::new(100, 80).unwrap();
            let mut inflater = ZrleDecoder::new();
            for (width, height, bytes) in [first, second] {
                let _picture_or_error =
                    inflater.draw_area(&bytes, area(width, height), &mut screen);
                prop_assert!(inflater.plain.capacity() < 4 << 20);
            }
            Ok(())
        });
        thrown.unwrap();
    }

    #[test]
    fn zrle_random_input_never_panics() {
        throw(10_000);
    }

    #[test]
    #[ignore = "a million cases of two rectangles, for changes of the decoder"]
    fn zrle_million_random_inputs_never_panic() {
        throw(1_000_000);
    }
}
