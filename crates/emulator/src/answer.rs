//! What an endpoint comes back with, and how that looks on the wire. Kasm has
//! three ways to fail: a refusal with a status, a business failure that is an
//! ordinary answer, and a page meant for people.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::picture::Picture;

/// A call that went well.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(Value),
    /// Drawn after the state is let go.
    Picture(Picture),
}

/// A call that did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such name on this mount.
    NotFound,
    /// Something in the request that the server trips over.
    Crash,
    /// The caller may not do this.
    Auth { status: u16, message: String },
    /// The request is fine and cannot be met.
    Business(String),
}

/// What an endpoint returns.
pub(crate) type Outcome = Result<Answer, Refusal>;

/// An empty success.
pub(crate) fn done() -> Outcome {
    Ok(Answer::Json(json!({})))
}

/// A success with this body.
pub(crate) fn json_answer(body: Value) -> Outcome {
    Ok(Answer::Json(body))
}

/// The map inside an object literal.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// JSON under any status.
pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

/// The shape of every failure that is JSON.
pub(crate) fn error_response(status: u16, message: &str) -> Response {
    json_response(status, &json!({"error_message": message}))
}

/// The page the web framework shows when a handler falls over.
pub(crate) fn crash_response() -> Response {
    page(
        500,
        "500 Internal Server Error",
        "The server encountered an unexpected condition which prevented it from \
         fulfilling the request.",
    )
}

/// The page of the proxy in front of the sessions.
pub(crate) fn proxy_response(status: u16) -> Response {
    let title = match status {
        400 => "400 Bad Request",
        401 => "401 Authorization Required",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        413 => "413 Request Entity Too Large",
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        _ => "Refused",
    };
    page(status, title, "")
}

/// The page for a path nothing answers on.
pub(crate) fn not_found_response() -> Response {
    page(404, "404 Not Found", "The path was not found.")
}

impl Refusal {
    pub(crate) fn into_response(self, failure_status: u16) -> Response {
        match self {
            Self::NotFound => not_found_response(),
            Self::Crash => crash_response(),
            Self::Auth { status, message } => error_response(status, &message),
            Self::Business(message) => error_response(failure_status, &message),
        }
    }
}

fn page(status: u16, title: &str, text: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\
         <body><h2>{title}</h2><p>{text}</p></body></html>\n"
    );
    respond(status, "text/html;charset=utf-8", html)
}

pub(crate) fn respond(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
