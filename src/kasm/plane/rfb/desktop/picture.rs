//! Requests for pictures, and the small one whose answer proves that the server has taken what came before.
//!
//! At any time at most one of these is open, and its answer is read to the end. So an update that arrives
//! belongs to the last request.

use std::time::Duration;

use tokio::time::timeout;

use super::super::message::Event;
use super::super::screen::Area;
use super::{RfbError, Task};

/// How long the server may take for a picture, or for one message.
const ANSWER: Duration = Duration::from_secs(15);
/// In how many updates one picture may come.
const PARTS_MAX: usize = 8;

/// How the answer to a marker came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marked {
    /// As one pixel of its own.
    Alone,
    /// Inside a larger rectangle, which may have been there without it.
    InLarger,
    /// Not at all: the desktop has another size now, which voids what was asked for.
    Resized,
}

impl Task {
    /// Looks at the screen: at all of it, or at what changed. All of it is needed once for each size.
    pub(super) async fn look(&mut self, whole: bool) -> Result<(), RfbError> {
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
                if self.await_marker(marker).await? != Marked::Resized {
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
        let area = self.canvas.screen.area();
        let (mut left, mut parts) = (area.pixels(), 0);
        self.request_areas(&[(false, area)]).await?;
        while left > 0 {
            match self.read_event().await? {
                // A part is not the whole: what is missing would be from before.
                Event::Drawn(areas) => {
                    let drawn = areas.into_iter().map(Area::pixels).sum();
                    left = left.saturating_sub(drawn);
                    parts += 1;
                }
                Event::Resized => {
                    let area = self.canvas.screen.area();
                    left = area.pixels();
                    self.request_areas(&[(false, area)]).await?;
                }
                Event::Copied(_) | Event::Other => {}
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
        let requests = [(true, self.canvas.screen.area()), (false, marker)];
        self.request_areas(&requests).await?;
        match self.await_marker(marker).await? {
            Marked::Alone => Ok(()),
            // The pixel may still be on its way. It is not the one of the next round trip, so that one ends
            // all doubt.
            Marked::InLarger => self.round_trip().await,
            Marked::Resized => self.read_whole().await,
        }
    }

    /// One pixel, another one than the last time.
    fn next_marker(&mut self) -> Area {
        self.markers += 1;
        let screen = self.canvas.screen.area();
        let second = self.markers.is_multiple_of(2);
        Area {
            x: u16::from(second && screen.width > 1),
            y: u16::from(second && screen.width == 1 && screen.height > 1),
            width: 1,
            height: 1,
        }
    }

    async fn await_marker(&mut self, marker: Area) -> Result<Marked, RfbError> {
        for _ in 0..PARTS_MAX {
            let areas = loop {
                match self.read_event().await? {
                    Event::Drawn(areas) => break areas,
                    Event::Resized => return Ok(Marked::Resized),
                    Event::Copied(_) | Event::Other => {}
                }
            };
            if areas.contains(&marker) {
                return Ok(Marked::Alone);
            }
            if areas.iter().any(|area| area.has(marker.x, marker.y)) {
                return Ok(Marked::InLarger);
            }
        }
        Err(RfbError::Protocol("a picture in too many parts"))
    }

    /// FramebufferUpdateRequests, incremental or not, in one message of the WebSocket: the server answers
    /// what it reads at once together.
    async fn request_areas(&mut self, requests: &[(bool, Area)]) -> Result<(), RfbError> {
        let mut bytes = Vec::with_capacity(requests.len() * 10);
        for (incremental, area) in requests {
            bytes.extend([3, u8::from(*incremental)]);
            for number in [area.x, area.y, area.width, area.height] {
                bytes.extend(number.to_be_bytes());
            }
        }
        self.stream.send(&bytes).await
    }

    /// Reads one message.
    pub(super) async fn read_event(&mut self) -> Result<Event, RfbError> {
        let read = timeout(ANSWER, self.canvas.read(&mut self.stream)).await;
        let mut event = read.map_err(|_| RfbError::TimedOut)??;
        match &mut event {
            Event::Copied(copied) => {
                let copied = std::mem::take(copied);
                self.note_copied(copied);
            }
            Event::Resized => self.is_whole = false,
            Event::Drawn(_) | Event::Other => {}
        }
        Ok(event)
    }
}
