//! Which fields an action uses. One that it does not use is refused: it was meant to do something.

use super::{ActionKind, BadAction, DesktopAction};

impl ActionKind {
    /// As it is written in a call.
    const fn written_name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::DoubleClick => "double_click",
            Self::Move => "move",
            Self::Drag => "drag",
            Self::Scroll => "scroll",
            Self::Type => "type",
            Self::Key => "key",
            Self::Wait => "wait",
            Self::WaitUntilStable => "wait_until_stable",
        }
    }

    const fn used_fields(self) -> &'static [&'static str] {
        match self {
            Self::Click | Self::DoubleClick => &["x", "y", "button", "text", "modifiers"],
            Self::Move => &["x", "y", "text", "modifiers"],
            Self::Drag => &["x", "y", "to_x", "to_y", "button", "text", "modifiers"],
            Self::Scroll => &["x", "y", "dx", "dy", "text", "modifiers"],
            Self::Type | Self::Key => &["text"],
            Self::Wait | Self::WaitUntilStable => &["seconds"],
        }
    }
}

impl DesktopAction {
    /// Refuses a field that this kind of action does not use.
    pub(super) fn check_fields(&self) -> Result<(), BadAction> {
        let given = [
            ("x", self.x.is_some()),
            ("y", self.y.is_some()),
            ("to_x", self.to_x.is_some()),
            ("to_y", self.to_y.is_some()),
            ("button", self.button.is_some()),
            ("dx", self.right.is_some()),
            ("dy", self.down.is_some()),
            // Forms fill in an empty text where nothing was meant.
            (
                "text",
                self.text.as_ref().is_some_and(|text| !text.is_empty()),
            ),
            ("modifiers", !self.modifiers.is_empty()),
            ("seconds", self.seconds.is_some()),
        ];
        let fields = self.kind.used_fields();
        let unused = given
            .iter()
            .find(|(name, given)| *given && !fields.contains(name));
        let Some((unused, _)) = unused else {
            return Ok(());
        };
        Err(BadAction::new(
            "field_unused",
            format!(
                "`{}` does not use `{unused}`; it uses {}",
                self.kind.written_name(),
                fields.join(", ")
            ),
        ))
    }
}
