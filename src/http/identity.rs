//! Who sent a request, for the handlers behind the authentication.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::problem::HttpProblem;
use super::route_group::AnswerForm;
use crate::caller::Caller;
use crate::links::LinkId;

/// The caller that the layers in front found, narrowed as path and headers ask.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if let Some(caller) = Caller::of_request(&parts.extensions) {
            return Ok(Self(caller.clone()));
        }
        // A route outside of the authentication: nothing that a client does leads here.
        let detail = "the caller of this request is not known";
        let problem = HttpProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "caller_unknown", detail);
        Err(AnswerForm::of_request(&parts.extensions).answer(problem))
    }
}

/// Marks a request whose caller is known by a link, and names the link for the count of delivered bytes. A
/// link cannot be guessed, so a lock against guessing does not apply. Its holder is often another program
/// than the caller, so the address is not remembered as the caller's.
#[derive(Clone, Copy)]
pub(super) struct ByLink(pub(super) LinkId);
