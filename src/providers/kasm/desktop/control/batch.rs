//! The actions of one call: checked against the picture, done in their order, and counted.

use std::time::Duration;

use super::ActionArgs;
use crate::desktop::{Action, FrameId, Step, settle};
use crate::kasm::plane::rfb::{Desktop, Input, RfbError, Screen};
use crate::tool::{ErrorType, ToolError};

/// The longest that one action waits.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The picture that coordinates belong to.
pub(super) fn frame_of(named: Option<&str>, now: &Screen) -> Result<FrameId, ToolError> {
    let (width, height) = (now.width(), now.height());
    let Some(named) = named else {
        return Ok(FrameId::unscaled(width, height));
    };
    let frame: FrameId = named.parse().map_err(|error| {
        ToolError::validation(
            format!("{error}"),
            "get_session_screenshot gives one with its picture",
        )
        .with_code("frame_invalid")
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
        )
        .with_code("frame_outdated"));
    }
    Ok(frame)
}

/// What has to be done. All of it is checked before any of it is done.
pub(super) fn check_actions(
    actions: &[ActionArgs],
    frame: FrameId,
) -> Result<Vec<Step>, ToolError> {
    let steps = actions.iter().enumerate().map(|(index, action)| {
        let step = Action::from(action).step(frame, WAIT_MAX);
        step.map_err(|error| {
            ToolError::validation(
                format!("action {}: {error}; nothing was done", index + 1),
                "correct this action and send all of them again",
            )
            .with_code(error.code)
        })
    });
    steps.collect()
}

/// Does the steps; an error comes with how many were done before it.
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
