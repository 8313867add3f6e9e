//! The look after the actions: what has changed, what moves by itself, and the picture of it.

use std::time::Duration;

use super::super::frame_view;
use super::super::input_permission::{InputPermission, check_hands, view_only_error};
use super::ControlReply;
use crate::desktop::{FrameId, ScreenBaseline, has_changed, settle_screen};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::session_proxy::rfb::{DesktopConnection, RfbError, ScreenPixels};
use crate::providers::kasm::KasmProvider;
use crate::tool::{ToolError, ToolReply};

/// How long the screen is given to settle before its picture is taken.
const SETTLE: Duration = Duration::from_millis(2_500);

/// Reads the screen after the actions and makes the reply.
pub(super) struct FinalLook<'a> {
    pub provider: &'a KasmProvider,
    pub place: &'a RunningSession,
    pub desktop: DesktopConnection,
    /// The screen before the actions.
    pub before: ScreenBaseline,
    /// Where the pointer was moved to.
    pub pointer: Option<(u16, u16)>,
    /// How many actions were done.
    pub done: usize,
    /// Some of them were more than waiting.
    pub has_input: bool,
}

/// The screen after the actions, compared with the one before.
struct SeenScreen {
    screen: ScreenPixels,
    quiet: bool,
    changed: bool,
    hands: InputPermission,
}

impl FinalLook<'_> {
    /// A reply without a picture.
    pub(super) async fn reply_unseen(&mut self) -> Result<ToolReply<ControlReply>, ToolError> {
        if self.has_input && !self.desktop.hands_proven() {
            // The actions are done, so a failure to read the screen must not fail the call.
            if let Ok(InputPermission::DoNothing) = self.try_hands().await {
                return Err(view_only_error(self.done));
            }
        }
        let controlled = ControlReply {
            actions_done: self.done,
            ..ControlReply::default()
        };
        Ok(ToolReply::new(controlled, done_words(self.done)))
    }

    async fn try_hands(&self) -> Result<InputPermission, RfbError> {
        let after = self.desktop.update_screen().await?;
        check_hands(&self.desktop, &self.before.screen, &after, self.pointer).await
    }

    /// A reply with a picture, if something has changed or `always`. The actions are done, so a connection
    /// that ends now is replaced once, and if that fails, the reply has no picture.
    pub(super) async fn reply_seen(
        &mut self,
        frame: FrameId,
        always: bool,
    ) -> Result<ToolReply<ControlReply>, ToolError> {
        let seen = match self.look_after().await {
            Ok(seen) => seen,
            Err(first) => match self.look_again(first).await {
                Ok(seen) => seen,
                Err(error) => return Ok(self.reply_blind(&error)),
            },
        };
        // Input that KasmVNC has dropped must not be reported as done.
        if let InputPermission::DoNothing = seen.hands {
            return Err(view_only_error(self.done));
        }
        let shown = always || seen.changed;
        let shown = shown.then(|| frame_view(&seen.screen, self.provider.picture_bounds()));
        let (picture, view) = shown.transpose()?.unzip();
        let size = |screen: &ScreenPixels| (screen.width(), screen.height());
        let resized = size(&self.before.screen) != size(&seen.screen);
        let (done, now) = (self.done, size(&seen.screen));
        let what = match (resized, seen.changed, seen.quiet) {
            (true, ..) => format!(
                "the desktop has another size now, {} by {} pixels; the last action may have met another place",
                now.0, now.1
            ),
            (false, true, true) => "the screen has changed".to_owned(),
            (false, true, false) => "the screen is still changing".to_owned(),
            (false, false, _) => "the screen looks as before".to_owned(),
        };
        let watermark = view.as_ref().map_or("", |view| view.watermark_words());
        let areas = self.before.motion.moving_areas().iter();
        // The caller's coordinates are pixels of its screenshot, so the areas are converted to these.
        let animated: Vec<_> = areas.map(|area| frame.to_picture(*area)).collect();
        let controlled = ControlReply {
            actions_done: done,
            changed: Some(seen.changed),
            settled: Some(seen.quiet),
            animated: (!animated.is_empty()).then_some(animated),
            resized: resized.then_some(true),
            look_failed: None,
            frame: view,
        };
        let message = format!("{}; {what}{watermark}", done_words(done));
        Ok(ToolReply::new(controlled, message).with_picture(picture))
    }

    async fn look_after(&mut self) -> Result<SeenScreen, RfbError> {
        let settled = settle_screen(&self.desktop, SETTLE, &mut self.before.motion).await?;
        let (mut screen, quiet) = (settled.screen, settled.quiet);
        let changed = has_changed(&self.desktop, &mut self.before, &mut screen, self.pointer);
        let changed = changed.await?;
        let mut hands = InputPermission::Work;
        // Waiting proves nothing about whether input arrives.
        if self.has_input {
            hands = check_hands(&self.desktop, &self.before.screen, &screen, self.pointer).await?;
        }
        Ok(SeenScreen {
            screen,
            quiet,
            changed,
            hands,
        })
    }

    async fn look_again(&mut self, first: RfbError) -> Result<SeenScreen, RfbError> {
        tracing::info!(error = %first, "the look after the actions failed; connecting again");
        (self.desktop, _) = self.provider.update_screen(self.place).await?;
        self.look_after().await
    }

    /// A reply without a picture, because the desktop could not be read after the actions.
    fn reply_blind(&self, error: &RfbError) -> ToolReply<ControlReply> {
        let controlled = ControlReply {
            actions_done: self.done,
            look_failed: Some(error.to_string()),
            ..ControlReply::default()
        };
        let message = format!(
            "{}; then no screenshot could be taken: {error}; take one with get_session_screenshot",
            done_words(self.done)
        );
        ToolReply::new(controlled, message)
    }
}

fn done_words(done: usize) -> String {
    match done {
        1 => "1 action was done".to_owned(),
        _ => format!("{done} actions were done"),
    }
}
