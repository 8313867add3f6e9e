//! Drawing on a frame; what lies outside is not drawn.

use super::super::frame::Frame;
use super::font;
use crate::record::Area;

/// Width and height of a character with the space around it.
pub(super) const CELL: (u16, u16) = (12, 18);
/// How large a dot of a letter is.
const DOT: u16 = 2;

pub(super) struct Canvas(pub(super) Frame);

impl Canvas {
    pub(super) fn new(width: u16, height: u16, colour: u32) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Self(Frame {
            width,
            height,
            pixels: vec![colour; width * height],
        })
    }

    pub(super) fn fill(&mut self, area: Area, colour: u32) {
        let frame = &mut self.0;
        let right = (usize::from(area.x) + usize::from(area.width)).min(frame.width);
        let rows = frame.pixels.chunks_mut(frame.width);
        let rows = rows.skip(area.y.into()).take(area.height.into());
        for row in rows {
            if let Some(part) = row.get_mut(area.x.into()..right) {
                part.fill(colour);
            }
        }
    }

    /// An area with a border.
    pub(super) fn panel(&mut self, area: Area, border: u32, colour: u32) {
        self.fill(area, border);
        self.fill(area.inside(2), colour);
    }

    /// One line of text, as far as there is room for it.
    pub(super) fn text(&mut self, area: Area, text: &str, colour: u32) {
        let room = usize::from(area.width / CELL.0);
        for (at, letter) in (area.x..)
            .step_by(CELL.0.into())
            .zip(text.chars().take(room))
        {
            self.letter(at, area.y, letter, colour);
        }
    }

    fn letter(&mut self, x: u16, y: u16, letter: char, colour: u32) {
        for (row, dots) in (0..).zip(font::glyph(letter)) {
            for column in (0..font::WIDTH).filter(|c| dots >> (font::WIDTH - 1 - c) & 1 == 1) {
                let dot = Area::new(x + column * DOT, y + row * DOT, DOT, DOT);
                self.fill(dot, colour);
            }
        }
    }
}
