//! The actions of one call: all are checked against the screenshot, then run in order.

use std::time::Duration;

use super::ActionArgs;
use crate::desktop::{Action, FrameId, Step, settle};
use crate::kasm::plane::rfb::{Desktop, Input, RfbError, Screen};
use crate::tool::{ErrorType, ToolError};

/// The longest wait of one action.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The screenshot that the coordinates refer to.
pub(super) fn frame_of(named: Option<&str>, now: &Screen) -> Result<FrameId, ToolError> {
    let (width, height) = (now.width(), now.height());
    let Some(named) = named else {
        return Ok(FrameId::unscaled(width, height));
    };
    let frame: FrameId = named.parse().map_err(|error| {
        ToolError::validation(
            format!("{error}"),
            "call get_session_screenshot and use its frame_id",
        )
    })?;
    if (frame.width, frame.height) != (width, height) {
        return Err(ToolError::new(
            ErrorType::Conflict,
            format!(
                "the desktop is {width} by {height} pixels, but was {} by {} in the screenshot `{named}`; no action \
                 was done",
                frame.width, frame.height
            ),
            "call get_session_screenshot again and use its frame_id and coordinates",
        ));
    }
    Ok(frame)
}

/// The steps of all actions. Every action is checked before the first one runs.
pub(super) fn check_actions(
    actions: &[ActionArgs],
    frame: FrameId,
) -> Result<Vec<Step>, ToolError> {
    let steps = actions.iter().enumerate().map(|(index, action)| {
        let step = Action::from(action).step(frame, WAIT_MAX);
        step.map_err(|error| {
            ToolError::validation(
                format!("action {}: {error}; no action was done", index + 1),
                "correct this action and send all actions again",
            )
            .with_code(error.code)
        })
    });
    steps.collect()
}

/// Runs the steps. An error comes with the number of actions that were done.
pub(super) async fn perform_steps(
    desktop: &Desktop,
    steps: &[Step],
) -> Result<usize, (usize, RfbError)> {
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

pub(super) fn broken_off(done: usize, total: usize, error: RfbError) -> ToolError {
    let error = ToolError::from(error);
    ToolError {
        message: format!(
            "{}; {done} of {total} actions were done, later ones may have been",
            error.message
        ),
        hint: format!(
            "call get_session_screenshot before you repeat an action; {}",
            error.hint
        ),
        ..error
    }
}
