//! The claims of an access token (RFC 9068), in the forms of different authorization servers.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::errors::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::caller::{Grants, Realm, Scope};

/// The longest subject.
const SUBJECT_CHARS_MAX: usize = 256;
/// Claims of an id token, which an access token does not have.
const OF_ID_TOKEN: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// The claims of a token whose signature was verified.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct TokenClaims(Map<String, Value>);

impl TokenClaims {
    fn text_claim(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// The subject. It becomes part of the caller's name in logs.
    pub(super) fn subject(&self) -> Option<&str> {
        let fits = |subject: &&str| {
            !subject.is_empty()
                && subject.chars().count() <= SUBJECT_CHARS_MAX
                && !subject.chars().any(char::is_control)
        };
        self.text_claim("sub").filter(fits)
    }

    /// Seconds since 1970.
    pub(super) fn expiry_seconds(&self) -> Option<i64> {
        // A NumericDate may have a fraction (RFC 7519, section 2).
        let expires = self.0.get("exp")?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the fraction of a second does not matter"
        )]
        let rounded = || Some(expires.as_f64()? as i64);
        expires.as_i64().or_else(rounded)
    }

    /// The scopes of these realms: from `scope` (RFC 8693), or from `scp`, as some servers write it, as text or
    /// list.
    pub(super) fn granted_scopes(&self, realms: &[Realm]) -> Grants {
        let claims = ["scope", "scp"].into_iter();
        let values = claims.filter_map(|claim| self.0.get(claim));
        let names = values.flat_map(texts).flat_map(str::split_whitespace);
        // Other names are scopes of other resources.
        names
            .filter_map(|name| Scope::from_name(name, realms).ok())
            .collect()
    }

    /// The audiences (RFC 7519, section 4.1.3).
    pub(super) fn audiences(&self) -> Vec<&str> {
        self.0.get("aud").map(texts).unwrap_or_default()
    }

    /// The Kasm user that it names. An e-mail address that the issuer has not verified does not count.
    pub(super) fn user_claim(&self, claim: &str) -> Option<&str> {
        // Many issuers omit `email_verified`, so only an explicit `false` excludes the address.
        if claim == "email" && self.0.get("email_verified") == Some(&Value::Bool(false)) {
            return None;
        }
        let named = self.text_claim(claim)?.trim();
        (!named.is_empty()).then_some(named)
    }

    /// Whether it is an access token, not another token of that issuer. `at+jwt` says so (RFC 9068); many
    /// servers write `JWT` or nothing.
    pub(super) fn is_of_access_token(&self, typ: Option<&str>) -> bool {
        let typ = typ.map(str::to_ascii_lowercase);
        let typ = typ
            .as_deref()
            .map(|typ| typ.trim_start_matches("application/"));
        match typ {
            Some("at+jwt") => true,
            Some("jwt") | None => {
                let of_id_token = OF_ID_TOKEN.iter().any(|claim| self.0.contains_key(*claim));
                // Keycloak names the type of the token in a claim.
                let says = self.text_claim("typ").unwrap_or("Bearer");
                !of_id_token && says.eq_ignore_ascii_case("Bearer")
            }
            Some(_) => false,
        }
    }
}

/// The texts of a claim that may have one or several.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text.as_str()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// The issuer that a token names, not verified yet: it decides which keys to try.
pub(super) fn unverified_issuer(token: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct IssuerClaim {
        iss: String,
    }
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let payload = BASE64URL_NOPAD.decode(payload).ok()?;
    let named: IssuerClaim = serde_json::from_slice(&payload).ok()?;
    Some(named.iss)
}

/// The reason for a refusal, in words for the token's owner.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds that say nothing to the owner of a token"
)]
pub(super) fn refusal_reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "its issuer is unknown",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss, aud or sub",
        ErrorKind::InvalidSignature => "its signature is wrong",
        _ => "it cannot be verified",
    }
}
