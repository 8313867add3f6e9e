//! What an agent wants done on a desktop, and the hands that do it.

mod gestures;
mod typing;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::frame::FrameId;
use crate::kasm::plane::rfb::Input;
use gestures::Gestures;

/// Between the clicks of a double click.
const BETWEEN_CLICKS: Duration = Duration::from_millis(80);

/// The kinds of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Press and release a button at a place.
    Click,
    /// The same twice.
    DoubleClick,
    /// Move the pointer to a place.
    Move,
    /// Press at a place, move to another, release.
    Drag,
    /// Turn the wheel.
    Scroll,
    /// Type a text.
    Type,
    /// Press keys together, such as `ctrl+l`.
    Key,
    /// Do nothing for a while.
    Wait,
    /// Wait until the screen has settled.
    WaitUntilStable,
}

/// A button of the pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// The first.
    #[default]
    Left,
    /// The second.
    Middle,
    /// The third.
    Right,
}

/// One action as it was asked for. Which fields it needs depends on its kind.
#[derive(Clone, Debug)]
pub struct Action {
    /// What to do.
    pub kind: ActionKind,
    /// Where, in the picture.
    pub place: Option<(u16, u16)>,
    /// Where to, of a drag.
    pub to: Option<(u16, u16)>,
    /// Which button.
    pub button: Button,
    /// How far the wheel turns, notches to the right and down.
    pub notches: (i32, i32),
    /// The text, or the keys.
    pub text: Option<String>,
    /// How long, of the waits.
    pub time: Option<Duration>,
}

/// What has to be done for an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These things, without a look in between.
    Do(Vec<Input>),
    /// Wait until the screen has settled, at most this long.
    Settle(Duration),
}

/// The action cannot be done as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAction(String);

impl Action {
    /// What has to be done, if the picture was `frame`. `time_max` bounds waits.
    ///
    /// # Errors
    /// A field is missing, a place is beyond the picture, a key is unknown.
    pub fn step(&self, frame: FrameId, time_max: Duration) -> Result<Step, BadAction> {
        let time = |otherwise: Duration| self.time.unwrap_or(otherwise).min(time_max);
        let mut hand = Gestures::default();
        match self.kind {
            ActionKind::Click => hand.click(self.place(frame)?, self.button),
            ActionKind::DoubleClick => {
                let place = self.place(frame)?;
                hand.click(place, self.button);
                hand.pause(BETWEEN_CLICKS);
                hand.click(place, self.button);
            }
            ActionKind::Move => hand.point(0, self.place(frame)?),
            ActionKind::Drag => {
                let to = mapped(frame, self.to, "to_x and to_y")?;
                hand.drag(self.place(frame)?, to, self.button);
            }
            ActionKind::Scroll => {
                let (right, down) = self.notches;
                if (right, down) == (0, 0) {
                    return Err(BadAction("a scroll needs dx or dy, in notches".to_owned()));
                }
                hand.scroll(self.place(frame)?, right, down);
            }
            ActionKind::Type => hand.type_text(self.text("text")?)?,
            ActionKind::Key => hand.press_keys(self.text("a key, such as `ctrl+l`, in text")?)?,
            ActionKind::Wait => hand.pause(time(Duration::from_secs(1))),
            ActionKind::WaitUntilStable => return Ok(Step::Settle(time(Duration::from_secs(5)))),
        }
        Ok(Step::Do(hand.inputs))
    }

    fn place(&self, frame: FrameId) -> Result<(u16, u16), BadAction> {
        mapped(frame, self.place, "x and y")
    }

    fn text(&self, what: &str) -> Result<&str, BadAction> {
        let text = self.text.as_deref().filter(|text| !text.is_empty());
        text.ok_or_else(|| BadAction(format!("this action needs {what}")))
    }
}

fn mapped(frame: FrameId, place: Option<(u16, u16)>, what: &str) -> Result<(u16, u16), BadAction> {
    let (x, y) = place.ok_or_else(|| BadAction(format!("this action needs {what}")))?;
    frame.to_desktop(x, y).ok_or_else(|| {
        BadAction(format!(
            "{x}, {y} is outside the screenshot of {} by {} pixels",
            frame.shown_width, frame.shown_height
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: FrameId = FrameId {
        width: 1920,
        height: 1080,
        shown_width: 1280,
        shown_height: 720,
    };

    fn action(kind: ActionKind, text: &str) -> Action {
        Action {
            kind,
            place: Some((640, 360)),
            to: None,
            button: Button::Left,
            notches: (0, 0),
            text: Some(text.to_owned()),
            time: None,
        }
    }

    fn keys(kind: ActionKind, text: &str) -> Vec<(bool, u32)> {
        let step = action(kind, text).step(FRAME, Duration::MAX).unwrap();
        let Step::Do(inputs) = step else { panic!() };
        let keys = inputs.into_iter().filter_map(|input| match input {
            Input::Key { down, keysym } => Some((down, keysym)),
            Input::Pointer { .. } | Input::Pause(_) => None,
        });
        keys.collect()
    }

    #[test]
    fn keys_are_pressed_together_and_released_in_reverse() {
        let (ctrl, shift) = (0xffe3, 0xffe1);
        assert_eq!(
            keys(ActionKind::Key, "ctrl+shift+t"),
            [
                (true, ctrl),
                (true, shift),
                (true, 0x74),
                (false, 0x74),
                (false, shift),
                (false, ctrl)
            ]
        );
        assert_eq!(keys(ActionKind::Key, "Ctrl++")[1], (true, 0x2b));
        assert_eq!(keys(ActionKind::Key, "+"), [(true, 0x2b), (false, 0x2b)]);
        assert_eq!(keys(ActionKind::Key, "F12")[0], (true, 0xffc9));
        assert_eq!(
            keys(ActionKind::Type, "é漢\r\n")[..3],
            [(true, 0xe9), (false, 0xe9), (true, 0x0100_6f22)]
        );
        assert_eq!(
            keys(ActionKind::Type, "\r\n"),
            [(true, 0xff0d), (false, 0xff0d)]
        );
        let bad = action(ActionKind::Key, "ctrl+hyperspace").step(FRAME, Duration::MAX);
        assert!(bad.unwrap_err().to_string().contains("hyperspace"));
    }

    #[test]
    fn places_are_those_of_the_picture() {
        let step = action(ActionKind::Move, "").step(FRAME, Duration::MAX);
        let there = Input::Pointer {
            buttons: 0,
            x: 960,
            y: 540,
            scroll: (0, 0),
        };
        assert_eq!(step, Ok(Step::Do(vec![there])));
        let beyond = Action {
            place: Some((1280, 0)),
            ..action(ActionKind::Click, "")
        };
        assert!(beyond.step(FRAME, Duration::MAX).is_err());
    }
}
