//! The tools for clients without MCP: `GET /tools/list`, `POST /tools/call`, `POST /api/v1/tools/{name}` and
//! `GET /openapi.json`. Calls use the common pipeline; only the forms of request and answer differ.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::body::{EmptyBody, parse_body, read_json};
use super::challenge::insufficient_scope;
use super::etag::tagged_json;
use super::identity::Authenticated;
use super::problem::HttpProblem;
use super::state::{HttpSettings, HttpState};
use crate::caller::{Caller, Credential, RequestInfo};
use crate::rest::functions::FunctionDialect;
use crate::rest::{openapi, status_of, with_pictures};
use crate::tool::JsonObject;
use crate::tool::invocation::FinishedCall;
use crate::tool::sent_arguments::SentArguments;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/tools/list", get(list_tools))
        .route("/tools/call", post(call))
        .route("/api/v1/tools/{name}", post(call_named))
        .route("/openapi.json", get(describe_api))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListOptions {
    format: Option<String>,
}

async fn list_tools(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    options: Result<Query<ListOptions>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let Query(options) = options.map_err(|error| HttpProblem::bad_request(error.body_text()))?;
    let dialect = match options.format.as_deref() {
        None => FunctionDialect::default(),
        Some(name) => FunctionDialect::from_name(name).ok_or_else(|| {
            let names = FunctionDialect::ALL
                .map(FunctionDialect::dialect_name)
                .join(", ");
            HttpProblem::bad_request(format!("`format` is one of {names}"))
        })?,
    };
    let tools = dialect.define_tools(state.registry.current_tools().offered_tools(&caller));
    Ok(tagged_json(&headers, &json!({ "tools": tools })))
}

async fn describe_api(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Response {
    let server = address_of_server(&state.settings, &headers);
    let token = caller.credential != Credential::Local;
    let tools = state.registry.current_tools();
    let providers: Vec<_> = state.registry.provider_descriptions().collect();
    let about = openapi::ApiDescription {
        server: &server,
        needs_token: token,
        providers: &providers,
    };
    tagged_json(
        &headers,
        &about.openapi_document(tools.offered_tools(&caller)),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedCall {
    name: String,
    #[serde(default)]
    arguments: SentArguments,
}

async fn call(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    request: Request,
) -> Result<Response, HttpProblem> {
    let max = state.settings.body_bytes_max;
    let (parts, body) = read_json(request, max, EmptyBody::Allowed).await?;
    let form = r#"{"name": "a tool", "arguments": {}}"#;
    let NamedCall { name, arguments } = parse_body(body, |body| parse_json(&body, form)).await??;
    call_tool(&state, caller, &parts, &name, arguments.0).await
}

async fn call_named(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, HttpProblem> {
    let Path(name) = name.map_err(|error| HttpProblem::bad_request(error.body_text()))?;
    let max = state.settings.body_bytes_max;
    let (parts, body) = read_json(request, max, EmptyBody::Allowed).await?;
    let arguments = parse_body(body, parse_arguments).await??;
    call_tool(&state, caller, &parts, &name, arguments.0).await
}

/// Some clients send nothing where there is nothing to say.
fn parse_arguments(body: Bytes) -> Result<SentArguments, HttpProblem> {
    match body.trim_ascii() {
        b"" => Ok(SentArguments::default()),
        body => parse_json(body, "an object with the arguments of the tool"),
    }
}

fn parse_json<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, HttpProblem> {
    serde_json::from_slice(body).map_err(|error| {
        // A data error is JSON of another form. All others are syntax errors or a body that was cut off.
        let code = if error.is_data() {
            "bad_request"
        } else {
            "malformed_json"
        };
        let detail = format!("the body is not {expected}: {error}");
        HttpProblem::new(StatusCode::BAD_REQUEST, code, detail)
    })
}

/// Calls a tool, and gives the call up when its client has gone.
async fn call_tool(
    state: &HttpState,
    caller: Caller,
    parts: &Parts,
    name: &str,
    arguments: JsonObject,
) -> Result<Response, HttpProblem> {
    // An OAuth client can get more scope from its authorization server, so the challenge names the scope.
    if caller.credential == Credential::OAuth
        && let Some(needed) = state.registry.missing_scope(name, &caller)
    {
        return Err(insufficient_scope(parts.extensions.get(), &needed.into()));
    }
    let cancelled = CancellationToken::new();
    let origin = parts.extensions.get::<RequestInfo>().cloned();
    let (registry, tool) = (state.registry.clone(), name.to_owned());
    let gone = cancelled.clone();
    // In a task of its own, so that a call which is given up still comes to its end in the record.
    let call = async move {
        registry
            .call_unattended(&tool, arguments, caller, origin, gone)
            .await
    };
    // The HTTP server drops this future when the client disconnects. The guard then cancels the call.
    let _gone = cancelled.drop_guard();
    let done = tokio::spawn(call.in_current_span()).await;
    match done {
        Ok(Ok(finished)) => Ok(call_answer(finished, &parts.headers)),
        Ok(Err(_unknown)) => {
            let name: String = name.chars().take(128).collect();
            let detail = format!("there is no tool `{name}`: GET /tools/list shows the tools");
            Err(HttpProblem::new(
                StatusCode::NOT_FOUND,
                "tool_unknown",
                detail,
            ))
        }
        Err(_) => Err(HttpProblem::internal_error()),
    }
}

/// Where the client reaches this server: as configured, or as it just did.
fn address_of_server(settings: &HttpSettings, headers: &HeaderMap) -> String {
    if let Some(url) = &settings.public_url {
        return url.clone();
    }
    let text = |name| headers.get(name)?.to_str().ok();
    let host = text(HOST).filter(|host| host.parse::<Authority>().is_ok());
    let Some(host) = host else {
        // Of the document itself, as OpenAPI has it.
        return format!("{}/", settings.path_prefix);
    };
    // The document goes only to the client that sent the header, so a false one misleads no other client.
    let is_tls = text(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{host}{}", settings.path_prefix)
}

/// The reply form with its status; or only the picture, if the client asked for it and there is one.
fn call_answer(finished: FinishedCall, headers: &HeaderMap) -> Response {
    let status = finished.error.map_or(StatusCode::OK, status_of);
    let retry_after = finished.retry_after;
    let mut response = form_or_picture(status, finished, headers);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn form_or_picture(status: StatusCode, finished: FinishedCall, headers: &HeaderMap) -> Response {
    let mut pictures = finished.pictures.into_iter();
    match pictures.next() {
        None => (status, Json(finished.body)).into_response(),
        Some(picture) if wants_picture(headers) => {
            let kind = [
                (CONTENT_TYPE, picture.media_type),
                (CACHE_CONTROL, "no-store"),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            // Only a successful call has a picture, so the status is 200.
            (kind, picture.bytes).into_response()
        }
        Some(first) => {
            let body = with_pictures(finished.body, &first, pictures);
            (status, Json(body)).into_response()
        }
    }
}

/// Whether `Accept` prefers pictures.
fn wants_picture(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .map_or(&b""[..], |value| value.as_bytes());
    // Only the first type counts: browsers name pictures behind `text/html`.
    let kind = accept.trim_ascii_start().get(..6);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"image/"))
}
