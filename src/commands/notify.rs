//! What the service manager is told: ready, alive, stopping (sd_notify(3)). Without one that asks,
//! nothing is.
//!
//! Written here because it is a datagram to a socket: the crates for it bring unsafe code along, and
//! read the environment themselves.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// A manager that does not read its socket must not hold up the server.
const SEND_MAX: Duration = Duration::from_secs(1);

/// The service manager that started this process, if one did.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<String>,
    /// How often it wants to hear that the process is alive.
    every: Option<Duration>,
}

impl Manager {
    /// The one that `environment` speaks of.
    pub(super) fn of(environment: &HashMap<String, String>) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").cloned();
        let ours = environment
            .get("WATCHDOG_PID")
            .is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let patience = environment
            .get("WATCHDOG_USEC")
            .and_then(|limit| limit.parse().ok())
            .filter(|limit| ours && *limit > 0)
            .map(Duration::from_micros);
        Self {
            every: socket.as_ref().and(patience).map(|patience| patience / 2),
            socket,
        }
    }

    /// Tells it `state`: lines such as `READY=1`.
    pub(super) fn say(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = send(socket, state)
        {
            tracing::warn!(%error, state, "the service manager could not be told");
        }
    }

    /// Tells it, twice as often as it asks, that this process is alive; does not return. Polled beside the
    /// accept loop, so that nothing is said when that hangs.
    pub(super) async fn keep_alive(&self) -> ! {
        let every = match self.every {
            Some(every) => every,
            None => std::future::pending().await,
        };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A turn of the worker threads, which answer the requests: they must not hang either.
            if tokio::spawn(async {}).await.is_ok() {
                self.say("WATCHDOG=1");
            }
        }
    }
}

fn send(socket: &str, state: &str) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    from.set_write_timeout(Some(SEND_MAX))?;
    from.send_to_addr(state.as_bytes(), &address(socket)?)?;
    Ok(())
}

/// `@name` is a socket of Linux's that has no file.
#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(name)
}
