//! `GET /metrics`: for callers with kasm:admin, or without a token at its own address.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use super::auth::Authenticator;
use super::limits::Limiter;
use super::oauth;
use super::problem::Problem;
use crate::caller::{Caller, Credential, Scope};
use crate::mcp::sessions::Sessions;
use crate::metrics::{MEDIA_TYPE, Metrics};

/// The metrics to serve.
#[derive(Clone, Debug)]
pub struct Exposition {
    pub(super) metrics: Metrics,
    pub(super) sessions: Arc<Sessions>,
    pub(super) limiter: Arc<Limiter>,
}

impl Exposition {
    fn answer(&self) -> Response {
        let text = self
            .metrics
            .text(self.sessions.count(), self.limiter.open_streams());
        ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    }
}

/// The route with authentication.
pub(super) fn routes(exposition: Exposition, auth: Arc<Authenticator>) -> Router {
    Router::new()
        .route("/metrics", get(to_admins))
        .with_state((exposition, auth))
}

async fn to_admins(
    State((exposition, auth)): State<(Exposition, Arc<Authenticator>)>,
    request: Request,
) -> Response {
    let caller = request.extensions().get::<Caller>();
    if caller.is_some_and(|caller| caller.may(Scope::Admin)) {
        return exposition.answer();
    }
    if caller.is_some_and(|caller| caller.credential == Credential::OAuth) {
        return oauth::insufficient(&auth, Scope::Admin);
    }
    let detail = format!("this needs a token with the scope {}", Scope::Admin);
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
}

/// Serves metrics without a token at `listener`, an address that only the monitoring system can reach.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, exposition: Exposition) -> std::io::Result<()> {
    let answer = async |State(exposition): State<Exposition>| exposition.answer();
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(listener, router.with_state(exposition)).await
}
