//! The orders of a connection task, and their answers.

use tokio::sync::oneshot;

use super::{
    BatchEnd, ConnectionTask, InputBatch, KnownClipboard, LeftBehind, RfbError, ScreenPixels,
};

#[derive(Debug)]
pub(super) enum ConnectionOrder {
    /// Return the screen: `whole` requests all pixels again, otherwise those that changed.
    Look {
        whole: bool,
        reply: oneshot::Sender<Result<ScreenPixels, RfbError>>,
    },
    Do(InputBatch, oneshot::Sender<Result<BatchEnd, RfbError>>),
    Copy(String, oneshot::Sender<Result<(), RfbError>>),
    Copied(oneshot::Sender<Result<KnownClipboard, RfbError>>),
    Finish(LeftBehind, oneshot::Sender<Result<(), RfbError>>),
}

impl ConnectionTask {
    pub(super) async fn perform_and_note(
        &mut self,
        order: ConnectionOrder,
    ) -> Result<(), RfbError> {
        let done = self.perform_order(order).await;
        if let Err(error) = &done {
            tracing::info!(%error, "a desktop connection ended");
        }
        done
    }

    /// Does one thing. An error ends the connection.
    async fn perform_order(&mut self, order: ConnectionOrder) -> Result<(), RfbError> {
        match order {
            ConnectionOrder::Look { whole, reply } => self.show_screen(whole, reply).await,
            ConnectionOrder::Do(batch, mut reply) => {
                let end = self.perform_batch(&batch, &mut reply).await;
                let ended = match &end {
                    BatchEnd::Broken { error, .. } => Err(error.clone()),
                    BatchEnd::Complete | BatchEnd::Resized { .. } => Ok(()),
                };
                // The caller learns how far its batch came, and only then the error ends the connection.
                let _unheard = reply.send(Ok(end));
                ended
            }
            ConnectionOrder::Copy(text, reply) => {
                let done = self.copy_text(text).await;
                answer_order(reply, done)
            }
            ConnectionOrder::Finish(left, reply) => {
                self.left = left;
                let done = self.finish_left_work().await;
                answer_order(reply, done)
            }
            ConnectionOrder::Copied(reply) => self.answer_clipboard(reply).await,
        }
    }

    /// Does what came during a pause if it changes nothing, and keeps the rest for later: input of two callers
    /// does not mix.
    pub(super) async fn perform_or_postpone(
        &mut self,
        order: ConnectionOrder,
    ) -> Result<(), RfbError> {
        match order {
            ConnectionOrder::Look { whole, reply } => self.show_screen(whole, reply).await,
            ConnectionOrder::Copied(reply) => self.answer_clipboard(reply).await,
            other @ (ConnectionOrder::Do(..)
            | ConnectionOrder::Copy(..)
            | ConnectionOrder::Finish(..)) => {
                self.postponed.push_back(other);
                Ok(())
            }
        }
    }

    async fn answer_clipboard(
        &mut self,
        reply: oneshot::Sender<Result<KnownClipboard, RfbError>>,
    ) -> Result<(), RfbError> {
        // What was copied before this is on its way before the answer to this.
        let done = self.round_trip().await;
        answer_order(reply, done.map(|()| self.clipboard.clone()))
    }

    async fn show_screen(
        &mut self,
        whole: bool,
        reply: oneshot::Sender<Result<ScreenPixels, RfbError>>,
    ) -> Result<(), RfbError> {
        // A caller that has gone needs no picture.
        if reply.is_closed() {
            return Ok(());
        }
        let seen = self.read_picture(whole).await;
        answer_order(reply, seen.map(|()| self.canvas.screen.clone()))
    }
}

/// Answers the caller. An error goes to the task as well, and ends it.
fn answer_order<T>(
    reply: oneshot::Sender<Result<T, RfbError>>,
    result: Result<T, RfbError>,
) -> Result<(), RfbError> {
    let ended = result.as_ref().map(|_| ()).map_err(Clone::clone);
    // The caller may have gone.
    let _unheard = reply.send(result);
    ended
}
