//! Several callers of one server, each behind a router of their own with the usual token.

use std::sync::Arc;
use std::time::Duration;

use kasm_emulator::Emulator;
use kasm_mcp::app::{self, ReachedBy};
use kasm_mcp::caller::{Caller, Grants};
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::{ServeEnd, ServeLimits, serve_http};
use kasm_mcp::http::{HttpApp, HttpSettings, HttpState};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::tool::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{TOKEN, config};

/// One server with all tools, as these callers reach it.
pub struct People<const N: usize> {
    _emulator: Option<Emulator>,
    /// Where each of them reaches it.
    pub bases: [String; N],
    /// Ends the credential of each of them.
    pub revoked: [CancellationToken; N],
    served: Vec<JoinHandle<ServeEnd>>,
}

impl People<2> {
    /// Two callers with two Kasm users.
    pub async fn start() -> Self {
        Self::of_callers(|emulator, grants| {
            [emulator.user_id(), emulator.other_user_id()].map(|user| {
                Caller::new(&format!("caller of {user}"), grants.clone()).with_kasm_account(user)
            })
        })
        .await
    }
}

impl<const N: usize> People<N> {
    /// The callers that `callers` makes for this Kasm, with these scopes.
    pub async fn of_callers(callers: impl FnOnce(&Emulator, Grants) -> [Caller; N]) -> Self {
        let start_time = Duration::from_millis(20);
        let emulator = Emulator::builder().start_time(start_time);
        let emulator = emulator.start().await.unwrap();
        let config = config(&emulator, &[]);
        let app = app::build_application(&config, ReachedBy::ByHttp).unwrap();
        let callers = callers(&emulator, config.http.auth_grants.clone());
        let mut people = Self::of_server(&app.registry, &app.mcp, callers).await;
        people._emulator = Some(emulator);
        people
    }

    /// These callers of a server with tools of a test.
    pub async fn of_server(
        registry: &Arc<Registry>,
        server: &McpServer,
        callers: [Caller; N],
    ) -> Self {
        let mut served = Vec::new();
        let mut bases = Vec::new();
        let revoked = [(); N].map(|()| CancellationToken::new());
        for (mut caller, revoked) in callers.into_iter().zip(&revoked) {
            caller.validity.revoked = revoked.clone();
            let auth = Authenticator::new(Some(&TOKEN.into()), caller);
            let settings = HttpSettings::for_this_machine();
            let state = HttpState::new(server.clone(), registry.clone(), auth, settings);
            let app = HttpApp::new(state.with_notices(server.change_notices()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bases.push(format!("http://{}", listener.local_addr().unwrap()));
            let limits = ServeLimits {
                header_timeout: Duration::from_secs(10),
                header_bytes_max: 1 << 16,
                connections_max: 100,
                drain: Duration::ZERO,
            };
            served.push(tokio::spawn(serve_http(
                listener,
                app,
                limits,
                std::future::pending(),
            )));
        }
        Self {
            _emulator: None,
            bases: bases.try_into().unwrap(),
            revoked,
            served,
        }
    }
}

impl<const N: usize> Drop for People<N> {
    fn drop(&mut self) {
        for served in &self.served {
            served.abort();
        }
    }
}
