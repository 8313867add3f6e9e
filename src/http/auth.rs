//! Bearer authentication: one token, a file of tokens, authorization servers, or all of them. Without any
//! everybody is the local caller, and the start has seen to it that only this machine can connect.
//!
//! What was begun with a credential ends with it: a request that is still being answered, and an event
//! stream in the middle.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::problem::Problem;
use super::{oauth, sse};
use crate::access::Tokens;
use crate::caller::{Caller, Scope, Validity};
use crate::oauth::{Denied, Verifier};
use crate::token::Hash;

/// Who may call.
#[derive(Debug)]
pub struct Authenticator {
    /// The holder of the one token, or everybody.
    one: Option<(Option<Hash>, Caller)>,
    tokens: Option<Arc<Tokens>>,
    oauth: Option<OAuth>,
}

#[derive(Debug)]
struct OAuth {
    verifier: Arc<Verifier>,
    metadata_url: String,
}

/// Why a caller is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No bearer token was sent.
    Missing,
    /// It is not the right one, or not any more.
    Wrong,
    /// It is of an authorization server, and not accepted.
    Denied(Denied),
}

impl Authenticator {
    /// Everybody who sends `token` is `caller`; without a token everybody is.
    #[must_use]
    pub fn new(token: Option<&SecretString>, caller: Caller) -> Self {
        let expected = token.map(|token| Hash::of(token.expose_secret()));
        Self {
            one: Some((expected, caller)),
            tokens: None,
            oauth: None,
        }
    }

    /// The same with more tokens. Nobody comes in without a token then.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<Tokens>) -> Self {
        self.tokens = Some(tokens);
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// The same with tokens of authorization servers. Nobody comes in without a token then.
    #[must_use]
    pub fn with_oauth(mut self, verifier: Arc<Verifier>) -> Self {
        self.oauth = Some(OAuth {
            metadata_url: oauth::metadata_url(&verifier),
            verifier,
        });
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// What judges tokens of authorization servers, if there are some.
    #[must_use]
    pub fn verifier(&self) -> Option<Arc<Verifier>> {
        self.oauth.as_ref().map(|oauth| oauth.verifier.clone())
    }

    /// Where clients learn about the authorization servers, if there are some.
    pub(super) fn metadata_url(&self) -> Option<&str> {
        self.oauth.as_ref().map(|oauth| oauth.metadata_url.as_str())
    }

    /// The tokens of a file, if there is one.
    #[must_use]
    pub fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.clone()
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// If the token is missing or wrong.
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

/// Lets callers with a token through and tells the layers below who they are.
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

/// An event stream that ends with its caller's credential.
fn while_good(response: Response, validity: Validity) -> Response {
    let over = Box::pin(async move { validity.over().await });
    sse::wrap_event_stream(response, |chunks| chunks.take_until(over))
}

/// The answer to a caller who is not known.
pub(super) fn refuse(auth: &Authenticator, reason: Unauthenticated) -> Response {
    const WRONG: &str = "the bearer token is not valid: ask the operator of this server for one";
    let (error, detail) = match reason {
        Unauthenticated::Missing => (None, "send the header `Authorization: Bearer <token>`"),
        Unauthenticated::Wrong => (Some("it is not known here, any more"), WRONG),
        Unauthenticated::Denied(Denied::Invalid(why)) => (Some(why), WRONG),
        Unauthenticated::Denied(Denied::NoScope) => return oauth::insufficient(auth, Scope::Read),
        Unauthenticated::Denied(Denied::NoUser) => {
            let detail = "your sign-in leads to no Kasm user: ask the operator of this server";
            return Problem::new(StatusCode::FORBIDDEN, "no Kasm user", detail).into_response();
        }
        Unauthenticated::Denied(Denied::Unavailable) => {
            let detail = "the token cannot be judged now; try again in a moment";
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
