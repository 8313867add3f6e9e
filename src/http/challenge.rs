//! Challenges (`WWW-Authenticate`): what a client has to send, and where it gets it (RFC 6750, RFC 9728).

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::problem::HttpProblem;
use crate::caller::Scope;
use crate::oauth::scopes_up_to;

/// The scope of a challenge that knows no operation. An operation that needs more sends its own challenge.
pub(super) const USUAL_SCOPE: Scope = Scope::Use;

/// The value of `WWW-Authenticate`. Without a metadata URL, OAuth is not configured.
pub(super) fn bearer_challenge(
    metadata_url: Option<&MetadataUrl>,
    error: Option<(&str, &str)>,
    scope: Scope,
) -> HeaderValue {
    let mut value = r#"Bearer realm="kasm-mcp""#.to_owned();
    let mut put = |name: &str, text: &str| value.push_str(&format!(", {name}=\"{text}\""));
    if let Some((error, description)) = error {
        put("error", error);
        if metadata_url.is_some() {
            put("error_description", description);
        }
    }
    if let Some(MetadataUrl(url)) = metadata_url {
        put("scope", &scopes_up_to(scope));
        put("resource_metadata", url);
    }
    // A 401 must carry a challenge (RFC 9110, section 15.5.2), so a value that is no header leaves the bare
    // scheme.
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

/// Where a client learns about the authorization servers of the resource that it asked. The authentication
/// puts it on each request, if there are some.
#[derive(Clone, Debug)]
pub(super) struct MetadataUrl(pub(super) Arc<str>);

/// 403 with the scopes that the operation needs, for clients that can ask for more.
pub(super) fn insufficient_scope(metadata_url: Option<&MetadataUrl>, needed: Scope) -> HttpProblem {
    let detail = format!("this needs the scope {needed}");
    let error = Some(("insufficient_scope", &*detail));
    let challenge = bearer_challenge(metadata_url, error, needed);
    HttpProblem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail).with_challenge(challenge)
}
