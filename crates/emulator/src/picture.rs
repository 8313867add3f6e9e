//! What a desktop looks like from outside: a drawn stand-in whose size follows
//! the real rule and which changes when the screen would have.

use jpeg_encoder::{ColorType, Encoder};

/// The longest side there is, whatever was asked for.
const SIDE_MAX: u32 = 4096;

/// A picture to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    width: u16,
    height: u16,
    /// Two pictures of one screen at one moment have the same.
    moment: u64,
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
        }
    }

    /// The picture as JPEG; nothing if the encoder refuses.
    pub(crate) fn jpeg(self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 70)
            .encode(&self.pixels(), self.width, self.height, ColorType::Rgb)
            .ok()?;
        Some(bytes)
    }

    /// A gradient, a panel, a window, and a row of blocks that spells `moment`.
    fn pixels(self) -> Vec<u8> {
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
    fn proportions_are_kept() {
        let size = |desktop, within| {
            let picture = Picture::fitting(desktop, within, 0);
            (picture.width, picture.height)
        };
        assert_eq!(size((3840, 2008), (1280, 720)), (1280, 669));
        assert_eq!(size((1280, 720), (1280, 720)), (1280, 720));
        assert_eq!(size((720, 1280), (1280, 720)), (405, 720));
    }
}
