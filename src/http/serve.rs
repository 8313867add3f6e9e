//! The accept loop: no socket delay, a limit of connections, time limits, and a clean shutdown.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::app::HttpApp;
use super::client_ip::{PeerAddress, TrustedProxies};
use super::limits::RequestLimiter;
use crate::mcp::dispatch::Dispatcher;

/// The pause after a failed accept, usually for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a draining server ends idle streams.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// The limits of the accept loop.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Time limit for request headers, and for idle connections.
    pub header_timeout: Duration,
    /// The largest size of all headers of a request. A request may have 100 headers.
    pub header_bytes_max: usize,
    /// The most open connections.
    pub connections_max: usize,
    /// How long requests may run after the stop signal.
    pub drain: Duration,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeEnd {
    /// All requests finished.
    Drained,
    /// The drain limit cut off some requests.
    CutOff,
}

/// Serves until `stop` resolves, then lets running requests finish.
pub async fn serve_http(
    listener: TcpListener,
    app: HttpApp,
    limits: ServeLimits,
    stop: impl Future<Output = ()>,
) -> ServeEnd {
    let graceful = GracefulShutdown::new();
    let connections = OpenConnections {
        router: &app.router,
        limiter: &app.state.limiter,
        proxies: &app.state.proxies,
        limits,
    };
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            // The permit is taken first: beyond the limit, connections wait in the backlog.
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        tokio::select! {
            () = &mut stop => break,
            accepted = accepted => match accepted {
                Some((Ok(connection), place)) => {
                    connections.spawn_connection(connection, place, &graceful);
                }
                Some((Err(error), _)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // The connection stays in the backlog, so an accept without a pause would fail again at
                    // once.
                    sleep(ACCEPT_PAUSE).await;
                }
                None => break,
            },
        }
    }
    // The port closes before the drain, so that a load balancer sends new connections elsewhere.
    drop(listener);
    tracing::info!(
        drain_seconds = limits.drain.as_secs(),
        "stopping: new requests are refused, running ones may finish"
    );
    // Streams of notifications never end by themselves. They would use up the whole drain time.
    app.state.mcp.end_notices();
    let ended = drain_connections(graceful, &app.state.mcp, limits.drain).await;
    app.close_background().await;
    ended
}

/// What every connection needs.
struct OpenConnections<'a> {
    router: &'a Router,
    limiter: &'a RequestLimiter,
    proxies: &'a TrustedProxies,
    limits: ServeLimits,
}

impl OpenConnections<'_> {
    /// Serves a connection in its own task, or closes it if its address has too many.
    fn spawn_connection(
        &self,
        (socket, peer): (TcpStream, SocketAddr),
        place: OwnedSemaphorePermit,
        graceful: &GracefulShutdown,
    ) {
        let peer = peer.ip().to_canonical();
        // A trusted proxy carries the connections of many clients, so its own number has no limit.
        let counted = if self.proxies.include_address(peer) {
            None
        } else {
            let Some(counted) = self.limiter.take_connection(peer) else {
                tracing::debug!(client = %peer, "refused: too many connections from this address");
                return;
            };
            Some(counted)
        };
        // Without this an event stream, which is two writes, waits 40 ms for the client's delayed ACK.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "the connection was closed at once");
        }
        let router = self.router.clone();
        let service = router.map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(peer));
            request
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            // The buffer holds the headers and chunks of a body. hyper allows 100 headers.
            .max_buf_size(self.limits.header_bytes_max)
            .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
            // Both places end with the connection: this task has moved them in.
            drop((place, counted));
        });
    }
}

/// Waits for running requests. Streams without a running request end at once.
async fn drain_connections(
    graceful: GracefulShutdown,
    mcp: &Dispatcher,
    limit: Duration,
) -> ServeEnd {
    let end = Instant::now() + limit;
    // hyper closes idle connections at once, and the others after the answer that they are sending.
    let mut finished = pin!(graceful.shutdown());
    let streams_end = async {
        while Instant::now() < end {
            // Repeated, because a call that ends during the drain leaves its session quiet.
            mcp.mcp_sessions().end_quiet();
            sleep(DRAIN_LOOK).await;
        }
    };
    tokio::select! {
        () = &mut finished => ServeEnd::Drained,
        () = streams_end => {
            mcp.cut_off_calls();
            ServeEnd::CutOff
        }
    }
}
