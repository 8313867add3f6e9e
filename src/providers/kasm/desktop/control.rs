//! `control_desktop`.

mod batch;
mod final_look;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FrameView;
use crate::desktop::{ActionKind, ActionStep, DesktopAction, PointerButton, ScreenBaseline};
use crate::kasm::session_proxy::rfb::{RfbError, ScreenArea};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{Effect, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply};
use batch::{BatchRun, check_actions, frame_of, last_place, stopped_error};
use final_look::FinalLook;

pub(super) struct ControlDesktop;

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum PictureWhen {
    #[default]
    Always,
    OnChange,
    Never,
}

#[derive(Deserialize, JsonSchema)]
// A misspelt `modifiers`, if it were ignored, would turn the click into another one.
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct ActionArgs {
    /// The kind of action.
    r#type: ActionKind,
    /// The position, in pixels of the screenshot that frame_id names. Without frame_id: pixels of the desktop.
    x: Option<u16>,
    y: Option<u16>,
    /// The end position of a drag.
    to_x: Option<u16>,
    to_y: Option<u16>,
    /// The button for clicks and drags. Default: left.
    button: Option<PointerButton>,
    /// Scroll distance to the right, in notches, at most 1000.
    dx: Option<i32>,
    /// Scroll distance down, in notches.
    dy: Option<i32>,
    /// For `type`: the text. For `key`: keys to press together, such as `ctrl+l` or `Return`.
    text: Option<PrivateArgument<String>>,
    /// Keys to hold during a pointer action, such as `ctrl` and `shift`.
    modifiers: Option<Vec<String>>,
    /// Wait time in seconds, at most 30.
    seconds: Option<f32>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ControlArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The actions, in order; at most 24.
    actions: Vec<ActionArgs>,
    /// The `frame_id` of the screenshot that the coordinates were read from.
    frame_id: Option<String>,
    /// When to return a screenshot: always (default), on_change or never.
    #[serde(default)]
    screenshot: PictureWhen,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Default, Serialize, JsonSchema)]
pub(super) struct ControlReply {
    actions_done: usize,
    /// More differs from before than what moves by itself. Absent if the call made no screenshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    /// The screen stopped changing before the picture was taken, apart from what moves by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
    /// What moves by itself, such as a cursor that blinks or a spinner; in pixels as x and y of actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    animated: Option<Vec<ScreenArea>>,
    /// The desktop has got another size during the last action: what it met may have been another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    resized: Option<bool>,
    /// Why there is no screenshot after the actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    look_failed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<FrameView>,
}

impl Tool for ControlDesktop {
    type Provider = KasmProvider;
    type Args = ControlArgs;
    type Output = ControlReply;
    const NAME: &'static str = "control_desktop";
    const TITLE: &'static str = "Use mouse and keyboard";
    const ABOUT: &'static str = "Click, type, press keys, scroll, drag and wait on a session's desktop. Runs \
        several actions in one call and returns a screenshot once the screen is stable.";
    const EFFECT: Effect = Effect::Write;
    const OPEN_WORLD: bool = true;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ControlArgs,
    ) -> Result<ToolReply<ControlReply>, ToolError> {
        let max = cx.provider.desktop_limits.actions_max;
        if args.actions.len() > max {
            return Err(ToolError::validation(
                format!(
                    "`actions` has {} actions, but at most {max} are allowed",
                    args.actions.len()
                ),
                "do some of them, look, and go on",
            )
            .with_code("too_many_actions"));
        }
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Input).await?;
        let (mut desktop, first) = cx.provider.update_screen(&place).await?;
        // The screen just read gives the current size, which the screenshot's size must equal.
        let frame = frame_of(args.frame_id.as_deref(), &first)?;
        let steps = check_actions(&args.actions, frame)?;
        // Nothing was done yet, so a connection that ends here is made anew.
        let size = (first.width(), first.height());
        let baseline = match ScreenBaseline::take_baseline(&desktop, first).await {
            Err(RfbError::Closed) => {
                let again = cx.provider.update_screen(&place).await?;
                desktop = again.0;
                ScreenBaseline::take_baseline(&desktop, again.1).await
            }
            taken => taken,
        };
        let mut baseline = baseline?;
        let mut run = BatchRun {
            provider: cx.provider,
            place: &place,
            desktop: &mut desktop,
            motion: &mut baseline.motion,
            size,
        };
        let performed = run.perform_steps(&steps).await;
        performed.map_err(|stopped| stopped_error(stopped, steps.len()))?;
        let mut sight = FinalLook {
            provider: cx.provider,
            place: &place,
            desktop,
            before: baseline,
            pointer: last_place(&steps),
            has_input: steps.iter().any(|step| matches!(step, ActionStep::Do(_))),
            done: steps.len(),
        };
        match args.screenshot {
            PictureWhen::Never => sight.reply_unseen().await,
            PictureWhen::Always => sight.reply_seen(frame, true).await,
            PictureWhen::OnChange => sight.reply_seen(frame, false).await,
        }
    }
}

impl From<&ActionArgs> for DesktopAction {
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
