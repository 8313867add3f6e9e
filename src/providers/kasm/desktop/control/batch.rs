//! The actions of one call: all are checked against the screenshot, then run in order.

use std::time::Duration;

use tokio::time::sleep;

use super::ActionArgs;
use crate::desktop::{ActionStep, DesktopAction, FrameId, ScreenMotion, settle_screen};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::session_proxy::rfb::{
    BatchEnd, DesktopConnection, InputBatch, InputEvent, RfbError, ScreenPixels,
};
use crate::providers::kasm::KasmProvider;
use crate::tool::{ErrorType, ToolError};

/// The longest wait of one action.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The screenshot that the coordinates refer to.
pub(super) fn frame_of(named: Option<&str>, now: &ScreenPixels) -> Result<FrameId, ToolError> {
    let (width, height) = (now.width(), now.height());
    let Some(named) = named else {
        return Ok(FrameId::of_whole_desktop(width, height));
    };
    let frame: FrameId = named.parse().map_err(|error| {
        ToolError::validation(
            format!("{error}"),
            "call get_session_screenshot and use its frame_id",
        )
        .with_code("frame_invalid")
    })?;
    // On a desktop of another size, other things are at these coordinates.
    if (frame.width, frame.height) != (width, height) {
        return Err(ToolError::new(
            ErrorType::Conflict,
            format!(
                "the desktop is {width} by {height} pixels, but was {} by {} in the screenshot `{named}`; no action \
                 was done",
                frame.width, frame.height
            ),
            LOOK_AGAIN,
        )
        .with_code("frame_outdated"));
    }
    Ok(frame)
}

const LOOK_AGAIN: &str =
    "take a screenshot with get_session_screenshot and use its frame_id and coordinates";

/// Converts all actions to steps. One invalid action refuses the whole call before any input is sent.
pub(super) fn check_actions(
    actions: &[ActionArgs],
    frame: FrameId,
) -> Result<Vec<ActionStep>, ToolError> {
    let steps = actions.iter().enumerate().map(|(index, action)| {
        let step = DesktopAction::from(action).to_step(frame, WAIT_MAX);
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

/// Where the pointer is when all is done. None: no action moves it.
pub(super) fn last_place(steps: &[ActionStep]) -> Option<(u16, u16)> {
    let inputs = steps.iter().rev().filter_map(|step| match step {
        ActionStep::Do(inputs) => Some(inputs.iter().rev()),
        ActionStep::Wait(_) | ActionStep::Settle(_) => None,
    });
    inputs.flatten().find_map(|input| match *input {
        InputEvent::Pointer { x, y, .. } => Some((x, y)),
        InputEvent::Key { .. }
        | InputEvent::LiftLocks
        | InputEvent::RestoreLocks
        | InputEvent::Pause(_) => None,
    })
}

/// Why the actions of a call were not all done.
pub(super) enum StoppedBatch {
    /// The desktop has another size now.
    Resized { done: usize },
    /// The connection ended.
    Broken { done: usize, error: RfbError },
}

/// The actions of a call while they are being done.
pub(super) struct BatchRun<'a> {
    pub provider: &'a KasmProvider,
    pub place: &'a RunningSession,
    pub desktop: &'a mut DesktopConnection,
    pub motion: &'a mut ScreenMotion,
    /// Of the desktop, as the places were chosen.
    pub size: (u16, u16),
}

impl BatchRun<'_> {
    /// Performs the steps. The actions between two waits are one batch, so that no other caller's input comes
    /// between them; during a wait, other callers can use the desktop.
    pub(super) async fn perform_steps(&mut self, steps: &[ActionStep]) -> Result<(), StoppedBatch> {
        let mut done = 0;
        while done < steps.len() {
            let together = steps[done..].iter().map_while(|step| match step {
                ActionStep::Do(inputs) => Some(inputs.clone()),
                ActionStep::Wait(_) | ActionStep::Settle(_) => None,
            });
            let actions: Vec<_> = together.collect();
            // The next step is a wait.
            if actions.is_empty() {
                self.wait_for_step(&steps[done])
                    .await
                    .map_err(|error| StoppedBatch::Broken { done, error })?;
                done += 1;
            } else {
                let count = actions.len();
                self.perform_together(actions, done).await?;
                done += count;
            }
        }
        Ok(())
    }

    async fn perform_together(
        &mut self,
        actions: Vec<Vec<InputEvent>>,
        before: usize,
    ) -> Result<(), StoppedBatch> {
        let count = actions.len();
        let size = self.size;
        let performed = self
            .desktop
            .perform_batch(InputBatch { size, actions })
            .await;
        match performed {
            Ok(BatchEnd::Complete) => Ok(()),
            Ok(BatchEnd::Resized { done }) => Err(StoppedBatch::Resized {
                done: before + done,
            }),
            // All actions were confirmed, so the end of the connection does not affect them.
            Ok(BatchEnd::Broken { done, .. }) if done == count => Ok(()),
            Ok(BatchEnd::Broken { done, error }) => Err(StoppedBatch::Broken {
                done: before + done,
                error,
            }),
            Err(error) => Err(StoppedBatch::Broken {
                done: before,
                error,
            }),
        }
    }

    /// Waits. If the connection ends meanwhile, no input is lost, so another one is opened. A resize during
    /// the wait is found by the next batch or the final look.
    async fn wait_for_step(&mut self, step: &ActionStep) -> Result<(), RfbError> {
        match step {
            ActionStep::Wait(time) => sleep(*time).await,
            ActionStep::Settle(time) => match settle_screen(self.desktop, *time, self.motion).await
            {
                Ok(_) => return Ok(()),
                Err(RfbError::Closed) => {}
                Err(error) => return Err(error),
            },
            // `perform_steps` sends these to the desktop and passes only waits to this function.
            ActionStep::Do(_) => return Ok(()),
        }
        (*self.desktop, _) = self.provider.update_screen(self.place).await?;
        Ok(())
    }
}

/// The failure of a call that did some of its actions.
pub(super) fn stopped_error(stopped: StoppedBatch, total: usize) -> ToolError {
    match stopped {
        StoppedBatch::Resized { done } => {
            let error = ToolError::new(
                ErrorType::Conflict,
                format!(
                    "the desktop has another size since {done} of {total} actions were done; the others were not \
                     done, and the last one that was may have met another place"
                ),
                LOOK_AGAIN,
            )
            .with_code("desktop_resized");
            // With this mark, subscribers of the screen are notified although the call failed.
            if done > 0 {
                error.having_acted()
            } else {
                error
            }
        }
        StoppedBatch::Broken { done, error } => {
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
    }
}
