//! Times out request bodies that arrive too slowly, and merges tiny pieces of them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// The slowest accepted rate in bytes per second, after the pause that every body may have.
const BYTES_PER_SECOND: u64 = 8 * 1_024;

/// Smaller chunks are merged. hyper returns each chunk as a slice of a buffer of 8 KiB or more, so single bytes
/// would hold that much memory each.
const SMALL_BYTES: usize = 4 * 1_024;
/// Merged chunks are passed on at this size.
const PIECE_BYTES: usize = 1_024;

/// The client sent the body too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body was received too slowly")]
pub(in crate::http) struct BodyTooSlow;

impl BodyTooSlow {
    /// Whether this is the cause of an error.
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

/// Limits the time for receiving a body to `pause`, plus one second per 8 KiB received.
pub(in crate::http) fn time_body(request: Request, pause: Duration) -> Request {
    request.map(|body| Body::new(TimedBody::new(body, pause)))
}

/// A body, and how long this server has waited for it. Time in which the handler reads nothing does not
/// count.
struct TimedBody {
    body: Body,
    pause: Duration,
    waited: Duration,
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
    received: u64,
    /// Bytes that are too few to be passed on.
    held: BytesMut,
    /// What follows them: an error, trailers, or the end.
    ended: Option<BodyEnd>,
}

type BodyPiece = Result<Frame<Bytes>, axum::BoxError>;

/// The end of the merged chunks.
enum BodyEnd {
    With(BodyPiece),
    Plainly,
}

impl TimedBody {
    fn new(body: Body, pause: Duration) -> Self {
        Self {
            body,
            pause,
            waited: Duration::ZERO,
            waits: None,
            received: 0,
            held: BytesMut::new(),
            ended: None,
        }
    }

    fn time_left(&self) -> Duration {
        let earned = Duration::from_secs(self.received / BYTES_PER_SECOND);
        (self.pause + earned).saturating_sub(self.waited)
    }

    fn held_piece(&mut self) -> Poll<Option<BodyPiece>> {
        let piece = std::mem::take(&mut self.held).freeze();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<BodyPiece>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            // Only the time between a pending poll and the next frame counts. A slow handler does not use up
            // the time of the client.
            if let Some((since, _)) = self.waits.take() {
                self.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.received += u64::try_from(length).unwrap_or(0);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = self.time_left();
        let (_, sleep) = self
            .waits
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        // The timer wakes this task even if the client sends nothing at all.
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyTooSlow.into())))
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BodyPiece>> {
        let this = self.get_mut();
        loop {
            // The held bytes go out before the end, error or trailers that came after them.
            match this.ended.take() {
                Some(ended) if !this.held.is_empty() => {
                    this.ended = Some(ended);
                    return this.held_piece();
                }
                Some(BodyEnd::With(piece)) => return Poll::Ready(Some(piece)),
                Some(BodyEnd::Plainly) => return Poll::Ready(None),
                None => {}
            }
            let data = match ready!(this.poll_piece(cx)) {
                None => {
                    this.ended = Some(BodyEnd::Plainly);
                    continue;
                }
                Some(Err(error)) => {
                    // No reader needs the bytes before an error.
                    this.held.clear();
                    this.ended = Some(BodyEnd::With(Err(error)));
                    continue;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => {
                        this.ended = Some(BodyEnd::With(Ok(trailers)));
                        continue;
                    }
                },
            };
            // The usual small body comes in one chunk, which is passed on without a copy.
            let is_whole = data.len() >= SMALL_BYTES || this.body.is_end_stream();
            if this.held.is_empty() && is_whole {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            this.held.extend_from_slice(&data);
            if this.held.len() >= PIECE_BYTES {
                return this.held_piece();
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.ended.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = u64::try_from(self.held.len()).unwrap_or(0);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        // The upper bound first: the lower one may not be above it.
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(inner.lower() + held);
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::BoxError;
    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn timed_body(body: Body) -> TimedBody {
        TimedBody::new(body, Duration::from_secs(30))
    }

    #[tokio::test]
    async fn body_of_single_bytes_is_joined_and_large_pieces_pass() {
        let large = Bytes::from(vec![7_u8; 9_000]);
        let bytes = (0..10_000_u32).map(|number| Bytes::from(vec![(number % 251) as u8]));
        let all: Vec<Bytes> = [large.clone()].into_iter().chain(bytes).collect();
        let wanted = all.concat();
        let body = Body::from_stream(stream::iter(all.into_iter().map(Ok::<_, BoxError>)));
        let mut body = timed_body(body);
        let mut pieces = Vec::new();
        while let Some(piece) = body.frame().await {
            pieces.push(piece.unwrap().into_data().unwrap());
        }
        let sizes: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [[9_000].as_slice(), &[1_024; 9], &[784]].concat());
        assert_eq!(pieces[0].as_ptr(), large.as_ptr());
        assert_eq!(pieces.concat(), wanted);
    }

    #[tokio::test]
    async fn body_error_is_passed_on() {
        let pieces = [Ok(Bytes::from_static(b"a")), Err("broken")];
        let body = timed_body(Body::from_stream(stream::iter(pieces)));
        let error = body.collect().await.unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
