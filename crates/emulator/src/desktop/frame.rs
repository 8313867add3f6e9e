//! A picture, and what of it has changed.

/// Side of the squares that are compared, and of the tiles of ZRLE.
pub(super) const TILE: usize = 64;

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Rect {
    /// What two have in common, if anything.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = (self.x + self.width).min(other.x + other.width);
        let bottom = (self.y + self.height).min(other.y + other.height);
        (right > x && bottom > y).then(|| Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }

    /// The smallest that has both.
    pub(super) fn with(self, other: Self) -> Self {
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

    /// Squares of it, row by row.
    pub(super) fn tiles(self) -> impl Iterator<Item = Self> {
        let rows = (self.y..self.y + self.height).step_by(TILE);
        rows.flat_map(move |y| {
            let columns = (self.x..self.x + self.width).step_by(TILE);
            columns.map(move |x| Self {
                x,
                y,
                width: TILE.min(self.x + self.width - x),
                height: TILE.min(self.y + self.height - y),
            })
        })
    }
}

/// Pixels, `0x00RRGGBB` each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u32>,
}

impl Frame {
    /// One that is like no picture: all of it has to be sent.
    pub(super) fn unknown(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![u32::MAX; width * height],
        }
    }

    pub(crate) fn size(&self) -> (u16, u16) {
        let side = |side| u16::try_from(side).unwrap_or(u16::MAX);
        (side(self.width), side(self.height))
    }

    pub(super) fn area(&self) -> Rect {
        Rect {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// The rows of a part that lies within.
    pub(super) fn rows(&self, rect: Rect) -> impl Iterator<Item = &[u32]> {
        let rows = self.pixels.chunks(self.width.max(1));
        let rows = rows.skip(rect.y).take(rect.height);
        rows.map(move |row| row.get(rect.x..rect.x + rect.width).unwrap_or_default())
    }

    /// Takes a part over from another picture of the same size.
    pub(super) fn take(&mut self, from: &Self, rect: Rect) {
        let width = self.width.max(1);
        let rows = self.pixels.chunks_mut(width).skip(rect.y).take(rect.height);
        for (row, new) in rows.zip(from.rows(rect)) {
            if let Some(part) = row.get_mut(rect.x..rect.x + rect.width) {
                part.copy_from_slice(new);
            }
        }
    }

    /// Where two pictures of one size differ within an area: squares, those
    /// beside each other joined.
    pub(super) fn differences(&self, other: &Self, within: Rect) -> Vec<Rect> {
        let mut found: Vec<Rect> = Vec::new();
        for tile in within.tiles() {
            if self.rows(tile).eq(other.rows(tile)) {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.y == tile.y && last.x + last.width == tile.x => {
                    last.width += tile.width;
                }
                _ => found.push(tile),
            }
        }
        found
    }
}
