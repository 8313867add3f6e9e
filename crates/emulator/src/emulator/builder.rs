//! From options to a running server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::{Emulator, seed};
use crate::endpoints;
use crate::profile::Profile;
use crate::random::Random;
use crate::record::KeySpec;
use crate::server::{self, Kasm, tls};
use crate::state::State;

/// The server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// There is no certificate to serve TLS with.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// The options of a server.
#[derive(Clone, Debug)]
pub struct Builder {
    bind: SocketAddr,
    tls: bool,
    key: Option<(String, String)>,
    profile: Profile,
    unconfined: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            key: None,
            profile: Profile::default(),
            unconfined: false,
        }
    }
}

impl Builder {
    /// Where to listen; by default a free port on loopback.
    #[must_use]
    pub const fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Whether to speak TLS, with a certificate made at the start.
    #[must_use]
    pub const fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Name and secret of the default key; made up if not given.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.key = Some((name.into(), secret.into()));
        self
    }

    /// How long a session is starting.
    #[must_use]
    pub const fn start_time(mut self, time: Duration) -> Self {
        self.profile.start_time = time;
        self
    }

    /// How long pausing, stopping and destroying take.
    #[must_use]
    pub const fn transition_time(mut self, time: Duration) -> Self {
        self.profile.transition_time = time;
        self
    }

    /// How long a session lives unless it is kept alive.
    #[must_use]
    pub const fn keepalive_expiration(mut self, time: Duration) -> Self {
        self.profile.keepalive_expiration = time;
        self
    }

    /// Whether commands run bare, with the rights of this process and the files
    /// of this machine before them. By default they run inside bubblewrap or
    /// not at all. Bare commands that outlive a killed emulator go on.
    #[must_use]
    pub const fn unconfined(mut self, unconfined: bool) -> Self {
        self.unconfined = unconfined;
        self
    }

    /// Turns any other knob.
    #[must_use]
    pub fn profile(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        change(&mut self.profile);
        self
    }

    /// Starts the server in a task of its own on the current runtime.
    ///
    /// # Errors
    ///
    /// If the address cannot be used, or the system gives no random numbers,
    /// or there is no certificate.
    pub async fn start(self) -> Result<Emulator, StartError> {
        let address = self.bind;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let (acceptor, ca_pem, scheme) = if self.tls {
            let (acceptor, pem) = tls::acceptor(&addr.ip().to_string())?;
            (Some(acceptor), Some(pem), "https")
        } else {
            (None, None, "http")
        };
        let url = format!("{scheme}://{addr}");

        let mut state = State::new(self.profile, Random::new()?, self.unconfined);
        state.url.clone_from(&url);
        state.port = addr.port();
        seed::fill(&mut state, Timestamp::now());
        let key = self.key.unwrap_or_else(|| key_pair(&mut state.random));
        let everything = KeySpec::with(endpoints::permissions());
        state.keys.add(key.0.clone(), key.1.clone(), everything);

        let kasm = Kasm::new(state);
        let task = tokio::spawn(server::serve(listener, acceptor, kasm.clone()));
        Ok(Emulator {
            kasm,
            task,
            addr,
            url,
            ca_pem,
            key,
            user_id: seed::DEMO.to_string(),
            other_user_id: seed::OTHER.to_string(),
            image_id: seed::UBUNTU.to_string(),
        })
    }
}

/// A key as the administration pages would make one up.
pub(super) fn key_pair(random: &mut Random) -> (String, String) {
    let mut name = random.hex(1);
    name.truncate(12);
    (name, random.hex(2))
}
