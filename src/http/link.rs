//! Links as a credential: a good one in `?link=` is its caller, for one file and one direction.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::identity::ByLink;
use super::problem::Problem;
use super::route_group::AnswerForm;
use super::state::HttpState;
use crate::links::{Direction, Link, Links};

#[derive(Deserialize)]
pub(super) struct LinkOptions {
    link: Option<String>,
}

/// Puts the caller of a good link on a request, so that the authentication behind this asks for no token.
/// Without a link the request goes on as it is.
pub(super) async fn layer(
    State(state): State<Arc<HttpState>>,
    place: Result<Path<(String, String)>, PathRejection>,
    Query(options): Query<LinkOptions>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = options.link else {
        return next.run(request).await;
    };
    let place = place.ok();
    let place = place
        .as_ref()
        .map(|Path((computer, path))| (computer.as_str(), path.as_str()));
    let links = state.links.as_deref();
    let found = links.and_then(|links| find_link(links, &token, request.method(), place?));
    let Some(link) = found else {
        let form = AnswerForm::of_request(request.extensions());
        return form.answer(link_unknown());
    };
    request.extensions_mut().insert(link.caller);
    request.extensions_mut().insert(ByLink(token.into()));
    next.run(request).await
}

/// The link, if it is for this file and method. A preview (HEAD) is answered behind this and changes nothing.
fn find_link(
    links: &Links,
    token: &str,
    method: &Method,
    (computer, path): (&str, &str),
) -> Option<Link> {
    let link = links.find(token)?;
    let fits = link.computer == computer
        && link.path.strip_prefix('/') == Some(path)
        && match link.direction {
            Direction::Download => method == Method::GET || method == Method::HEAD,
            Direction::Upload => method == Method::PUT,
        };
    if !fits {
        // Somebody tries what it is not for: it ends.
        drop(links.take(token));
    }
    fits.then_some(link)
}

/// One answer for what was used, is over, is for something else or never was: which of these it is, is a
/// matter of whoever made the link.
pub(super) fn link_unknown() -> Problem {
    let detail =
        "the link was used, is over, or is not for this; ask for another with link_kasm_file";
    Problem::new(StatusCode::NOT_FOUND, "link_unknown", detail)
}
