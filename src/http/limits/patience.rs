//! An end to patience with bodies that come a byte at a time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// The slowest line that is waited for, beside the pause that every body may make: bytes a second.
const BYTES_PER_SECOND: u64 = 8 * 1_024;

/// The client took too long.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(in crate::http) struct TooSlow;

impl TooSlow {
    /// Whether that is what is behind an error.
    pub(in crate::http) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// Lets no body be waited for longer than `pause`, and a second for every 8 KiB that came.
pub(in crate::http) async fn layer(
    State(pause): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let request = request.map(|body| {
        Body::new(Patient {
            body,
            pause,
            waited: Duration::ZERO,
            waits: None,
            received: 0,
        })
    });
    next.run(request).await
}

/// A body, and how long it was waited for. Time in which nobody asks for more does not count.
struct Patient {
    body: Body,
    pause: Duration,
    waited: Duration,
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
    received: u64,
}

impl Patient {
    fn left(&self) -> Duration {
        let earned = Duration::from_secs(self.received / BYTES_PER_SECOND);
        (self.pause + earned).saturating_sub(self.waited)
    }
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waits.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.received += u64::try_from(length).unwrap_or(0);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = this.left();
        let (_, sleep) = this
            .waits
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
