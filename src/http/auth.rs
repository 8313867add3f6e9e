//! Bearer authentication: one token, a file of tokens, authorization servers, or all of them. Without any,
//! every request has the local caller; the start has checked that only this machine can connect.
//!
//! A request or an event stream in progress ends when its credential expires or is revoked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, StatusCode};
use hyper::body::Body as _;
use secrecy::{ExposeSecret, SecretString};

use super::challenge::{MetadataUrl, bearer_challenge, insufficient_scope};
use super::problem::HttpProblem;
use crate::access::TokenFile;
use crate::caller::{Caller, Grants, Level, Validity};
use crate::oauth::{TokenDenied, TokenVerifier};
use crate::token::TokenHash;

/// The accepted credentials.
#[derive(Debug)]
pub struct Authenticator {
    /// The caller of the one token, or of every request.
    one: Option<(Option<TokenHash>, Caller)>,
    tokens: Option<Arc<TokenFile>>,
    oauth: Option<Arc<TokenVerifier>>,
}

/// Why a caller was not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No bearer token was sent.
    Missing,
    /// The token is unknown or was revoked.
    Wrong,
    /// The token of an authorization server was not accepted.
    Denied(TokenDenied),
}

impl Authenticator {
    /// The caller of `token`; without a token, the caller of every request.
    #[must_use]
    pub fn new(token: Option<&SecretString>, caller: Caller) -> Self {
        let expected = token.map(|token| TokenHash::of_token(token.expose_secret()));
        Self {
            one: Some((expected, caller)),
            tokens: None,
            oauth: None,
        }
    }

    /// Adds a file of tokens. Every request then needs a token.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<TokenFile>) -> Self {
        self.tokens = Some(tokens);
        // A caller that needs no token would make the file pointless: every request would be that caller.
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// Adds authorization servers. Every request then needs a token.
    #[must_use]
    pub fn with_oauth(mut self, verifier: Arc<TokenVerifier>) -> Self {
        self.oauth = Some(verifier);
        self.one = self.one.filter(|(expected, _)| expected.is_some());
        self
    }

    /// The verifier of OAuth tokens, if authorization servers are configured.
    pub(super) fn oauth_verifier(&self) -> Option<&TokenVerifier> {
        self.oauth.as_deref()
    }

    fn metadata_url(&self, path: &str) -> Option<MetadataUrl> {
        let verifier = self.oauth.as_ref()?;
        let config = verifier.config();
        Some(MetadataUrl {
            url: config.metadata_url(path).into(),
            realms: config.realms.clone(),
        })
    }

    /// The tokens file, if there is one.
    #[must_use]
    pub fn token_file(&self) -> Option<Arc<TokenFile>> {
        self.tokens.clone()
    }

    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// The token is missing or invalid.
    pub async fn authenticate_headers(
        &self,
        headers: &HeaderMap,
    ) -> Result<Caller, Unauthenticated> {
        if let Some((None, everybody)) = &self.one {
            return Ok(everybody.clone());
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Unauthenticated::Missing)?;
        // Two headers are ambiguous: a proxy may check one of them and this server the other.
        if values.next().is_some() {
            return Err(Unauthenticated::Wrong);
        }
        let token = bearer_token(value).ok_or(Unauthenticated::Missing)?;
        // Hashes are compared, so the time of a comparison reveals nothing about the token.
        let given = TokenHash::of_token(token);
        if let Some((Some(expected), caller)) = &self.one
            && given.equals(expected)
        {
            return Ok(caller.clone());
        }
        let tokens = self.tokens.as_ref();
        if let Some(caller) = tokens.and_then(|tokens| tokens.find_caller(&given)) {
            return Ok(caller);
        }
        // Last, because it is expensive: it verifies a signature and may send requests to the issuer and to
        // Kasm.
        match &self.oauth {
            Some(verifier) => {
                let caller = verifier.caller_of_token(token).await;
                caller.map_err(Unauthenticated::Denied)
            }
            None => Err(Unauthenticated::Wrong),
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter (RFC 9110).
fn bearer_token(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Admits a request with a link or a valid bearer token, and stores the caller in its extensions.
///
/// # Errors
/// There is no good credential.
pub(super) async fn admit_caller(
    auth: &Authenticator,
    request: &mut Request,
) -> Result<AdmittedCaller, HttpProblem> {
    // Handlers further inside need it for challenges of their own, so it is set for valid tokens as well.
    let metadata_url = auth.metadata_url(request.uri().path());
    if let Some(url) = &metadata_url {
        request.extensions_mut().insert(url.clone());
    }
    let caller = match Caller::of_request(request.extensions()) {
        Some(caller) => caller.clone(),
        None => {
            let found = auth.authenticate_headers(request.headers()).await;
            found.map_err(|reason| refusal_problem(reason, metadata_url.as_ref()))?
        }
    };
    let validity = caller.validity.clone();
    request.extensions_mut().insert(caller);
    Ok(AdmittedCaller {
        validity,
        metadata_url,
    })
}

/// The credential of a request's caller.
pub(super) struct AdmittedCaller {
    validity: Validity,
    metadata_url: Option<MetadataUrl>,
}

impl AdmittedCaller {
    /// Waits for the answer as long as the credential is valid; the answer ends with it.
    ///
    /// # Errors
    /// The credential ended before the answer began.
    pub(super) async fn answer_while_valid(
        self,
        answer: impl Future<Output = Response>,
    ) -> Result<Response, HttpProblem> {
        tokio::select! {
            // A credential that has ended wins over an answer that is ready in the same poll.
            biased;
            () = self.validity.wait_for_end() => {
                Err(refusal_problem(Unauthenticated::Wrong, self.metadata_url.as_ref()))
            }
            response = answer => Ok(end_with_credential(response, self.validity)),
        }
    }
}

/// An answer that ends with its caller's credential: an event stream, or a file on its way. A body whose
/// length is known is whole already.
fn end_with_credential(response: Response, validity: Validity) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let over = Box::pin(async move { validity.wait_for_end().await });
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(over)))
}

/// The answer to a refused credential, with its challenge.
fn refusal_problem(reason: Unauthenticated, metadata_url: Option<&MetadataUrl>) -> HttpProblem {
    const WRONG: &str = "the bearer token is not valid: ask the operator of this server for one";
    let (code, error, detail) = match reason {
        // RFC 6750, section 3.1: the challenge of a request without a token has no error code.
        Unauthenticated::Missing => (
            "token_missing",
            None,
            "send the header `Authorization: Bearer <token>`",
        ),
        Unauthenticated::Wrong => (
            "token_invalid",
            Some("the token is unknown or was revoked"),
            WRONG,
        ),
        Unauthenticated::Denied(TokenDenied::Invalid(why)) => ("token_invalid", Some(why), WRONG),
        Unauthenticated::Denied(TokenDenied::NoScope) => {
            // The smallest scope of each realm is enough to come in.
            let realms = metadata_url.map(|metadata| &*metadata.realms);
            let smallest = Grants::in_each(realms.unwrap_or_default(), Level::Read);
            return insufficient_scope(metadata_url, &smallest);
        }
        Unauthenticated::Denied(TokenDenied::NoUser) => {
            let detail = "your sign-in leads to no Kasm user: ask the operator of this server";
            return HttpProblem::new(StatusCode::FORBIDDEN, "no_kasm_user", detail);
        }
        Unauthenticated::Denied(TokenDenied::Unavailable) => {
            let detail = "the token cannot be verified now; try again in a moment";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return HttpProblem::new(status, "token_not_judged", detail).retry_after(5);
        }
    };
    let error = error.map(|why| ("invalid_token", why));
    let value = bearer_challenge(metadata_url, error, None);
    HttpProblem::new(StatusCode::UNAUTHORIZED, code, detail).with_challenge(value)
}
