//! Challenges (`WWW-Authenticate`): what a client has to send, and where it gets it (RFC 6750, RFC 9728).

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::problem::HttpProblem;
use crate::caller::{Grants, Level, Realm};

/// The level of a challenge that knows no operation, in each realm. An operation that needs more sends its own
/// challenge.
pub(super) const USUAL_LEVEL: Level = Level::Use;

/// The value of `WWW-Authenticate`, for the scopes that are needed, or the usual ones. Without a metadata URL,
/// OAuth is not configured.
pub(super) fn bearer_challenge(
    metadata_url: Option<&MetadataUrl>,
    error: Option<(&str, &str)>,
    needed: Option<&Grants>,
) -> HeaderValue {
    let mut value = r#"Bearer realm="kasm-mcp""#.to_owned();
    let mut put = |name: &str, text: &str| value.push_str(&format!(", {name}=\"{text}\""));
    if let Some((error, description)) = error {
        put("error", error);
        if metadata_url.is_some() {
            put("error_description", description);
        }
    }
    if let Some(metadata) = metadata_url {
        let usual = || Grants::in_each(&metadata.realms, USUAL_LEVEL);
        let needed = needed.cloned().unwrap_or_else(usual);
        put("scope", &scope_names(&needed).join(" "));
        put("resource_metadata", &metadata.url);
    }
    // A 401 must carry a challenge (RFC 9110, section 15.5.2), so a value that is no header leaves the bare
    // scheme.
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

/// Where a client learns about the authorization servers of the resource that it asked. The authentication
/// puts it on each request, if there are some.
#[derive(Clone, Debug)]
pub(super) struct MetadataUrl {
    pub(super) url: Arc<str>,
    /// The realms whose scopes a client can ask for.
    pub(super) realms: Arc<[Realm]>,
}

/// All names of scopes that a client has to ask for, the smaller ones as well.
pub(super) fn scope_names(grants: &Grants) -> Vec<String> {
    grants.all_scopes().map(|scope| scope.to_string()).collect()
}

/// 403 with the scopes that the operation needs, for clients that can ask for more.
pub(super) fn insufficient_scope(
    metadata_url: Option<&MetadataUrl>,
    needed: &Grants,
) -> HttpProblem {
    let detail = format!("this needs the scope {needed}");
    let error = Some(("insufficient_scope", &*detail));
    let challenge = bearer_challenge(metadata_url, error, Some(needed));
    HttpProblem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail).with_challenge(challenge)
}
