//! `control_desktop`.

mod batch;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrameView, view};
use crate::desktop::{Action, ActionKind, Button, has_changed, settle};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, place};
use crate::tool::{Call, Effect, Private, Reply, Tool, ToolError};
use batch::{broken_off, check_actions, frame_of, perform_steps};

/// How long the screen is given to settle before its picture is taken.
const SETTLE: Duration = Duration::from_millis(2_500);

pub(super) struct ControlDesktop;

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum When {
    #[default]
    Always,
    OnChange,
    Never,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct ActionArgs {
    /// What to do.
    r#type: ActionKind,
    /// Where, in pixels of the picture that frame_id names, else of the desktop.
    x: Option<u16>,
    y: Option<u16>,
    /// Where a drag ends.
    to_x: Option<u16>,
    to_y: Option<u16>,
    /// Of clicks and drags. Default: left.
    button: Option<Button>,
    /// How far to scroll, notches to the right, at most 1000.
    dx: Option<i32>,
    /// The same, down.
    dy: Option<i32>,
    /// What to type; of `key`, the keys to press together, such as `ctrl+l` or `Return`.
    text: Option<Private<String>>,
    /// Keys to hold during a pointer action, such as `ctrl` and `shift`.
    modifiers: Option<Vec<String>>,
    /// How long to wait, at most 30.
    seconds: Option<f32>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ControlArgs {
    /// The session.
    kasm_id: KasmId,
    /// What to do, in this order; at most 24 actions.
    actions: Vec<ActionArgs>,
    /// The picture that the coordinates were read from.
    frame_id: Option<String>,
    /// Whether to show the screen afterwards: always (default), on_change or never.
    #[serde(default)]
    screenshot: When,
    /// Not needed: the user follows from the token.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Controlled {
    actions_done: usize,
    /// More than a text cursor differs from before. Absent where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    /// The screen stopped changing before the picture was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<FrameView>,
}

impl Tool for ControlDesktop {
    type Provider = KasmProvider;
    type Args = ControlArgs;
    type Output = Controlled;
    const NAME: &'static str = "control_desktop";
    const TITLE: &'static str = "Use mouse and keyboard";
    const ABOUT: &'static str = "Click, type, press keys, scroll, drag and wait on a session's desktop, several actions in one \
                                 call, and see the screen once it has settled.";
    const EFFECT: Effect = Effect::Write;
    const OPEN_WORLD: bool = true;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: ControlArgs,
    ) -> Result<Reply<Controlled>, ToolError> {
        let max = cx.provider.desktop_limits.actions_max;
        if args.actions.len() > max {
            return Err(ToolError::validation(
                format!(
                    "there are {} actions, {max} are allowed",
                    args.actions.len()
                ),
                "do some of them, look, and go on",
            )
            .with_code("too_many_actions"));
        }
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        let (desktop, before) = cx.provider.look(&place).await?;
        let frame = frame_of(args.frame_id.as_deref(), &before)?;
        let steps = check_actions(&args.actions, frame)?;
        let done = perform_steps(&desktop, &steps).await;
        let total = steps.len();
        let done = done.map_err(|(done, error)| broken_off(done, total, error))?;
        if args.screenshot == When::Never {
            let controlled = Controlled {
                actions_done: done,
                changed: None,
                settled: None,
                frame: None,
            };
            return Ok(Reply::new(controlled, format!("did {done} actions")));
        }
        let after = settle(&desktop, SETTLE).await;
        let after = after.map_err(|error| broken_off(done, total, error))?;
        let changed = has_changed(&before, &after.screen);
        let shown = args.screenshot == When::Always || changed;
        let shown = shown.then(|| view(&after.screen, cx.provider.bounds()));
        let (picture, frame) = shown.transpose()?.unzip();
        let controlled = Controlled {
            actions_done: done,
            changed: Some(changed),
            settled: Some(after.quiet),
            frame,
        };
        let message = match (changed, after.quiet) {
            (true, true) => format!("did {done} actions; the screen has changed"),
            (true, false) => format!("did {done} actions; the screen is still changing"),
            (false, _) => format!("did {done} actions; the screen looks as before"),
        };
        Ok(Reply::new(controlled, message).showing(picture))
    }
}

impl From<&ActionArgs> for Action {
    fn from(args: &ActionArgs) -> Self {
        Self {
            kind: args.r#type,
            x: args.x,
            y: args.y,
            to_x: args.to_x,
            to_y: args.to_y,
            button: args.button,
            right: args.dx,
            down: args.dy,
            text: args.text.as_deref().cloned(),
            modifiers: args.modifiers.clone().unwrap_or_default(),
            seconds: args.seconds,
        }
    }
}
