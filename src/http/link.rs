//! Links as a credential: a good one in `?link=` is its caller, for one file and one direction.

use axum::RequestExt as _;
use axum::extract::{Path, Query, Request};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::identity::ByLink;
use super::problem::HttpProblem;
use super::route_group::AnswerForm;
use crate::links::{FileLinkGrant, LinkId, OpenLinks, TransferDirection};

#[derive(Deserialize)]
pub(super) struct LinkOptions {
    link: Option<String>,
}

/// Puts the caller of a good link on a request, so that the authentication behind this asks for no token.
/// Without a link the request stays as it is.
///
/// # Errors
/// The answer to a link that is not good for this request.
pub(super) async fn accept_link(
    links: Option<&OpenLinks>,
    form: AnswerForm,
    request: &mut Request,
) -> Result<(), Response> {
    let options = request.extract_parts::<Query<LinkOptions>>().await;
    let Query(options) = options.map_err(IntoResponse::into_response)?;
    let Some(token) = options.link else {
        return Ok(());
    };
    // Chat programs fetch addresses for a preview. A whole small file in a preview would use the link up.
    if is_prefetch(request.headers()) {
        let detail = "a link cannot be prefetched: request it when the file is needed";
        return Err(form.answer(HttpProblem::new(StatusCode::FORBIDDEN, "prefetch", detail)));
    }
    // A path that cannot be decoded fits no link, and gets the same answer as an unknown one.
    let place = request.extract_parts::<Path<(String, String)>>().await.ok();
    let place = place
        .as_ref()
        .map(|Path((first, rest))| (first.as_str(), rest.as_str()));
    let found = links.and_then(|links| find_link(links, &token, place?));
    let Some((id, link)) = found else {
        return Err(form.answer(link_unknown()));
    };
    if let Some(allowed) = other_methods(link.direction, request.method()) {
        let detail = format!("this link is for {allowed}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let problem = HttpProblem::new(status, "method_not_allowed", detail);
        let mut response = form.answer(problem);
        let allowed = HeaderValue::from_static(allowed);
        response.headers_mut().insert(ALLOW, allowed);
        return Err(response);
    }
    request.extensions_mut().insert(link.caller);
    request.extensions_mut().insert(ByLink(id));
    Ok(())
}

/// The link of a token, if it is for this file. Only a transfer uses a link up; a look-up does not.
fn find_link(
    links: &OpenLinks,
    token: &str,
    (computer, path): (&str, &str),
) -> Option<(LinkId, FileLinkGrant)> {
    let found = links.find_link(token)?;
    let (_, link) = &found;
    link.is_at(computer, path).then_some(found)
}

/// The methods that a link is for, if `method` is none of them.
fn other_methods(direction: TransferDirection, method: &Method) -> Option<&'static str> {
    let (fits, allowed) = match direction {
        TransferDirection::Download => {
            (method == Method::GET || method == Method::HEAD, "GET, HEAD")
        }
        TransferDirection::Upload => (method == Method::PUT, "PUT"),
    };
    (!fits).then_some(allowed)
}

/// Whether a client fetches ahead of a person who may never ask for the file.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|value| value.contains("prefetch") || value.contains("preview"))
}

/// One answer for a link that was used, has expired, is for another file or never existed. Different answers
/// would tell strangers which links exist.
pub(super) fn link_unknown() -> HttpProblem {
    let detail = "the link was used, is over, or is not for this; ask for another with the tool that made it";
    HttpProblem::new(StatusCode::NOT_FOUND, "link_unknown", detail)
}
