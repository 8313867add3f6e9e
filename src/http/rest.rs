//! The tools for clients without MCP: `GET /tools/list`, `POST /tools/call`, `POST /api/v1/tools/{name}` and
//! `GET /openapi.json`. Calls use the common pipeline; only the forms of request and answer differ.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{Extensions, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::ServerHandler;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::auth::Authenticator;
use super::limits::TooSlow;
use super::problem::Problem;
use super::{Mcp, oauth};
use crate::caller::{Caller, Credential, Origin, Scope};
use crate::rest::functions::Dialect;
use crate::rest::{openapi, status, with_picture};
use crate::tool::invocation::{CallOptions, Finished, Outcome};
use crate::tool::registry::Registry;
use crate::tool::sent_arguments::SentArguments;
use crate::tool::{Confirm, JsonObject, Progress};

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the routes work with.
struct Rest {
    registry: Arc<Registry>,
    auth: Arc<Authenticator>,
    body_bytes_max: usize,
    public_url: Option<String>,
    path_prefix: String,
}

/// The routes. The layers around them have authenticated the caller.
pub(super) fn routes<H: ServerHandler>(mcp: &Mcp<H>) -> Router {
    let rest = Rest {
        registry: mcp.registry.clone(),
        auth: mcp.auth.clone(),
        body_bytes_max: mcp.body_bytes_max,
        public_url: mcp.public_url.clone(),
        path_prefix: mcp.path_prefix.clone(),
    };
    Router::new()
        .route("/tools/list", get(list))
        .route("/tools/call", post(call))
        .route("/api/v1/tools/{name}", post(call_named))
        .route("/openapi.json", get(describe))
        .with_state(Arc::new(rest))
}

/// Whether a POST to `path` is a call by plain HTTP, not a message.
pub(super) fn has(path: &str) -> bool {
    path == "/tools/call" || path.starts_with("/api/")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListOptions {
    format: Option<String>,
}

async fn list(
    State(rest): State<Arc<Rest>>,
    options: Result<Query<ListOptions>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(options) = options.map_err(|error| bad_request(error.body_text()))?;
    let dialect = match options.format.as_deref() {
        None => Dialect::default(),
        Some(name) => Dialect::named(name).ok_or_else(|| {
            let names = Dialect::ALL.map(Dialect::name).join(", ");
            bad_request(format!("`format` must be one of {names}"))
        })?,
    };
    let caller = caller_of(request.extensions())?;
    let tools = dialect.tools(rest.registry.offered(caller));
    Ok(Json(json!({ "tools": tools })).into_response())
}

async fn describe(State(rest): State<Arc<Rest>>, request: Request) -> Result<Response, Problem> {
    let caller = caller_of(request.extensions())?;
    let server = rest.address(request.headers());
    let token = caller.credential != Credential::Local;
    let offered = rest.registry.offered(caller);
    Ok(Json(openapi::document(&server, token, offered)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    #[serde(default)]
    arguments: SentArguments,
}

async fn call(State(rest): State<Arc<Rest>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = rest.read(request).await?;
    let form = r#"{"name": "a tool", "arguments": {}}"#;
    let Named { name, arguments } = parse(&body, form)?;
    rest.run(&parts, &name, arguments.0).await
}

async fn call_named(
    State(rest): State<Arc<Rest>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|error| bad_request(error.body_text()))?;
    let (parts, body) = rest.read(request).await?;
    // Some clients send no body for empty arguments.
    let arguments = match body.trim_ascii() {
        b"" => SentArguments::default(),
        body => parse(body, "an object with the arguments of the tool")?,
    };
    rest.run(&parts, &name, arguments.0).await
}

impl Rest {
    /// Reads the body within the limit. Other content types than JSON are refused, because a web page can send
    /// them without a preflight request (CORS).
    async fn read(&self, request: Request) -> Result<(Parts, Bytes), Problem> {
        let (parts, body) = request.into_parts();
        let max = self.body_bytes_max;
        let body = match Limited::new(body, max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let detail =
                    format!("the body is larger than the {max} bytes of MCP_MAX_BODY_BYTES");
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Problem::new(status, "too large", detail));
            }
            Err(error) if TooSlow::is_behind(&*error) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                return Err(Problem::new(
                    status,
                    "too slow",
                    "the body was received too slowly",
                ));
            }
            Err(error) => return Err(bad_request(format!("the body could not be read: {error}"))),
        };
        if body.is_empty() || is_json(&parts.headers) {
            return Ok((parts, body));
        }
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not JSON",
            "the Content-Type must be application/json",
        ))
    }

    /// Calls a tool, and cancels the call if the client disconnects.
    async fn run(
        &self,
        parts: &Parts,
        name: &str,
        arguments: JsonObject,
    ) -> Result<Response, Problem> {
        let caller = caller_of(&parts.extensions)?.clone();
        if caller.credential == Credential::OAuth
            && let Some(needed) = self.registry.missing(name, &caller)
        {
            return Ok(self.step_up(needed));
        }
        let cancelled = CancellationToken::new();
        let options = CallOptions {
            caller,
            origin: parts.extensions.get::<Origin>().cloned(),
            cancelled: cancelled.clone(),
            progress: Progress::ignored(),
            // No person can be asked between a request and its answer.
            confirm: Confirm::nobody(),
        };
        let (registry, tool) = (self.registry.clone(), name.to_owned());
        // In its own task, so that a cancelled call still gets the end line of the audit log.
        let call = async move { registry.call(&tool, arguments, options).await };
        let _gone = cancelled.drop_guard();
        let done = tokio::spawn(call.in_current_span()).await;
        match done {
            Ok(Ok(Outcome::Replied(finished))) => Ok(answer(finished, &parts.headers)),
            Ok(Err(_unknown)) => {
                let name: String = name.chars().take(128).collect();
                let detail = format!("unknown tool `{name}`: GET /tools/list lists the tools");
                Err(Problem::new(StatusCode::NOT_FOUND, "unknown tool", detail))
            }
            Ok(Ok(Outcome::Asks(_))) | Err(_) => Err(internal()),
        }
    }

    /// A client that can request more scope is told which scope.
    fn step_up(&self, needed: Scope) -> Response {
        let detail = format!("this needs the scope {needed}");
        let error = Some(("insufficient_scope", &*detail));
        let challenge = oauth::challenge(self.auth.metadata_url(), error, needed);
        let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient scope", detail.clone());
        ([(WWW_AUTHENTICATE, challenge)], problem).into_response()
    }

    /// The URL of this server: as configured, or as this request used it.
    fn address(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let text = |name| headers.get(name)?.to_str().ok();
        let host = text(HOST).filter(|host| host.parse::<Authority>().is_ok());
        let Some(host) = host else {
            // Relative to the document, as OpenAPI defines it.
            return format!("{}/", self.path_prefix);
        };
        // A forged Host header only affects the client that sent it.
        let is_tls = text(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{host}{}", self.path_prefix)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| bad_request(format!("the body must be {expected}: {error}")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The reply form with its status; or only the picture, if the client asked for it and there is one.
fn answer(finished: Finished, headers: &HeaderMap) -> Response {
    let status = finished.error.map_or(StatusCode::OK, status);
    let retry_after = finished.retry_after;
    let mut response = form_or_picture(status, finished, headers);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn form_or_picture(status: StatusCode, finished: Finished, headers: &HeaderMap) -> Response {
    match finished.picture {
        None => (status, Json(finished.body)).into_response(),
        Some(picture) if wants_picture(headers) => {
            let kind = [
                (CONTENT_TYPE, picture.media_type),
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (kind, picture.bytes).into_response()
        }
        Some(picture) => (status, Json(with_picture(finished.body, &picture))).into_response(),
    }
}

/// Whether `Accept` prefers pictures.
fn wants_picture(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .map_or(&b""[..], |value| value.as_bytes());
    let kind = accept.trim_ascii_start().get(..6);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"image/"))
}

fn caller_of(extensions: &Extensions) -> Result<&Caller, Problem> {
    extensions.get::<Caller>().ok_or_else(internal)
}

fn bad_request(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad request", detail)
}

fn internal() -> Problem {
    let detail = "the request failed unexpectedly; the server's log has the cause under the x-request-id of this \
        answer";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error", detail)
}
