//! Requests for pictures, and the small one whose answer proves that the server has taken what came before.
//!
//! At any time at most one of these is open, and its answer is read to the end. So an update that arrives
//! belongs to the last request.

use std::time::Duration;

use tokio::time::timeout;

use super::super::message::ServerEvent;
use super::super::screen::ScreenArea;
use super::{ConnectionTask, RfbError};

/// How long the server may take for a picture, or for one message.
const ANSWER: Duration = Duration::from_secs(15);
/// In how many updates one picture may come.
const PARTS_MAX: usize = 8;

/// How the answer to a marker came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MarkerAnswer {
    /// As one pixel of its own.
    Alone,
    /// Inside a larger rectangle, which may have been there without it.
    InLarger,
    /// Not at all: the desktop has another size now, which voids open requests.
    Resized,
}

impl ConnectionTask {
    /// Updates the canvas: all of it, or what changed. All of it is needed once for each size.
    pub(super) async fn read_picture(&mut self, whole: bool) -> Result<(), RfbError> {
        let work = async {
            if whole || !self.is_whole {
                return self.read_whole().await;
            }
            self.read_changes().await
        };
        timeout(ANSWER, work)
            .await
            .map_err(|_| RfbError::TimedOut)?
    }

    /// When the answer to this is here, everything sent before was taken.
    pub(super) async fn round_trip(&mut self) -> Result<(), RfbError> {
        let work = async {
            loop {
                let marker = self.next_marker();
                self.request_areas(&[(false, marker)]).await?;
                // A resize is the whole answer to an open request, so the pixel has to be requested again.
                if self.await_marker(marker).await? != MarkerAnswer::Resized {
                    self.hand.note_confirmed();
                    return Ok(());
                }
            }
        };
        timeout(ANSWER, work)
            .await
            .map_err(|_| RfbError::TimedOut)?
    }

    /// Asks for the whole picture and waits for all of its pixels.
    async fn read_whole(&mut self) -> Result<(), RfbError> {
        let area = self.canvas.screen.whole_area();
        let (mut left, mut parts) = (area.pixel_count(), 0);
        self.request_areas(&[(false, area)]).await?;
        while left > 0 {
            match self.read_event().await? {
                // A part is not the whole: what is missing would be from before.
                ServerEvent::Drawn(areas) => {
                    let drawn = areas.into_iter().map(ScreenArea::pixel_count).sum();
                    left = left.saturating_sub(drawn);
                    parts += 1;
                }
                ServerEvent::Resized => {
                    let area = self.canvas.screen.whole_area();
                    left = area.pixel_count();
                    self.request_areas(&[(false, area)]).await?;
                }
                ServerEvent::Copied(_) | ServerEvent::Other => {}
            }
            if left > 0 && parts >= PARTS_MAX {
                return Err(RfbError::Protocol("a picture in too many parts"));
            }
        }
        self.is_whole = true;
        Ok(())
    }

    /// Asks for what changed. A server that has nothing to say to that stays silent, so one pixel is asked
    /// for as well; its answer comes with the changes or after them.
    async fn read_changes(&mut self) -> Result<(), RfbError> {
        let marker = self.next_marker();
        let requests = [(true, self.canvas.screen.whole_area()), (false, marker)];
        self.request_areas(&requests).await?;
        match self.await_marker(marker).await? {
            MarkerAnswer::Alone => Ok(()),
            // The pixel may still be on its way. It is not the one of the next round trip, so that one ends
            // all doubt.
            MarkerAnswer::InLarger => self.round_trip().await,
            MarkerAnswer::Resized => self.read_whole().await,
        }
    }

    /// One pixel, another one than the last time.
    fn next_marker(&mut self) -> ScreenArea {
        self.markers += 1;
        let screen = self.canvas.screen.whole_area();
        // Two places in turn: a late answer to the last request cannot be taken for one to this.
        let second = self.markers.is_multiple_of(2);
        ScreenArea {
            x: u16::from(second && screen.width > 1),
            y: u16::from(second && screen.width == 1 && screen.height > 1),
            width: 1,
            height: 1,
        }
    }

    async fn await_marker(&mut self, marker: ScreenArea) -> Result<MarkerAnswer, RfbError> {
        for _ in 0..PARTS_MAX {
            let areas = loop {
                match self.read_event().await? {
                    ServerEvent::Drawn(areas) => break areas,
                    ServerEvent::Resized => return Ok(MarkerAnswer::Resized),
                    ServerEvent::Copied(_) | ServerEvent::Other => {}
                }
            };
            if areas.contains(&marker) {
                return Ok(MarkerAnswer::Alone);
            }
            if areas
                .iter()
                .any(|area| area.contains_point(marker.x, marker.y))
            {
                return Ok(MarkerAnswer::InLarger);
            }
        }
        Err(RfbError::Protocol("a picture in too many parts"))
    }

    /// FramebufferUpdateRequests, incremental or not, in one message of the WebSocket: the server answers
    /// what it reads at once together.
    async fn request_areas(&mut self, requests: &[(bool, ScreenArea)]) -> Result<(), RfbError> {
        let mut bytes = Vec::with_capacity(requests.len() * 10);
        for (incremental, area) in requests {
            bytes.extend([3, u8::from(*incremental)]);
            for number in [area.x, area.y, area.width, area.height] {
                bytes.extend(number.to_be_bytes());
            }
        }
        self.stream.send_bytes(&bytes).await
    }

    /// Reads one message.
    pub(super) async fn read_event(&mut self) -> Result<ServerEvent, RfbError> {
        let read = timeout(ANSWER, self.canvas.read_message(&mut self.stream)).await;
        let mut event = read.map_err(|_| RfbError::TimedOut)??;
        match &mut event {
            ServerEvent::Copied(copied) => {
                let copied = std::mem::take(copied);
                self.note_copied(copied);
            }
            ServerEvent::Resized => self.is_whole = false,
            ServerEvent::Drawn(_) | ServerEvent::Other => {}
        }
        Ok(event)
    }
}
