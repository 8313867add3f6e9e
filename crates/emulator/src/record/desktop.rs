//! What a test sees of a desktop.

use super::keyboard::{ModifierMask, StrokeRecord};

/// A part of the screen, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: u16,
    /// Upper edge.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

impl Area {
    pub(crate) const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The pixel in its middle.
    #[must_use]
    pub const fn middle(self) -> (u16, u16) {
        (self.x + self.width / 2, self.y + self.height / 2)
    }

    pub(crate) fn has(self, (x, y): (u16, u16)) -> bool {
        let inside = |at: u16, from: u16, length: u16| at >= from && at - from < length;
        inside(x, self.x, self.width) && inside(y, self.y, self.height)
    }

    /// The same without a border.
    pub(crate) const fn inside(self, border: u16) -> Self {
        Self::new(
            self.x + border,
            self.y + border,
            self.width - 2 * border,
            self.height - 2 * border,
        )
    }
}

/// A button of the mouse that went down and up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClickRecord {
    /// 1 left, 2 middle, 3 right, 4 to 7 the wheel.
    pub button: u8,
    /// Where it went down.
    pub from: (u16, u16),
    /// Where it came up.
    pub to: (u16, u16),
    /// What was held on the keyboard when it went down.
    pub state: ModifierMask,
}

/// A desktop as it is. On it are a terminal, a text field below it, a button
/// that goes on and off, a list that scrolls, and a box that can be dragged.
/// Keys go to the terminal or the field, whichever was clicked last; Control
/// and `l` empties it, and `c` and `v` (or Shift and Insert) copy and paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesktopView {
    /// Width and height in pixels.
    pub size: (u16, u16),
    /// How many watch.
    pub viewers: usize,
    /// How many ever connected.
    pub connections: u64,
    /// All text that programs received, with `\n`, `\t` and `\u{8}` for their keys.
    pub typed: String,
    /// Keysyms as clients sent them, and whether the key went down.
    pub keys: Vec<(u32, bool)>,
    /// Key presses as programs received them.
    pub strokes: Vec<StrokeRecord>,
    /// What is held on the keyboard now, and which locks are on.
    pub keyboard_state: ModifierMask,
    /// All clicks, oldest first.
    pub clicks: Vec<ClickRecord>,
    /// Where the pointer is.
    pub pointer: (u16, u16),
    /// Buttons that are down, the left one in the lowest bit.
    pub buttons: u16,
    /// What the terminal shows, all of it.
    pub terminal: String,
    /// What is in the text field.
    pub field: String,
    /// Whether the button is on.
    pub button_on: bool,
    /// The first row of the list in view.
    pub scrolled: i32,
    /// What can be pasted.
    pub clipboard: Option<String>,
    /// Where the terminal is.
    pub terminal_area: Area,
    /// Where the text field is.
    pub field_area: Area,
    /// Where the button is.
    pub button_area: Area,
    /// Where the list is.
    pub list_area: Area,
    /// Where the box is now.
    pub box_area: Area,
    /// Where something moves, if anything does.
    pub stage_area: Area,
}
