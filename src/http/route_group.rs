//! What the routes of one surface have in common. The router puts it on each of their requests, outside of
//! all layers, so no layer has to parse a path.

use axum::response::{IntoResponse, Response};
use http::Extensions;

use super::problem::HttpProblem;
use super::rpc_error::RpcError;

/// The form of an answer that a layer gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AnswerForm {
    /// A problem document (RFC 9457).
    #[default]
    Problem,
    /// A JSON-RPC error: what is sent there are messages.
    JsonRpc,
}

/// A surface: its label in what is counted, and the form of its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteGroup {
    pub(super) label: &'static str,
    pub(super) form: AnswerForm,
}

impl RouteGroup {
    pub(super) const fn new(label: &'static str, form: AnswerForm) -> Self {
        Self { label, form }
    }
}

impl AnswerForm {
    /// The form of the group that a request belongs to.
    pub(super) fn of_request(extensions: &Extensions) -> Self {
        let group = extensions.get::<RouteGroup>();
        group.map_or(Self::default(), |group| group.form)
    }

    /// A problem in this form.
    pub(super) fn answer(self, problem: HttpProblem) -> Response {
        match self {
            Self::Problem => problem.into_response(),
            Self::JsonRpc => RpcError::from(problem).into_response(),
        }
    }
}
