//! Notifies the service manager: ready, alive, stopping (sd_notify(3)). Does nothing without one.
//!
//! Our own code, because it is one datagram to a socket: the crates for it contain unsafe code and read the
//! environment themselves.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// A service manager that does not read its socket must not block the server.
const SEND_MAX: Duration = Duration::from_secs(1);

/// The service manager that started this process, if one did.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<String>,
    /// The interval of watchdog notifications.
    every: Option<Duration>,
}

impl ServiceManager {
    /// Reads `NOTIFY_SOCKET` and the watchdog's variables from `environment`.
    pub(super) fn from_environment(environment: &HashMap<String, String>) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").cloned();
        // Child processes inherit the variables, but only the named process has to notify
        // (sd_watchdog_enabled(3)).
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

    /// Sends `state`, lines such as `READY=1`.
    pub(super) fn send_state(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = send_datagram(socket, state)
        {
            tracing::warn!(%error, state, "cannot notify the service manager");
        }
    }

    /// Sends watchdog notifications at half the interval that the service manager expects; never returns. It is
    /// polled beside the accept loop, so a hanging accept loop stops the notifications.
    pub(super) async fn keep_alive(&self) -> ! {
        let every = match self.every {
            Some(every) => every,
            None => std::future::pending().await,
        };
        let mut ticks = tokio::time::interval(every);
        // After a pause of the machine, one notification is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // One turn of the worker threads that answer requests: if they hang, no notification is sent.
            if tokio::spawn(async {}).await.is_ok() {
                self.send_state("WATCHDOG=1");
            }
        }
    }
}

fn send_datagram(socket: &str, state: &str) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    from.set_write_timeout(Some(SEND_MAX))?;
    from.send_to_addr(state.as_bytes(), &address(socket)?)?;
    Ok(())
}

/// `@name` is an abstract socket of Linux, which has no file.
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
