//! One issuer: its metadata and its keys.
//!
//! Keys are fetched at the first token, again when they are old, and again when a token names an unknown key.
//! Anyone can send tokens with unknown keys, so [`BURST`] and [`REFILL`] limit the fetches. While the issuer
//! cannot be reached, the known keys stay valid.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex as Lock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ALGORITHMS;
use super::document_fetcher::{DocumentFetcher, is_safe_url};

/// Keys older than this are fetched again, so that a key that the issuer removed does not stay valid.
const AGE: Duration = Duration::from_secs(600);
/// Keys older than this are not used, even if the issuer cannot be reached.
const AGE_MAX: Duration = Duration::from_secs(86_400);
/// How many fetches may follow each other at once.
const BURST: u32 = 3;
/// How long until another fetch is allowed.
const REFILL: Duration = Duration::from_secs(20);
/// How many keys are kept.
const KEYS_MAX: usize = 64;

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no matching key.
    Unknown,
    /// The issuer cannot be reached.
    Unavailable,
}

/// One issuer.
pub(super) struct TokenIssuer {
    url: String,
    fetcher: DocumentFetcher,
    known: Lock<Option<Arc<KnownKeys>>>,
    /// Held while fetching, so that one fetch serves all waiting requests.
    fetches: Mutex<FetchBudget>,
}

struct KnownKeys {
    keys: Vec<Jwk>,
    since: Instant,
}

/// The remaining fetches, and since when they refill.
struct FetchBudget {
    left: u32,
    filled: Instant,
    keys_url: Option<String>,
}

/// OpenID Connect Discovery and RFC 8414.
#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: String,
}

/// RFC 7517. Keys of unknown types are skipped, not refused.
#[derive(Deserialize)]
struct JwkSetDocument {
    keys: Vec<Value>,
}

impl TokenIssuer {
    pub(super) fn new(url: String, fetcher: DocumentFetcher) -> Self {
        Self {
            url,
            fetcher,
            known: Lock::default(),
            fetches: Mutex::new(FetchBudget {
                left: BURST,
                filled: Instant::now(),
                keys_url: None,
            }),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The keys that may have signed a token: the one that it names, or all of that type.
    pub(super) async fn keys_for(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, NoKey> {
        let known = self.known_keys();
        let fits = |known: &Arc<KnownKeys>| fitting_keys(&known.keys, kid, algorithm);
        if let Some(known) = known.as_ref().filter(|known| known.since.elapsed() < AGE) {
            let keys = fits(known);
            if !keys.is_empty() {
                return Ok(keys);
            }
        }
        // The keys are old, or the issuer has a new key that is not known yet.
        self.refresh_keys(known.as_ref().map(|known| known.since))
            .await;
        let known = self
            .known_keys()
            .filter(|known| known.since.elapsed() < AGE_MAX);
        let known = known.ok_or(NoKey::Unavailable)?;
        let keys = fits(&known);
        if keys.is_empty() {
            return Err(NoKey::Unknown);
        }
        Ok(keys)
    }

    fn known_keys(&self) -> Option<Arc<KnownKeys>> {
        let known = self.known.lock();
        known.clone()
    }

    /// Fetches the keys, unless another request did so since `seen`, or the limit is reached.
    async fn refresh_keys(&self, seen: Option<Instant>) {
        let mut fetches = self.fetches.lock().await;
        // Another request may have fetched the keys while this one waited for the lock.
        if self.known_keys().map(|known| known.since) != seen || !fetches.take_fetch() {
            return;
        }
        match self.fetch_keys(&mut fetches).await {
            Ok(keys) => {
                tracing::debug!(
                    issuer = self.url,
                    keys = keys.len(),
                    "fetched the issuer's keys"
                );
                let known = KnownKeys {
                    keys,
                    since: Instant::now(),
                };
                let mut place = self.known.lock();
                *place = Some(Arc::new(known));
            }
            Err(problem) => {
                // The keys may have moved.
                fetches.keys_url = None;
                tracing::warn!(issuer = self.url, problem, "cannot fetch the issuer's keys");
            }
        }
    }

    async fn fetch_keys(&self, fetches: &mut FetchBudget) -> Result<Vec<Jwk>, String> {
        let url = match &fetches.keys_url {
            Some(url) => url.clone(),
            None => self.discover_keys_url().await?,
        };
        let set: JwkSetDocument = self.fetcher.fetch_json(&url).await?;
        fetches.keys_url = Some(url);
        let keys = set.keys.into_iter().take(KEYS_MAX);
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
        Ok(keys.collect())
    }

    /// The URL of the keys. The metadata must name this issuer.
    async fn discover_keys_url(&self) -> Result<String, String> {
        let mut problems = Vec::new();
        for url in metadata_urls(&self.url) {
            match self.fetcher.fetch_json::<IssuerMetadata>(&url).await {
                // RFC 8414, section 3.3: the names must be equal, or one issuer could supply the keys of
                // another.
                Ok(found) if found.issuer != self.url => {
                    problems.push(format!("{url}: it belongs to the issuer {}", found.issuer));
                }
                Ok(found) if !is_safe_url(&found.jwks_uri) => {
                    problems.push(format!("{url}: its keys are not protected by https"));
                }
                Ok(found) => return Ok(found.jwks_uri),
                Err(problem) => problems.push(problem),
            }
        }
        Err(problems.join("; "))
    }
}

/// How many keys an issuer has that tokens could be signed with.
///
/// # Errors
/// The message says why: metadata or keys cannot be fetched, or belong to another issuer.
pub async fn examine_issuer(issuer: &str) -> Result<usize, String> {
    let fetcher = DocumentFetcher::new().map_err(|error| error.to_string())?;
    let issuer = TokenIssuer::new(issuer.to_owned(), fetcher);
    let mut fetches = issuer.fetches.lock().await;
    let keys = issuer.fetch_keys(&mut fetches).await?;
    let usable = |key: &&Jwk| ALGORITHMS.iter().any(|algorithm| is_for(key, *algorithm));
    Ok(keys.iter().filter(usable).count())
}

impl FetchBudget {
    fn take_fetch(&mut self) -> bool {
        while self.left < BURST && self.filled.elapsed() >= REFILL {
            self.left += 1;
            self.filled += REFILL;
        }
        if self.left == 0 {
            return false;
        }
        // A full budget does not refill, so its clock starts at the first fetch.
        if self.left == BURST {
            self.filled = Instant::now();
        }
        self.left -= 1;
        true
    }
}

/// Where an issuer's metadata may be, in the order of MCP's specification: RFC 8414, then OpenID Connect
/// Discovery with the path put in as RFC 8414 does, then as it does itself.
fn metadata_urls(issuer: &str) -> Vec<String> {
    let bare = issuer.trim_end_matches('/');
    let start = bare.find("://").map_or(0, |at| at + 3);
    let slash = bare[start..].find('/').map_or(bare.len(), |at| start + at);
    let (origin, path) = bare.split_at(slash);
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
        format!("{bare}/.well-known/openid-configuration"),
    ];
    urls.dedup();
    urls
}

fn fitting_keys(keys: &[Jwk], kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let named = |key: &&Jwk| kid.is_none() || key.common.key_id.as_deref() == kid;
    let keys = keys
        .iter()
        .filter(named)
        .filter(|key| is_for(key, algorithm));
    keys.filter_map(|key| DecodingKey::from_jwk(key).ok())
        .collect()
}

/// Whether a key may be used for signatures of this algorithm.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other kinds of keys are never right, shared secrets least of all"
)]
fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => {
            matches!(algorithm, Algorithm::RS256 | Algorithm::PS256)
        }
        AlgorithmParameters::EllipticCurve(curve) => {
            algorithm == Algorithm::ES256 && curve.curve == EllipticCurve::P256
        }
        AlgorithmParameters::OctetKeyPair(pair) => {
            algorithm == Algorithm::EdDSA && pair.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let stated = key.common.key_algorithm;
    let stated = stated.is_none_or(|stated| stated == algorithm.into());
    // `use` is optional (RFC 7517, section 4.2), so a key without it may sign.
    let signs =
        !matches!(&key.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature);
    kind && stated && signs
}

#[cfg(test)]
mod tests {
    #[test]
    fn issuer_metadata_urls_follow_the_specification() {
        assert_eq!(
            super::metadata_urls("https://as.example/realms/a"),
            [
                "https://as.example/.well-known/oauth-authorization-server/realms/a",
                "https://as.example/.well-known/openid-configuration/realms/a",
                "https://as.example/realms/a/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            super::metadata_urls("https://as.example/"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }
}
