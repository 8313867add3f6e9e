//! Requests for pictures, and the small one whose answer proves that the server has taken what came before.

use std::time::Duration;

use tokio::time::timeout;

use super::super::message::Event;
use super::super::screen::Area;
use super::{Clipboard, RfbError, Task};

/// How long the server may take for a picture, or for one message.
const ANSWER: Duration = Duration::from_secs(15);
/// In how many updates one picture may come.
const PARTS_MAX: usize = 8;

impl Task {
    /// Asks for a part of the picture and waits for it.
    pub(super) async fn look(&mut self, area: Area) -> Result<(), RfbError> {
        let (mut left, mut parts) = (area.pixels(), 0);
        let work = async {
            self.request(area).await?;
            loop {
                match self.event().await? {
                    // A part is not the whole: what is missing would be from before.
                    Event::Drawn(pixels) => {
                        left = left.saturating_sub(pixels);
                        parts += 1;
                    }
                    Event::Resized => {
                        let area = self.canvas.screen.area();
                        left = area.pixels();
                        self.request(area).await?;
                    }
                    Event::Copied(_) | Event::Other => {}
                }
                if left == 0 {
                    return Ok(());
                }
                if parts >= PARTS_MAX {
                    return Err(RfbError::Protocol("a frame with too many parts"));
                }
            }
        };
        timeout(ANSWER, work)
            .await
            .map_err(|_| RfbError::TimedOut)?
    }

    /// FramebufferUpdateRequest, not incremental.
    async fn request(&mut self, area: Area) -> Result<(), RfbError> {
        let mut bytes = vec![3, 0];
        for number in [area.x, area.y, area.width, area.height] {
            bytes.extend(number.to_be_bytes());
        }
        self.stream.send(&bytes).await
    }

    /// When the answer to this is here, everything sent before was taken.
    pub(super) async fn round_trip(&mut self) -> Result<(), RfbError> {
        let one = Area {
            width: 1,
            height: 1,
            ..self.canvas.screen.area()
        };
        self.look(one).await
    }

    /// Reads one message.
    pub(super) async fn event(&mut self) -> Result<Event, RfbError> {
        let read = timeout(ANSWER, self.canvas.read(&mut self.stream)).await;
        let event = read.map_err(|_| RfbError::TimedOut)??;
        if let Event::Copied(text) = &event {
            self.clipboard = Clipboard::Text(text.clone());
        }
        Ok(event)
    }
}
