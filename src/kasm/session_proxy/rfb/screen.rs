//! The pixels of a desktop as the server has sent them, and how two pictures differ.

use schemars::JsonSchema;
use serde::Serialize;

use super::RfbError;

/// Larger desktops are refused: a picture of them takes 100 MB here.
const PIXELS_MAX: usize = 33_554_432;

/// The side of the squares in which pictures are compared, pixels. What differs in squares that touch is one
/// rectangle.
const CELL: usize = 16;

/// A picture of the whole desktop.
#[derive(Clone, PartialEq, Eq)]
pub struct ScreenPixels {
    width: u16,
    height: u16,
    /// Red, green, blue; row by row from the top.
    rgb: Vec<u8>,
    watermarked: bool,
}

impl std::fmt::Debug for ScreenPixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// A rectangle of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ScreenArea {
    /// Pixels from the left.
    pub x: u16,
    /// Pixels from the top.
    pub y: u16,
    /// Its width, pixels.
    pub width: u16,
    /// Its height, pixels.
    pub height: u16,
}

impl ScreenArea {
    pub(super) fn pixel_count(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// Whether a pixel is in it.
    #[must_use]
    pub fn contains_point(self, x: u16, y: u16) -> bool {
        let inside = |at: u16, from: u16, length: u16| at >= from && at - from < length;
        inside(x, self.x, self.width) && inside(y, self.y, self.height)
    }

    /// Whether two have pixels in common.
    #[must_use]
    pub fn touches_area(self, other: Self) -> bool {
        let joined = self.joined_with(other);
        joined.width < self.width + other.width && joined.height < self.height + other.height
    }

    /// Whether it fits into so many pixels.
    #[must_use]
    pub fn fits_into(self, (width, height): (u16, u16)) -> bool {
        self.width <= width && self.height <= height
    }

    /// The smallest that has both.
    #[must_use]
    pub fn joined_with(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        }
    }
}

impl ScreenPixels {
    /// A black screen of this size.
    ///
    /// # Errors
    /// It would be too large, or have no pixel.
    pub(super) fn new(width: u16, height: u16) -> Result<Self, RfbError> {
        let pixels = usize::from(width) * usize::from(height);
        if pixels == 0 || pixels > PIXELS_MAX {
            return Err(RfbError::Protocol("an impossible desktop size"));
        }
        Ok(Self {
            width,
            height,
            rgb: vec![0; pixels * 3],
            watermarked: false,
        })
    }

    /// Its width, pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Its height, pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Its pixels: red, green, blue, row by row from the top.
    #[must_use]
    pub fn rgb_bytes(&self) -> &[u8] {
        &self.rgb
    }

    /// Whether the server lays a watermark over it, which is not in the pixels.
    #[must_use]
    pub fn is_watermarked(&self) -> bool {
        self.watermarked
    }

    pub(super) fn note_watermark(&mut self) {
        self.watermarked = true;
    }

    pub(super) fn whole_area(&self) -> ScreenArea {
        ScreenArea {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// Whether a rectangle lies on the screen.
    pub(super) fn check_area(&self, area: ScreenArea) -> Result<(), RfbError> {
        let right = u32::from(area.x) + u32::from(area.width);
        let bottom = u32::from(area.y) + u32::from(area.height);
        if right > u32::from(self.width) || bottom > u32::from(self.height) {
            return Err(RfbError::Protocol("a rectangle outside the screen"));
        }
        Ok(())
    }

    /// The bytes of `width` pixels from a place on. The place was checked.
    pub(super) fn row_mut(&mut self, x: u16, y: u16, width: u16) -> &mut [u8] {
        let start = (usize::from(y) * usize::from(self.width) + usize::from(x)) * 3;
        &mut self.rgb[start..start + usize::from(width) * 3]
    }

    /// The rows of an area, as far as it lies on the screen: where their bytes are.
    fn rows_of(&self, area: ScreenArea) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        // Areas with some room around them may reach beyond the screen.
        let width = usize::from(self.width);
        let right = (usize::from(area.x) + usize::from(area.width)).min(width);
        let bottom = (usize::from(area.y) + usize::from(area.height)).min(self.height.into());
        let left = usize::from(area.x).min(right);
        (usize::from(area.y)..bottom).map(move |y| (y * width + left) * 3..(y * width + right) * 3)
    }

    /// Takes an area over from a picture of the same size.
    pub fn copy_area(&mut self, from: &Self, area: ScreenArea) {
        for row in self.rows_of(area) {
            self.rgb[row.clone()].copy_from_slice(&from.rgb[row]);
        }
    }

    /// Whether two pictures of the same size differ within an area.
    #[must_use]
    pub fn differs_within(&self, other: &Self, area: ScreenArea) -> bool {
        self.rows_of(area)
            .any(|row| self.rgb[row.clone()] != other.rgb[row])
    }

    /// Where two pictures of the same size differ: rectangles that are some pixels apart.
    #[must_use]
    pub fn differing_areas(&self, other: &Self) -> Vec<ScreenArea> {
        let line = usize::from(self.width) * 3;
        let columns = usize::from(self.width).div_ceil(CELL);
        let mut cells: Vec<Option<ScreenArea>> =
            vec![None; columns * usize::from(self.height).div_ceil(CELL)];
        // Most rows are equal. They are compared as a whole, which is fast, and only the others cell by cell.
        let rows = self
            .rgb
            .chunks_exact(line)
            .zip(other.rgb.chunks_exact(line));
        for (y, (one, two)) in rows.enumerate().filter(|(_, (one, two))| one != two) {
            let parts = one.chunks(CELL * 3).zip(two.chunks(CELL * 3)).enumerate();
            for (column, (one, two)) in parts.filter(|(_, (one, two))| one != two) {
                let pairs = || one.iter().zip(two);
                let first = pairs().position(|(a, b)| a != b).unwrap_or(0) / 3;
                let last = pairs().rposition(|(a, b)| a != b).unwrap_or(0) / 3;
                // All of them are below the sides of the screen.
                let run = ScreenArea {
                    x: (column * CELL + first) as u16,
                    y: y as u16,
                    width: (last - first + 1) as u16,
                    height: 1,
                };
                let cell = &mut cells[y / CELL * columns + column];
                *cell = Some(cell.map_or(run, |area| area.joined_with(run)));
            }
        }
        join_neighbours(&mut cells, columns)
    }
}

/// Joins cells that touch, also by a corner.
fn join_neighbours(cells: &mut [Option<ScreenArea>], columns: usize) -> Vec<ScreenArea> {
    let mut found = Vec::new();
    for start in 0..cells.len() {
        // Taking a cell also marks it as visited.
        let Some(mut area) = cells[start].take() else {
            continue;
        };
        let mut waiting = vec![start];
        while let Some(at) = waiting.pop() {
            let (row, column) = (at / columns, at % columns);
            for row in row.saturating_sub(1)..=row + 1 {
                for column in column.saturating_sub(1)..=(column + 1).min(columns - 1) {
                    let near = row * columns + column;
                    if let Some(more) = cells.get_mut(near).and_then(Option::take) {
                        area = area.joined_with(more);
                        waiting.push(near);
                    }
                }
            }
        }
        found.push(area);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(areas: &[ScreenArea]) -> ScreenPixels {
        let mut screen = ScreenPixels::new(200, 100).unwrap();
        for area in areas {
            for y in area.y..area.y + area.height {
                screen.row_mut(area.x, y, area.width).fill(255);
            }
        }
        screen
    }

    #[test]
    fn what_differs_is_found_to_the_pixel() {
        let area = |x, y, width, height| ScreenArea {
            x,
            y,
            width,
            height,
        };
        let blank = painted(&[]);
        assert!(blank.differing_areas(&blank.clone()).is_empty());
        let apart = [area(3, 5, 40, 20), area(120, 90, 80, 10)];
        assert_eq!(painted(&apart).differing_areas(&blank), apart);
        let touching = [area(10, 10, 6, 6), area(16, 16, 1, 30)];
        let joined = painted(&touching).differing_areas(&blank);
        assert_eq!(joined, [area(10, 10, 7, 36)]);
    }
}
