//! Bearer authentication with one token. Without a token everybody is the local caller, and the
//! configuration has seen to it that only this machine can connect.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::problem::Problem;
use crate::caller::Caller;
use crate::token::Hash;

/// Who may call.
#[derive(Debug)]
pub struct Authenticator {
    /// Hash of the token. Equal lengths make the comparison independent of the token's.
    expected: Option<Hash>,
    caller: Caller,
}

/// Why a caller is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No bearer token was sent.
    Missing,
    /// It is not the right one.
    Wrong,
}

impl Authenticator {
    /// Everybody who sends `token` is `caller`; without a token everybody is.
    #[must_use]
    pub fn new(token: Option<&SecretString>, caller: Caller) -> Self {
        let expected = token.map(|token| Hash::of(token.expose_secret()));
        Self { expected, caller }
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// If the token is missing or wrong.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<&Caller, Unauthenticated> {
        let Some(expected) = &self.expected else {
            return Ok(&self.caller);
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Unauthenticated::Missing)?;
        if values.next().is_some() {
            return Err(Unauthenticated::Wrong);
        }
        let token = bearer(value).ok_or(Unauthenticated::Missing)?;
        if Hash::of(token).is(expected) {
            Ok(&self.caller)
        } else {
            Err(Unauthenticated::Wrong)
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter (RFC 9110).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Lets callers with a token through and tells the layers below who they are.
pub(super) async fn layer(
    State(auth): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    match auth.authenticate(request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
        Err(reason) => refuse(reason),
    }
}

/// The answer to a caller who is not known.
pub(super) fn refuse(reason: Unauthenticated) -> Response {
    let (challenge, detail) = match reason {
        Unauthenticated::Missing => (
            r#"Bearer realm="kasm-mcp""#,
            "send the header `Authorization: Bearer <token>`",
        ),
        Unauthenticated::Wrong => (
            r#"Bearer realm="kasm-mcp", error="invalid_token""#,
            "the bearer token is not valid: ask the operator of this server for one",
        ),
    };
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response();
    response
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
