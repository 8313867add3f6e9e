//! The attacks.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::server::{EAGER_TOKEN, FLOOD_TOKEN};
use crate::wire::{self, Connection};

/// Connections of a flood.
const FLOOD: u8 = 32;
/// Half-open connections, and handshakes.
const MANY: usize = 10_000;
/// Addresses that they come from.
const ADDRESSES: u8 = 64;
/// Bodies at a time that come a byte a second.
const SLOW: usize = 1_000;

/// What is done to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    /// Nothing, to compare with.
    Nothing,
    /// One caller calls as fast as it can, from many addresses.
    Caller,
    /// One address calls as fast as it can, with wrong tokens.
    Address,
    /// Connections that begin a request and go silent.
    HalfOpen,
    /// A caller who may ask often opens sessions.
    Handshakes,
    /// Bodies that never end.
    SlowBodies,
}

impl Attack {
    pub(crate) const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Caller,
        Self::Address,
        Self::HalfOpen,
        Self::Handshakes,
        Self::SlowBodies,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Caller => "one caller, 32 connections",
            Self::Address => "one address, 32 connections",
            Self::HalfOpen => "10,000 half-open connections",
            Self::Handshakes => "10,000 handshakes",
            Self::SlowBodies => "1,000 bodies of a byte a second",
        }
    }

    /// Begins it. It goes on until its tasks are aborted, or are done.
    pub(crate) fn start(self, server: SocketAddr, lasts: Duration) -> Vec<JoinHandle<()>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Caller => (0..FLOOD)
                .map(|number| {
                    let request = wire::call(FLOOD_TOKEN, "list_user_sessions");
                    tokio::spawn(flood(server, [127, 0, 1, number + 1], request))
                })
                .collect(),
            Self::Address => (0..FLOOD)
                .map(|_| {
                    let request = wire::call("a-token-that-is-wrong", "list_user_sessions");
                    tokio::spawn(flood(server, [127, 0, 0, 3], request))
                })
                .collect(),
            Self::HalfOpen => vec![tokio::spawn(half_open(server, lasts))],
            Self::Handshakes => (0..ADDRESSES)
                .map(|number| tokio::spawn(handshakes(server, [127, 0, 2, number + 1])))
                .collect(),
            Self::SlowBodies => (0..SLOW)
                .map(|number| tokio::spawn(slow_body(server, address(3, number))))
                .collect(),
        }
    }
}

/// One of the addresses of a network, in turn.
fn address(network: u8, number: usize) -> [u8; 4] {
    let host = u8::try_from(number % usize::from(ADDRESSES)).unwrap_or(0);
    [127, 0, network, host + 1]
}

/// Asks without a pause, whatever is answered.
async fn flood(server: SocketAddr, own: [u8; 4], request: Vec<u8>) {
    loop {
        if let Ok(mut connection) = Connection::open(server, own).await {
            while connection.ask(&request).await.is_ok() {}
        }
        // Whoever is not let in tries again.
        sleep(Duration::from_millis(1)).await;
    }
}

async fn half_open(server: SocketAddr, lasts: Duration) {
    let mut open = Vec::with_capacity(MANY);
    for number in 0..MANY {
        if let Ok(mut connection) = Connection::open(server, address(4, number)).await
            && connection
                .send(b"POST /mcp HTTP/1.1\r\nHost: ")
                .await
                .is_ok()
        {
            open.push(connection);
        }
    }
    sleep(lasts).await;
    drop(open);
}

async fn handshakes(server: SocketAddr, own: [u8; 4]) {
    let request = wire::initialize(EAGER_TOKEN);
    let Ok(mut connection) = Connection::open(server, own).await else {
        return;
    };
    for _ in 0..MANY / usize::from(ADDRESSES) {
        if connection.ask(&request).await.is_err() {
            return;
        }
    }
}

async fn slow_body(server: SocketAddr, own: [u8; 4]) {
    loop {
        let head = wire::head(EAGER_TOKEN, 100_000);
        if let Ok(mut connection) = Connection::open(server, own).await
            && connection.send(head.as_bytes()).await.is_ok()
        {
            while connection.send(b" ").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
