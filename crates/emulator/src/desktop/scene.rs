//! What is on the screen: a terminal, a text field, a button, a list that
//! scrolls, a box that can be dragged, and something that can move. They react
//! to input as programs would, and everything that happened can be looked at.

mod canvas;
mod clipboard;
mod draw;
mod font;
mod keys;
mod mouse;

use std::time::Instant;

use super::frame::Frame;
use super::keyboard::{KeyEvent, Keyboard};
use crate::record::{Area, ClickRecord, ModifierMask, StrokeRecord};
use clipboard::Clipboard;

/// Half of the time in which a blinking cursor comes and goes.
const BLINK_MS: u128 = 500;
/// How often something that moves does.
const STEP_MS: u128 = 100;

pub(crate) const TERMINAL: Area = Area::new(40, 40, 620, 340);
pub(crate) const FIELD: Area = Area::new(40, 400, 620, 40);
pub(crate) const BUTTON: Area = Area::new(700, 40, 160, 48);
pub(crate) const LIST: Area = Area::new(700, 110, 300, 330);
/// Where something moves, if anything does.
pub(crate) const STAGE: Area = Area::new(700, 460, 300, 40);
/// Where the box is at first.
const BOX: Area = Area::new(80, 480, 80, 80);
/// Height of a row of the list.
const ROW: u16 = 22;
/// Rows of the list, of which some are in view.
const ROWS: i32 = 200;

/// Input of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Key(KeyEvent),
    Pointer {
        mask: u16,
        x: u16,
        y: u16,
        scroll: (i16, i16),
    },
}

/// Where keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Focus {
    #[default]
    Terminal,
    Field,
}

/// The screen and what happened on it.
#[derive(Debug)]
pub(crate) struct Scene {
    width: u16,
    height: u16,
    focus: Focus,
    pub(crate) terminal: String,
    pub(crate) field: String,
    pub(crate) button_on: bool,
    /// The first row of the list in view.
    pub(crate) scrolled: i32,
    pub(crate) dragged: Area,
    /// From where in the box it is being dragged.
    grip: Option<(u16, u16)>,
    pub(crate) pointer: (u16, u16),
    pub(crate) buttons: u16,
    /// Whose buttons they are.
    holder: Option<u64>,
    /// Where each button went down, and what was held then.
    pressed: [((u16, u16), ModifierMask); 16],
    /// Parts of a notch that have come from scroll fields.
    wheel: (i32, i32),
    pub(crate) keyboard: Keyboard,
    clipboard: Clipboard,
    pub(crate) typed: String,
    pub(crate) keys: Vec<(u32, bool)>,
    pub(crate) strokes: Vec<StrokeRecord>,
    pub(crate) clicks: Vec<ClickRecord>,
    began: Instant,
    cursor_shows: bool,
    step: Option<u16>,
}

impl Scene {
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self {
            width,
            height,
            focus: Focus::default(),
            terminal: String::new(),
            field: String::new(),
            button_on: false,
            scrolled: 0,
            dragged: BOX,
            grip: None,
            pointer: (width / 2, height / 2),
            buttons: 0,
            holder: None,
            pressed: [((0, 0), ModifierMask::NONE); 16],
            wheel: (0, 0),
            keyboard: Keyboard::new(),
            clipboard: Clipboard::default(),
            typed: String::new(),
            keys: Vec::new(),
            strokes: Vec::new(),
            clicks: Vec::new(),
            began: Instant::now(),
            cursor_shows: true,
            step: None,
        }
    }

    pub(crate) fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        (self.width, self.height) = (width.max(1), height.max(1));
        let (x, y) = self.pointer;
        self.pointer = self.clamped(x, y);
    }

    /// Takes input of a client. Whether anything changed.
    pub(crate) fn take(&mut self, from: u64, input: &Input) -> bool {
        match *input {
            Input::Key(event) => self.key(from, &event),
            Input::Pointer { mask, x, y, scroll } => self.mouse(from, mask, (x, y), scroll),
        }
    }

    /// A client is gone. Its keys are released, its buttons stay as they are.
    pub(crate) fn left_by(&mut self, who: u64) -> bool {
        for keysym in self.keyboard.held_by(who) {
            self.let_go(who, keysym);
        }
        if self.holder == Some(who) {
            self.holder = None;
        }
        self.clipboard_leaves_with(who);
        false
    }

    /// Moves what moves by itself. Whether anything did.
    pub(crate) fn tick(&mut self, blinks: bool, moves: bool) -> bool {
        let now = self.began.elapsed().as_millis();
        let shows = !blinks || (now / BLINK_MS).is_multiple_of(2);
        let step = moves.then(|| u16::try_from(now / STEP_MS % 1_000).unwrap_or(0));
        let changed = (shows, step) != (self.cursor_shows, self.step);
        (self.cursor_shows, self.step) = (shows, step);
        changed
    }

    /// The picture.
    pub(super) fn draw(&self) -> Frame {
        draw::draw(self)
    }

    fn clamped(&self, x: u16, y: u16) -> (u16, u16) {
        (x.min(self.width - 1), y.min(self.height - 1))
    }
}
