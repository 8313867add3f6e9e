//! Bearer authentication: one token, a file of tokens, authorization servers, or all of them. Without any,
//! every request has the local caller; the start has checked that only this machine can connect.
//!
//! A request or an event stream in progress ends when its credential expires or is revoked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::oauth;
use super::problem::Problem;
use crate::access::Tokens;
use crate::caller::{Caller, Scope, Validity};
use crate::oauth::{Denied, Verifier};
use crate::token::Hash;

/// The accepted credentials.
#[derive(Debug)]
pub struct Authenticator {
    /// The caller of the one token, or of every request.
    one: Option<(Option<Hash>, Caller)>,
    tokens: Option<Arc<Tokens>>,
    oauth: Option<OAuth>,
}

#[derive(Debug)]
struct OAuth {
    verifier: Arc<Verifier>,
    metadata_url: String,
}

/// Why a caller was not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No bearer token was sent.
    Missing,
    /// The token is unknown or was revoked.
    Wrong,
    /// The token of an authorization server was not accepted.
    Denied(Denied),
}

impl Authenticator {
    /// The caller of `token`; without a token, the caller of every request.
    #[must_use]
    pub fn new(token: Option<&SecretString>, caller: Caller) -> Self {
        let expected = token.map(|token| Hash::of(token.expose_secret()));
        Self {
            one: Some((expected, caller)),
            tokens: None,
            oauth: None,
        }
    }

    /// Adds a file of tokens. Every request then needs a token.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<Tokens>) -> Self {
        self.tokens = Some(tokens);
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// Adds authorization servers. Every request then needs a token.
    #[must_use]
    pub fn with_oauth(mut self, verifier: Arc<Verifier>) -> Self {
        self.oauth = Some(OAuth {
            metadata_url: oauth::metadata_url(&verifier),
            verifier,
        });
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// The verifier of access tokens, if authorization servers are set.
    #[must_use]
    pub fn verifier(&self) -> Option<Arc<Verifier>> {
        self.oauth.as_ref().map(|oauth| oauth.verifier.clone())
    }

    /// The URL of the OAuth metadata, if authorization servers are set.
    pub(super) fn metadata_url(&self) -> Option<&str> {
        self.oauth.as_ref().map(|oauth| oauth.metadata_url.as_str())
    }

    /// The tokens file, if there is one.
    #[must_use]
    pub fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.clone()
    }

    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// The token is missing or invalid.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Unauthenticated> {
        if let Some((None, everybody)) = &self.one {
            return Ok(everybody.clone());
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Unauthenticated::Missing)?;
        if values.next().is_some() {
            return Err(Unauthenticated::Wrong);
        }
        let token = bearer(value).ok_or(Unauthenticated::Missing)?;
        let given = Hash::of(token);
        if let Some((Some(expected), caller)) = &self.one
            && given.is(expected)
        {
            return Ok(caller.clone());
        }
        let tokens = self.tokens.as_ref();
        if let Some(caller) = tokens.and_then(|tokens| tokens.find(&given)) {
            return Ok(caller);
        }
        match &self.oauth {
            Some(oauth) => {
                let caller = oauth.verifier.caller(token).await;
                caller.map_err(Unauthenticated::Denied)
            }
            None => Err(Unauthenticated::Wrong),
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter (RFC 9110).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Authenticates requests and adds the caller to them.
pub(super) async fn layer(
    State(auth): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match auth.authenticate(request.headers()).await {
        Ok(caller) => caller,
        Err(reason) => return refuse(&auth, reason),
    };
    let validity = caller.validity.clone();
    request.extensions_mut().insert(caller);
    tokio::select! {
        biased;
        () = validity.over() => refuse(&auth, Unauthenticated::Wrong),
        response = next.run(request) => while_good(response, validity),
    }
}

/// An event stream that ends with its caller's credential. Other answers are already complete.
fn while_good(response: Response, validity: Validity) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let over = Box::pin(async move { validity.over().await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(over)))
}

/// The answer to a request that was not authenticated.
pub(super) fn refuse(auth: &Authenticator, reason: Unauthenticated) -> Response {
    const WRONG: &str = "the bearer token is not valid: ask the operator of this server for one";
    let (error, detail) = match reason {
        Unauthenticated::Missing => (None, "send the header `Authorization: Bearer <token>`"),
        Unauthenticated::Wrong => (Some("the token is unknown or was revoked"), WRONG),
        Unauthenticated::Denied(Denied::Invalid(why)) => (Some(why), WRONG),
        Unauthenticated::Denied(Denied::NoScope) => return oauth::insufficient(auth, Scope::Read),
        Unauthenticated::Denied(Denied::NoUser) => {
            let detail =
                "your account is not linked to a Kasm user: ask the operator of this server";
            return Problem::new(StatusCode::FORBIDDEN, "no Kasm user", detail).into_response();
        }
        Unauthenticated::Denied(Denied::Unavailable) => {
            let detail = "the token cannot be verified now; try again in a moment";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let problem = Problem::new(status, "unavailable", detail);
            return ([(RETRY_AFTER, "5")], problem).into_response();
        }
    };
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response();
    let error = error.map(|why| ("invalid_token", why));
    let value = oauth::challenge(auth.metadata_url(), error, oauth::usual_scope());
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    response
}
