//! Names of pictures: enough to map a place in one back to the desktop, and to see that the desktop has
//! another size by now.

use std::fmt;
use std::str::FromStr;

use crate::kasm::session_proxy::rfb::ScreenArea;

/// A picture of a desktop: the size of the desktop and the size it was shown at. Written as
/// `1920x1080-1280x720`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId {
    /// The desktop's width, pixels.
    pub width: u16,
    /// The desktop's height, pixels.
    pub height: u16,
    /// The picture's width, pixels.
    pub shown_width: u16,
    /// The picture's height, pixels.
    pub shown_height: u16,
}

/// The text names no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a frame_id: pass the frame_id of a screenshot")]
pub struct BadFrame(String);

impl FrameId {
    /// The desktop itself, pixel by pixel.
    #[must_use]
    pub fn of_whole_desktop(width: u16, height: u16) -> Self {
        Self {
            width,
            height,
            shown_width: width,
            shown_height: height,
        }
    }

    /// The pixel of the desktop that is shown at this place of the picture: the one in the middle of what
    /// the place stands for. None: the place is beyond the picture.
    #[must_use]
    pub fn to_desktop(self, x: u16, y: u16) -> Option<(u16, u16)> {
        if x >= self.shown_width || y >= self.shown_height {
            return None;
        }
        Some((
            scaled_to(x, self.width, self.shown_width),
            scaled_to(y, self.height, self.shown_height),
        ))
    }

    /// Where a part of the desktop is in the picture.
    #[must_use]
    pub fn to_picture(self, area: ScreenArea) -> ScreenArea {
        let across = |at: u16| shrunk_to(at, self.width, self.shown_width);
        let down = |at: u16| shrunk_to(at, self.height, self.shown_height);
        let (x, y) = (across(area.x), down(area.y));
        ScreenArea {
            x,
            y,
            width: (across(area.x + area.width) - x).max(1),
            height: (down(area.y + area.height) - y).max(1),
        }
    }
}

fn shrunk_to(at: u16, size: u16, shown: u16) -> u16 {
    u16::try_from(u32::from(at) * u32::from(shown) / u32::from(size)).unwrap_or(shown)
}

fn scaled_to(at: u16, size: u16, shown: u16) -> u16 {
    let middle = (2 * u32::from(at) + 1) * u32::from(size) / (2 * u32::from(shown));
    u16::try_from(middle)
        .unwrap_or(u16::MAX)
        .min(size.saturating_sub(1))
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}x{}-{}x{}",
            self.width, self.height, self.shown_width, self.shown_height
        )
    }
}

impl FromStr for FrameId {
    type Err = BadFrame;

    fn from_str(text: &str) -> Result<Self, BadFrame> {
        let size = |text: &str| -> Option<(u16, u16)> {
            let (width, height) = text.split_once('x')?;
            let (width, height) = (width.parse().ok()?, height.parse().ok()?);
            // A size of zero, which a caller can write, would be a divisor later.
            (width > 0 && height > 0).then_some((width, height))
        };
        let parts = text
            .split_once('-')
            .and_then(|(true_size, shown)| Some((size(true_size)?, size(shown)?)));
        let ((width, height), (shown_width, shown_height)) =
            parts.ok_or_else(|| BadFrame(text.chars().take(64).collect()))?;
        Ok(Self {
            width,
            height,
            shown_width,
            shown_height,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_places_map_back_to_the_pixel_shown() {
        for (width, height, shown_width, shown_height) in [
            (1280, 720, 1280, 720),
            (1920, 1080, 1280, 720),
            (3840, 2008, 1280, 669),
            (900, 1600, 720, 1280),
        ] {
            let frame = FrameId {
                width,
                height,
                shown_width,
                shown_height,
            };
            assert_eq!(frame.to_string().parse(), Ok(frame));
            assert_eq!(frame.to_desktop(shown_width, 0), None);
            assert_eq!(frame.to_desktop(0, shown_height), None);
            for x in 0..shown_width {
                let (place, _) = frame.to_desktop(x, 0).unwrap();
                let middle = 2 * u32::from(place) + 1;
                let back = middle * u32::from(shown_width) / (2 * u32::from(width));
                assert_eq!(back, u32::from(x), "{frame}");
            }
            let last = frame.to_desktop(shown_width - 1, shown_height - 1).unwrap();
            assert!(last.0 < width && last.1 < height);
        }
        for bad in ["", "1x1", "0x1-1x1", "1x1-1x99999", "a"] {
            assert!(bad.parse::<FrameId>().is_err(), "{bad}");
        }
    }
}
