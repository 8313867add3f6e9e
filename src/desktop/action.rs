//! The actions of an agent on a desktop, and the input events that they become.

mod fields;
mod gestures;
mod layout;
mod typing;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::frame::FrameId;
use crate::kasm::session_proxy::rfb::InputEvent;
use gestures::InputGestures;
use typing::find_modifiers;

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
pub enum PointerButton {
    /// The first.
    #[default]
    Left,
    /// The second.
    Middle,
    /// The third.
    Right,
}

/// One action as the caller requested it. Its kind decides which fields it needs and which are refused.
#[derive(Clone, Debug)]
pub struct DesktopAction {
    /// What to do.
    pub kind: ActionKind,
    /// Where, in the picture.
    pub x: Option<u16>,
    /// The same, from the top.
    pub y: Option<u16>,
    /// Where to, of a drag.
    pub to_x: Option<u16>,
    /// The same, from the top.
    pub to_y: Option<u16>,
    /// Which button; without one the left.
    pub button: Option<PointerButton>,
    /// How far the wheel turns to the right, notches.
    pub right: Option<i32>,
    /// The same, down.
    pub down: Option<i32>,
    /// The text, or the keys; with the pointer, keys to hold.
    pub text: Option<String>,
    /// Keys to hold meanwhile, with the pointer.
    pub modifiers: Vec<String>,
    /// How long, of the waits.
    pub seconds: Option<f32>,
}

/// What has to be done for an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionStep {
    /// These things, without a look in between.
    Do(Vec<InputEvent>),
    /// Do nothing for so long. It is no input, so that other callers have the desktop meanwhile.
    Wait(Duration),
    /// Wait until the screen has settled, at most this long.
    Settle(Duration),
}

/// The action is not valid as it was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadAction {
    /// Which kind of mistake, for programs.
    pub code: &'static str,
    message: String,
}

impl BadAction {
    const fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }

    fn missing_field(what: &str) -> Self {
        Self::new("field_missing", format!("this action needs {what}"))
    }
}

impl DesktopAction {
    /// What has to be done, if the picture was `frame`. No wait may be longer than `time_max`.
    ///
    /// # Errors
    /// A field is missing or of no use, a place is beyond the picture, a key is unknown, an amount too large.
    pub fn to_step(&self, frame: FrameId, time_max: Duration) -> Result<ActionStep, BadAction> {
        // Before any input: an action that is refused has done nothing.
        self.check_fields()?;
        let mut hand = InputGestures::default();
        match self.kind {
            ActionKind::Type => hand.type_text(self.required_text("text")?)?,
            ActionKind::Key => {
                hand.press_keys(self.required_text("a key, such as `ctrl+l`, in text")?)?
            }
            ActionKind::Wait => {
                return Ok(ActionStep::Wait(
                    self.wait_time(Duration::from_secs(1), time_max)?,
                ));
            }
            ActionKind::WaitUntilStable => {
                return Ok(ActionStep::Settle(
                    self.wait_time(Duration::from_secs(5), time_max)?,
                ));
            }
            ActionKind::Click
            | ActionKind::DoubleClick
            | ActionKind::Move
            | ActionKind::Drag
            | ActionKind::Scroll => {
                let text = self.text.as_deref().filter(|text| !text.is_empty());
                let held = find_modifiers(self.modifiers.iter().map(String::as_str).chain(text))?;
                for keysym in &held {
                    hand.send_key(true, *keysym);
                }
                self.point_at(frame, &mut hand)?;
                for keysym in held.iter().rev() {
                    hand.send_key(false, *keysym);
                }
            }
        }
        Ok(ActionStep::Do(hand.inputs))
    }

    /// What the pointer does, of the actions that need it.
    fn point_at(&self, frame: FrameId, hand: &mut InputGestures) -> Result<(), BadAction> {
        let place = map_place(frame, self.x.zip(self.y), "x and y")?;
        let button = self.button.unwrap_or_default();
        match self.kind {
            ActionKind::Click => hand.click_at(place, button),
            ActionKind::DoubleClick => {
                hand.click_at(place, button);
                hand.add_pause(BETWEEN_CLICKS);
                hand.click_at(place, button);
            }
            ActionKind::Drag => {
                let to = map_place(frame, self.to_x.zip(self.to_y), "to_x and to_y")?;
                hand.drag_to(place, to, button);
            }
            ActionKind::Scroll => {
                hand.scroll_by(place, self.right.unwrap_or(0), self.down.unwrap_or(0))?;
            }
            ActionKind::Move
            | ActionKind::Type
            | ActionKind::Key
            | ActionKind::Wait
            | ActionKind::WaitUntilStable => hand.point_at(0, place),
        }
        Ok(())
    }

    fn required_text(&self, what: &str) -> Result<&str, BadAction> {
        let text = self.text.as_deref().filter(|text| !text.is_empty());
        text.ok_or_else(|| BadAction::missing_field(what))
    }

    fn wait_time(&self, otherwise: Duration, max: Duration) -> Result<Duration, BadAction> {
        let Some(seconds) = self.seconds else {
            return Ok(otherwise.min(max));
        };
        let time = Duration::try_from_secs_f32(seconds).map_err(|_| {
            BadAction::new(
                "wait_invalid",
                format!("{seconds} is not a valid wait time"),
            )
        })?;
        if time > max {
            let (max, wish) = (max.as_secs(), seconds);
            return Err(BadAction::new(
                "wait_too_long",
                format!(
                    "one action waits at most {max} seconds, not {wish}; add another wait action"
                ),
            ));
        }
        Ok(time)
    }
}

fn map_place(
    frame: FrameId,
    place: Option<(u16, u16)>,
    what: &str,
) -> Result<(u16, u16), BadAction> {
    let (x, y) = place.ok_or_else(|| BadAction::missing_field(what))?;
    frame.to_desktop(x, y).ok_or_else(|| {
        BadAction::new(
            "place_beyond_picture",
            format!(
                "{x}, {y} is outside the screenshot of {} by {} pixels",
                frame.shown_width, frame.shown_height
            ),
        )
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

    const SHIFT: u32 = 0xffe1;
    const CONTROL: u32 = 0xffe3;

    fn action(kind: ActionKind, text: &str) -> DesktopAction {
        DesktopAction {
            kind,
            x: None,
            y: None,
            to_x: None,
            to_y: None,
            button: None,
            right: None,
            down: None,
            text: Some(text.to_owned()),
            modifiers: Vec::new(),
            seconds: None,
        }
    }

    fn inputs(action: &DesktopAction) -> Vec<InputEvent> {
        let step = action.to_step(FRAME, Duration::MAX).unwrap();
        let ActionStep::Do(inputs) = step else {
            panic!()
        };
        inputs
    }

    fn keys(kind: ActionKind, text: &str) -> Vec<(bool, u32)> {
        let keys = inputs(&action(kind, text)).into_iter();
        let keys = keys.filter_map(|input| match input {
            InputEvent::Key { down, keysym } => Some((down, keysym)),
            InputEvent::Pointer { .. }
            | InputEvent::Pause(_)
            | InputEvent::LiftLocks
            | InputEvent::RestoreLocks => None,
        });
        keys.collect()
    }

    /// The keys that go down.
    fn pressed(keys_named: &str) -> Vec<u32> {
        let keys = keys(ActionKind::Key, keys_named).into_iter();
        keys.filter(|(down, _)| *down)
            .map(|(_, keysym)| keysym)
            .collect()
    }

    fn fault(kind: ActionKind, text: &str) -> BadAction {
        action(kind, text)
            .to_step(FRAME, Duration::MAX)
            .unwrap_err()
    }

    #[test]
    fn key_action_releases_its_keys_in_reverse() {
        assert_eq!(
            keys(ActionKind::Key, "ctrl+shift+t"),
            [
                (true, CONTROL),
                (true, SHIFT),
                (true, 0x54),
                (false, 0x54),
                (false, SHIFT),
                (false, CONTROL)
            ]
        );
        for (keys, expected) in [
            ("Ctrl++", vec![CONTROL, SHIFT, 0x2b]),
            ("+", vec![SHIFT, 0x2b]),
            ("ctrl+plus", vec![CONTROL, SHIFT, 0x2b]),
            ("ctrl+C", vec![CONTROL, 0x63]),
            ("A", vec![SHIFT, 0x41]),
            ("shift+a", vec![SHIFT, 0x41]),
            ("ctrl+shift+1", vec![CONTROL, SHIFT, 0x21]),
            ("ctrl+shift+/", vec![CONTROL, SHIFT, 0x3f]),
            ("ctrl+shift+=", vec![CONTROL, SHIFT, 0x2b]),
            ("ctrl+shift+!", vec![CONTROL, SHIFT, 0x21]),
            ("ctrl + KeyS", vec![CONTROL, 0x73]),
            ("F12", vec![0xffc9]),
            (" ", vec![0x20]),
            // A spare key is lost with the first event after another keyboard, which here is that of Shift.
            ("é", vec![SHIFT, 0xe9]),
        ] {
            assert_eq!(pressed(keys), expected, "{keys}");
        }
        for bad in ["ctrl+", "ctrl+shift+", "+a", "ctrl++c", "++"] {
            assert_eq!(fault(ActionKind::Key, bad).code, "key_incomplete", "{bad}");
        }
        let bad = fault(ActionKind::Key, "ctrl+Retrun");
        assert_eq!(bad.code, "key_unknown");
        assert!(bad.to_string().contains("`Return`"), "{bad}");
    }

    #[test]
    fn text_is_typed_with_shift_where_its_level_wants_it() {
        let tap = |keysym| [(true, keysym), (false, keysym)];
        assert_eq!(keys(ActionKind::Type, "\r\n"), tap(0xff0d));
        assert_eq!(
            keys(ActionKind::Type, "aAB!c"),
            [
                &tap(0x61)[..],
                &[(true, SHIFT)],
                &tap(0x41),
                &tap(0x42),
                &tap(0x21),
                &[(false, SHIFT)],
                &tap(0x63),
            ]
            .concat()
        );
        // Before each one that the keyboard may lack.
        assert_eq!(
            keys(ActionKind::Type, "é漢a"),
            [
                tap(SHIFT),
                tap(0xe9),
                tap(SHIFT),
                tap(0x0100_6f22),
                tap(0x61)
            ]
            .concat()
        );
        let long = "x".repeat(10_001);
        assert_eq!(fault(ActionKind::Type, &long).code, "text_too_long");
    }

    #[test]
    fn action_place_is_scaled_from_picture_to_desktop() {
        let there = InputEvent::Pointer {
            buttons: 0,
            x: 960,
            y: 540,
            scroll: (0, 0),
        };
        let pointed = DesktopAction {
            x: Some(640),
            y: Some(360),
            ..action(ActionKind::Move, "")
        };
        assert_eq!(inputs(&pointed), [there]);
        let beyond = DesktopAction {
            x: Some(1280),
            ..pointed
        };
        let fault = beyond.to_step(FRAME, Duration::MAX).unwrap_err();
        assert_eq!(fault.code, "place_beyond_picture");
    }
}
