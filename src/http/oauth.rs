//! The OAuth 2.1 resource server's part: where clients get tokens (RFC 9728), and which scope a request lacks.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

use super::auth::Authenticator;
use super::problem::RpcError;
use crate::caller::{Caller, Credential, Scope};
use crate::oauth::{Verifier, scopes_up_to};
use crate::tool::registry::Registry;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// The scope of the first sign-in, before a call shows what it needs. More scope is requested by challenge.
const USUAL: Scope = Scope::Use;

/// The absolute URL of the metadata. It is below the public URL, so a proxy that forwards our paths forwards it
/// too.
pub(super) fn metadata_url(verifier: &Verifier) -> String {
    let resource = &verifier.config().resource;
    let base = resource.strip_suffix("/mcp").unwrap_or(resource);
    format!("{base}{WELL_KNOWN}/mcp")
}

/// The metadata, at the URLs where clients look: the one in challenges, and the one of RFC 9728. Every origin
/// may read it, because it is public.
pub(super) fn routes(verifier: &Verifier, path_prefix: &str) -> Router {
    let config = verifier.config();
    let metadata: Value = json!({
        "resource": config.resource,
        "authorization_servers": config.issuers,
        "scopes_supported": scopes_up_to(USUAL).split(' ').collect::<Vec<_>>(),
        "bearer_methods_supported": ["header"],
        "resource_name": "kasm-mcp",
    });
    let metadata = Arc::new(metadata);
    let answer = move || {
        let metadata = metadata.clone();
        async move { Json(Value::clone(&metadata)) }
    };
    let mut paths = vec![WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/mcp")];
    if !path_prefix.is_empty() {
        paths.push(format!("{WELL_KNOWN}{path_prefix}/mcp"));
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers([HeaderName::from_static("mcp-protocol-version")]);
    let routes = paths.iter().fold(Router::new(), |routes, path| {
        routes.route(path, get(answer.clone()))
    });
    routes.layer(cors)
}

/// The value of `WWW-Authenticate`. Without a metadata URL, OAuth is not configured.
pub(super) fn challenge(
    metadata_url: Option<&str>,
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
    if let Some(url) = metadata_url {
        put("scope", &scopes_up_to(scope));
        put("resource_metadata", url);
    }
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

/// The scope to request before the needed one is known.
pub(super) fn usual_scope() -> Scope {
    USUAL
}

/// The members of a message that matter here.
#[derive(Deserialize)]
struct Peeked {
    method: Option<String>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    name: Option<String>,
}

/// The refusal of a body with calls that need more scope, if the client can request it from the authorization
/// server. Other clients get the tool's error.
pub(super) fn step_up(
    auth: &Authenticator,
    registry: &Registry,
    caller: &Caller,
    body: &[u8],
) -> Option<Response> {
    if caller.credential != Credential::OAuth || caller.may(Scope::Admin) {
        return None;
    }
    let many = body.trim_ascii_start().first() == Some(&b'[');
    let messages: Vec<Value> = if many {
        serde_json::from_slice(body).ok()?
    } else {
        vec![serde_json::from_slice(body).ok()?]
    };
    // Other layers refuse a malformed body.
    let messages = messages.into_iter();
    let read = messages.filter_map(|it| serde_json::from_value::<Peeked>(it).ok());
    let calls = read.filter(|message| message.method.as_deref() == Some("tools/call"));
    let names = calls.filter_map(|call| call.params?.name);
    let needed = names.filter_map(|name| registry.missing(&name, caller));
    Some(insufficient(auth, needed.max()?))
}

/// 403 with the scopes that the operation needs.
pub(super) fn insufficient(auth: &Authenticator, needed: Scope) -> Response {
    let message = format!("this needs the scope {needed}");
    let refusal = RpcError::new(
        StatusCode::FORBIDDEN,
        rmcp::model::ErrorCode::INVALID_REQUEST,
        message.clone(),
    );
    let mut response = refusal.into_response();
    let value = challenge(
        auth.metadata_url(),
        Some(("insufficient_scope", &message)),
        needed,
    );
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    response
}
