//! `control_desktop`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrameView, view};
use crate::desktop::{Action, ActionKind, Button, FrameId, Step, has_changed, settle};
use crate::kasm::plane::rfb::{Desktop, Input, RfbError, Screen};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, place};
use crate::tool::{Call, Effect, ErrorType, Private, Reply, Tool, ToolError};

/// How long the screen is given to settle before its picture is taken.
const SETTLE: Duration = Duration::from_millis(2_500);
/// The longest that one action waits.
const WAIT_MAX: Duration = Duration::from_secs(30);

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
    #[serde(default)]
    button: Button,
    /// How far to scroll, notches to the right.
    dx: Option<i32>,
    /// The same, down.
    dy: Option<i32>,
    /// What to type; of `key`, the keys to press together, such as `ctrl+l` or `Return`.
    text: Option<Private<String>>,
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
            ));
        }
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        let (desktop, before) = cx.provider.look(&place).await?;
        let frame = frame_of(args.frame_id.as_deref(), &before)?;
        let steps = steps(&args.actions, frame)?;
        let done = perform(&desktop, &steps).await;
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

/// The picture that coordinates belong to.
fn frame_of(named: Option<&str>, now: &Screen) -> Result<FrameId, ToolError> {
    let (width, height) = (now.width(), now.height());
    let Some(named) = named else {
        return Ok(FrameId::unscaled(width, height));
    };
    let frame: FrameId = named.parse().map_err(|error| {
        ToolError::validation(
            format!("{error}"),
            "get_session_screenshot gives one with its picture",
        )
    })?;
    if (frame.width, frame.height) != (width, height) {
        return Err(ToolError::new(
            ErrorType::Conflict,
            format!(
                "the desktop is {width} by {height} pixels now, and was {} by {} when the picture `{named}` was taken; \
                 nothing was done",
                frame.width, frame.height
            ),
            "look again with get_session_screenshot and use its frame_id and coordinates",
        ));
    }
    Ok(frame)
}

/// What has to be done. All of it is checked before any of it is done.
fn steps(actions: &[ActionArgs], frame: FrameId) -> Result<Vec<Step>, ToolError> {
    let steps = actions.iter().enumerate().map(|(index, action)| {
        let step = Action::from(action).step(frame, WAIT_MAX);
        step.map_err(|error| {
            ToolError::validation(
                format!("action {}: {error}; nothing was done", index + 1),
                "correct this action and send all of them again",
            )
        })
    });
    steps.collect()
}

impl From<&ActionArgs> for Action {
    fn from(args: &ActionArgs) -> Self {
        Self {
            kind: args.r#type,
            place: args.x.zip(args.y),
            to: args.to_x.zip(args.to_y),
            button: args.button,
            notches: (args.dx.unwrap_or(0), args.dy.unwrap_or(0)),
            text: args.text.as_deref().cloned(),
            // Negative or not a number: no time at all.
            time: args
                .seconds
                .map(|seconds| Duration::try_from_secs_f32(seconds).unwrap_or_default()),
        }
    }
}

/// Does the steps; an error comes with how many were done before it.
async fn perform(desktop: &Desktop, steps: &[Step]) -> Result<usize, (usize, RfbError)> {
    let mut waiting: Vec<Input> = Vec::new();
    let mut done = 0;
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Do(inputs) => waiting.extend(inputs),
            Step::Settle(time) => {
                let inputs = std::mem::take(&mut waiting);
                let performed = desktop.input(inputs).await;
                performed.map_err(|error| (done, error))?;
                done = index;
                let settled = settle(desktop, *time).await;
                settled.map_err(|error| (done, error))?;
                done = index + 1;
            }
        }
    }
    if !waiting.is_empty() {
        let performed = desktop.input(waiting).await;
        performed.map_err(|error| (done, error))?;
    }
    Ok(steps.len())
}

fn broken_off(done: usize, total: usize, error: RfbError) -> ToolError {
    let error = ToolError::from(error);
    ToolError {
        message: format!(
            "{}; {done} of {total} actions were done for certain, later ones perhaps",
            error.message
        ),
        hint: format!(
            "look with get_session_screenshot before you repeat anything; {}",
            error.hint
        ),
        ..error
    }
}
