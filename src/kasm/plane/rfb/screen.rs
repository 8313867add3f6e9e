//! What is on the screen, as far as the server has told.

use super::RfbError;

/// Larger desktops are refused: a picture of them takes 100 MB here.
const PIXELS_MAX: usize = 33_554_432;

/// A picture of the whole desktop.
#[derive(Clone, PartialEq, Eq)]
pub struct Screen {
    width: u16,
    height: u16,
    /// Red, green, blue; row by row from the top.
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// A rectangle of the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub(super) fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }
}

impl Screen {
    /// A black one.
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
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub(super) fn area(&self) -> Area {
        Area {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// Whether a rectangle lies on the screen.
    pub(super) fn check(&self, area: Area) -> Result<(), RfbError> {
        let right = u32::from(area.x) + u32::from(area.width);
        let bottom = u32::from(area.y) + u32::from(area.height);
        if right > u32::from(self.width) || bottom > u32::from(self.height) {
            return Err(RfbError::Protocol("a rectangle outside the screen"));
        }
        Ok(())
    }

    /// The bytes of `width` pixels from a place on. The place was checked.
    pub(super) fn row(&mut self, x: u16, y: u16, width: u16) -> &mut [u8] {
        let start = (usize::from(y) * usize::from(self.width) + usize::from(x)) * 3;
        &mut self.rgb[start..start + usize::from(width) * 3]
    }

    /// Where two pictures of the same size differ: left, top, right and bottom, the last ones beyond it.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<(u16, u16, u16, u16)> {
        let line = usize::from(self.width) * 3;
        let mut found: Option<(usize, usize, usize, usize)> = None;
        let rows = self
            .rgb
            .chunks_exact(line)
            .zip(other.rgb.chunks_exact(line));
        for (y, (one, two)) in rows.enumerate() {
            if one == two {
                continue;
            }
            let pairs = || one.iter().zip(two);
            let first = pairs().position(|(a, b)| a != b).unwrap_or(0) / 3;
            let last = pairs().rposition(|(a, b)| a != b).unwrap_or(0) / 3 + 1;
            found = Some(match found {
                None => (first, y, last, y + 1),
                Some((left, top, right, _)) => (left.min(first), top, right.max(last), y + 1),
            });
        }
        let narrow = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        found.map(|(left, top, right, bottom)| {
            (narrow(left), narrow(top), narrow(right), narrow(bottom))
        })
    }
}
