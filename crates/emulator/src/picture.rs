//! What a desktop looks like from outside: its screen, or as long as nobody was
//! there a stand-in that changes when the screen would have. The size follows
//! the real rule.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder};

use crate::desktop::Frame;

/// The longest side there is, whatever was asked for.
const SIDE_MAX: u32 = 4096;

/// A picture to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    width: u16,
    height: u16,
    /// Two pictures of one screen at one moment have the same.
    moment: u64,
    /// What was on the screen then, if it is known.
    screen: Option<Arc<Frame>>,
}

impl Picture {
    /// A desktop made to fit into a box with its proportions kept.
    pub(crate) fn fitting(desktop: (u16, u16), within: (u32, u32), moment: u64) -> Self {
        let (width, height) = (u32::from(desktop.0).max(1), u32::from(desktop.1).max(1));
        let within = (within.0.min(SIDE_MAX), within.1.min(SIDE_MAX));
        let by_width = (within.0, height * within.0 / width);
        let by_height = (width * within.1 / height, within.1);
        let (w, h) = if by_width.1 <= within.1 {
            by_width
        } else {
            by_height
        };
        let side = |n: u32| u16::try_from(n.max(1)).unwrap_or(u16::MAX);
        Self {
            width: side(w),
            height: side(h),
            moment,
            screen: None,
        }
    }

    /// The same of this screen.
    pub(crate) fn of(self, screen: Option<Arc<Frame>>) -> Self {
        Self { screen, ..self }
    }

    /// The picture as JPEG; nothing if the encoder refuses.
    pub(crate) fn jpeg(&self) -> Option<Vec<u8>> {
        let pixels = match &self.screen {
            Some(screen) => self.scaled(screen),
            None => self.pixels(),
        };
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 70)
            .encode(&pixels, self.width, self.height, ColorType::Rgb)
            .ok()?;
        Some(bytes)
    }

    /// Every pixel is the nearest one of the screen.
    fn scaled(&self, screen: &Frame) -> Vec<u8> {
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let mut pixels = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let row = y * screen.height / height * screen.width;
            for x in 0..width {
                let at = row + x * screen.width / width;
                let colour = screen.pixels.get(at).copied().unwrap_or(0);
                let [_, red, green, blue] = colour.to_be_bytes();
                pixels.extend([red, green, blue]);
            }
        }
        pixels
    }

    /// A gradient, a panel, a window, and a row of blocks that spells `moment`.
    fn pixels(&self) -> Vec<u8> {
        let (w, h) = (usize::from(self.width), usize::from(self.height));
        let mut pixels = Vec::with_capacity(w * h * 3);
        for y in 0..h {
            let shade = u8::try_from(y * 96 / h).unwrap_or(0);
            for x in 0..w {
                let inside = x * 8 > w && x * 8 < w * 5 && y * 8 > h && y * 8 < h * 6;
                let block = (x * 32 / w).min(31);
                let colour = if y * 32 < h {
                    [32, 34, 40]
                } else if inside && y * 16 < h * 3 {
                    [70, 110, 180]
                } else if inside {
                    [240, 240, 236]
                } else if y * 16 > h * 15 && self.moment >> block & 1 == 1 {
                    [250, 200, 60]
                } else {
                    [20, 60 + shade / 2, 90 + shade]
                };
                pixels.extend_from_slice(&colour);
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::Picture;

    #[test]
    fn picture_fits_in_proportion() {
        let size = |desktop, within| {
            let picture = Picture::fitting(desktop, within, 0);
            (picture.width, picture.height)
        };
        assert_eq!(size((3840, 2008), (1280, 720)), (1280, 669));
        assert_eq!(size((1280, 720), (1280, 720)), (1280, 720));
        assert_eq!(size((720, 1280), (1280, 720)), (405, 720));
    }
}
