//! One server and two people with a Kasm user each.

use kasm_emulator::Emulator;
use kasm_mcp::app::{self, ReachedBy};
use kasm_mcp::caller::Caller;
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::{ServeEnd, serve_http};
use kasm_mcp::http::{HttpApp, HttpSettings, HttpState};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{TOKEN, config};

/// The same MCP server at two addresses, one for each person.
pub struct TwoPeople {
    _emulator: Emulator,
    /// Of the emulator's user, and of its other user.
    pub bases: [String; 2],
    /// Fires when the credential of that person is taken back.
    pub revoked: [CancellationToken; 2],
    served: Vec<JoinHandle<ServeEnd>>,
}

impl TwoPeople {
    pub async fn start() -> Self {
        let start_time = std::time::Duration::from_millis(20);
        let emulator = Emulator::builder().start_time(start_time);
        let emulator = emulator.start().await.unwrap();
        let config = config(&emulator, &[]);
        let app = app::build_application(&config, ReachedBy::ByHttp).unwrap();
        let (registry, server) = (app.registry, app.mcp);
        let mut served = Vec::new();
        let mut bases = Vec::new();
        let revoked = [CancellationToken::new(), CancellationToken::new()];
        let users = [emulator.user_id(), emulator.other_user_id()];
        for (user, revoked) in users.into_iter().zip(&revoked) {
            let name = format!("caller of {user}");
            let mut caller = Caller::new(&name, config.http.auth_scope, user);
            caller.validity.revoked = revoked.clone();
            let auth = Authenticator::new(Some(&TOKEN.into()), caller);
            let settings = HttpSettings::for_this_machine();
            let state = HttpState::new(server.clone(), registry.clone(), auth, settings);
            let app = HttpApp::new(state.with_notices(server.change_notices()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bases.push(format!("http://{}", listener.local_addr().unwrap()));
            let limits = app::serve_limits(&config.limits);
            served.push(tokio::spawn(serve_http(
                listener,
                app,
                limits,
                std::future::pending(),
            )));
        }
        Self {
            _emulator: emulator,
            bases: bases.try_into().unwrap(),
            revoked,
            served,
        }
    }
}

impl Drop for TwoPeople {
    fn drop(&mut self) {
        for served in &self.served {
            served.abort();
        }
    }
}
