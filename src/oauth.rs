//! Access tokens of authorization servers (OAuth 2.1): the caller and its scopes.
//!
//! A token is valid if a configured issuer signed it for this server, and it has not expired. Its subject is
//! the caller and the tenant. If it has a scope in Kasm, a claim names the Kasm user.

mod audience;
mod claims;
mod document_fetcher;
mod issuer;
mod resource;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};

use crate::caller::{Caller, Credential, Grants, Realm, Validity};
use claims::TokenClaims;
use document_fetcher::DocumentFetcher;
pub use document_fetcher::is_safe_url;
pub use issuer::examine_issuer;
use issuer::{NoKey, TokenIssuer};
pub use resource::{WELL_KNOWN, is_entry_point};
pub use users::FindUser;
use users::UserDirectory;

/// The largest token that is verified.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// The accepted algorithms. Never `none`, and never a shared secret, because a public key is not secret.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
];

/// The settings of OAuth.
#[derive(Clone, Debug)]
pub struct OAuthConfig {
    /// The issuers, exactly as in their `iss` claims.
    pub issuers: Vec<String>,
    /// The audiences that mean this server. None: the addresses of its entry points, and its own.
    pub audiences: Vec<String>,
    /// The claim that names the Kasm user, by id or username. None: this server has no Kasm.
    pub user_claim: Option<String>,
    /// The realms of this server. Scopes of other realms are of no use here.
    pub realms: Arc<[Realm]>,
    /// The largest accepted clock difference.
    pub clock_skew: Duration,
    /// The URL of this server's MCP endpoint, as clients write it.
    pub resource: String,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenDenied {
    /// It is invalid, for a reason that its owner may know.
    Invalid(&'static str),
    /// It is valid, but has no scope of this server.
    NoScope,
    /// It is valid, but is not linked to a Kasm user.
    NoUser,
    /// It cannot be verified now.
    Unavailable,
}

/// Verifies tokens. A server has one.
pub struct TokenVerifier {
    config: OAuthConfig,
    issuers: Vec<TokenIssuer>,
    /// The users of Kasm, if this server has Kasm.
    users: Option<UserDirectory>,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Creates a verifier that looks for no Kasm user. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// The TLS library cannot be used.
    pub fn new(config: OAuthConfig) -> Result<Self, reqwest::Error> {
        let fetcher = DocumentFetcher::new()?;
        let issuers = config.issuers.iter();
        let issuers = issuers.map(|url| TokenIssuer::new(url.clone(), fetcher.clone()));
        Ok(Self {
            issuers: issuers.collect(),
            users: None,
            config,
        })
    }

    /// Adds the users of Kasm. `find` finds one by name; `user_id` normalises an id, and returns None if the text
    /// is not an id.
    #[must_use]
    pub fn with_users(mut self, user_id: fn(&str) -> Option<String>, find: FindUser) -> Self {
        self.users = Some(UserDirectory::new(user_id, find));
        self
    }

    /// The settings of OAuth.
    #[must_use]
    pub fn config(&self) -> &OAuthConfig {
        &self.config
    }

    /// The caller of this token.
    ///
    /// # Errors
    /// The token is refused.
    pub async fn caller_of_token(&self, token: &[u8]) -> Result<Caller, TokenDenied> {
        let (issuer, claims) = self.verify_token(token).await?;
        let subject = claims
            .subject()
            .ok_or(TokenDenied::Invalid("it has no subject"))?;
        let until = Timestamp::from_second(claims.expiry_seconds().unwrap_or(0));
        let until = until.map_err(|_| TokenDenied::Invalid("its expiry is invalid"))?;
        // A call must not end earlier than the leeway with which its token was accepted.
        let until = until.saturating_add(self.config.clock_skew);
        let until = until.map_err(|_| TokenDenied::Invalid("its expiry is invalid"))?;
        let grants = claims.granted_scopes(&self.config.realms);
        if grants.is_empty() {
            return Err(TokenDenied::NoScope);
        }
        let user = self.kasm_user_of(&claims, &grants).await?;
        // A subject is unique only at its issuer (RFC 7519, section 4.1.2).
        let name = format!("oauth:{subject}@{issuer}");
        let mut caller = Caller::new(&name, grants);
        if let Some(user) = user {
            caller = caller.with_kasm_account(&user);
        }
        // The subject stays the tenant. A client that asks for a scope of Kasm later keeps what it has elsewhere.
        let mut caller = caller.with_tenant(&name);
        caller.credential = Credential::OAuth;
        caller.validity = Validity {
            until: Some(until),
            ..Validity::default()
        };
        Ok(caller)
    }

    /// The Kasm user of a token with a scope in Kasm.
    async fn kasm_user_of(
        &self,
        claims: &TokenClaims,
        grants: &Grants,
    ) -> Result<Option<String>, TokenDenied> {
        let (Some(users), Some(claim)) = (&self.users, &self.config.user_claim) else {
            return Ok(None);
        };
        if grants.level_in(Realm::KASM).is_none() {
            return Ok(None);
        }
        let named = claims.user_claim(claim).ok_or(TokenDenied::NoUser)?;
        users.resolve_user(named).await.map(Some)
    }

    /// The claims of a valid token, and its issuer.
    async fn verify_token(&self, token: &[u8]) -> Result<(&str, TokenClaims), TokenDenied> {
        let unreadable = TokenDenied::Invalid("it is not a token of an authorization server");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unreadable);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| unreadable)?;
        // The token names the algorithm itself, so it is compared with a list before any key is used (RFC
        // 8725, section 3.1).
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenDenied::Invalid(
                "its signature algorithm is not accepted",
            ));
        }
        // This only selects a configured issuer; the library compares the claim again with the signature.
        let named = claims::unverified_issuer(token).ok_or(unreadable)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.url() == named);
        let issuer = issuer.ok_or(TokenDenied::Invalid("its issuer is unknown"))?;
        let keys = issuer.keys_for(header.kid.as_deref(), header.alg).await;
        let keys = keys.map_err(|no| match no {
            NoKey::Unknown => TokenDenied::Invalid("its issuer has no such key"),
            NoKey::Unavailable => TokenDenied::Unavailable,
        })?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.config.clock_skew.as_secs();
        validation.validate_nbf = true;
        // The library compares audiences as texts; we compare them as URLs below.
        validation.validate_aud = false;
        validation.set_issuer(&[issuer.url()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut outcome = Err(TokenDenied::Invalid("its issuer has no such key"));
        // A token without `kid` may be signed by any of the issuer's keys.
        for key in &keys {
            outcome = jsonwebtoken::decode::<TokenClaims>(token, key, &validation)
                .map(|data| data.claims)
                .map_err(|error| TokenDenied::Invalid(claims::refusal_reason(&error)));
            if outcome.is_ok() {
                break;
            }
        }
        let claims = outcome?;
        let is_ours = |audience| self.config.accepts_audience(audience);
        if !claims.audiences().into_iter().any(is_ours) {
            return Err(TokenDenied::Invalid("it is for another audience"));
        }
        if !claims.is_of_access_token(header.typ.as_deref()) {
            return Err(TokenDenied::Invalid("it is not an access token"));
        }
        Ok((issuer.url(), claims))
    }
}
