//! How a tool's approval question reaches the person behind an MCP client.
//!
//! - Revisions with a handshake: `elicitation/create` on the stream of the call, if the client
//!   announced elicitation and hears the stream.
//! - 2026-07-28: an `input_required` result; the client makes the call again with the answer.
//! - All other clients: no question can be asked.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ElicitationSchema, EnumSchema, InputRequest,
    InputRequests, InputRequiredResult, PrimitiveSchemaDefinition,
};
use rmcp::service::{RequestContext, ServiceError};
use rmcp::{Peer, RoleServer};
use serde_json::Value;

use super::consent::{Consent, Subject};
use super::server::is_modern;
use super::sessions::exchange::AnswerOnly;
use crate::tool::confirm::{Answer, Asker, OpenQuestion};
use crate::tool::{Confirm, ErrorType, JsonObject, Question, ToolError};

/// The key of the question in `inputRequests`.
const KEY: &str = "consent";
/// The field of the form.
const FIELD: &str = "answer";
/// The value that means approval.
const ONCE: &str = "once";
/// The value that means refusal.
const NO: &str = "no";

/// How a call asks the person behind its client.
pub(super) fn confirm(
    cx: &RequestContext<RoleServer>,
    consent: &Consent,
    caller: &Arc<str>,
    params: &CallToolRequestParams,
) -> Confirm {
    if is_modern(cx) {
        let declared = cx.client_capabilities();
        if !declared.is_some_and(|declared| shows_forms(&declared)) {
            return Confirm::nobody();
        }
        let answers = params.input_responses.as_ref();
        return Confirm::with(NextCall {
            consent: consent.clone(),
            caller: caller.clone(),
            tool: params.name.to_string(),
            arguments: params.arguments.clone().unwrap_or_default(),
            state: params.request_state.clone(),
            answer: answers.and_then(|answers| answers.get(KEY)).cloned(),
        });
    }
    // The capabilities in the request do not count here: those of the handshake do.
    let announced = cx.peer.peer_info();
    let hears = cx.extensions.get::<AnswerOnly>().is_none();
    if !hears || !announced.is_some_and(|client| shows_forms(&client.capabilities)) {
        return Confirm::nobody();
    }
    Confirm::with(SameCall {
        consent: consent.clone(),
        caller: caller.clone(),
        peer: cx.peer.clone(),
    })
}

/// An empty capability means forms (revision 2025-11-25).
fn shows_forms(client: &ClientCapabilities) -> bool {
    let forms = |elicitation: &ElicitationCapability| {
        elicitation.form.is_some() || elicitation.url.is_none()
    };
    client.elicitation.as_ref().is_some_and(forms)
}

/// The result that makes the client ask the question.
pub(super) fn input_required(open: &OpenQuestion) -> InputRequiredResult {
    let form = InputRequest::Elicitation(ElicitRequest::new(form(&open.question)));
    let requests = InputRequests::from([(KEY.to_owned(), form)]);
    InputRequiredResult::new(Some(requests), Some(open.state.clone()))
}

/// Asks while the call waits.
struct SameCall {
    consent: Consent,
    caller: Arc<str>,
    peer: Peer<RoleServer>,
}

impl Asker for SameCall {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answer> {
        async move {
            let _open = match self.consent.enter(&self.caller) {
                Ok(place) => place,
                Err(error) => return Answer::Refused(error),
            };
            let timeout = self.consent.timeout();
            let asked = self
                .peer
                .create_elicitation_with_timeout(form(question), Some(timeout));
            match asked.await {
                Ok(result) => judge(&result),
                Err(ServiceError::Timeout { .. }) => refused(
                    "approval_unanswered",
                    &format!("no answer arrived within {} s", timeout.as_secs()),
                ),
                Err(error) => {
                    tracing::info!(%error, "a client could not ask its user");
                    refused("approval_failed", "the client could not ask")
                }
            }
        }
        .boxed()
    }
}

/// Ends the call with the question; the client asks and calls again.
struct NextCall {
    consent: Consent,
    caller: Arc<str>,
    tool: String,
    arguments: JsonObject,
    state: Option<String>,
    answer: Option<Value>,
}

impl Asker for NextCall {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answer> {
        let subject = Subject::new(&self.caller, &self.tool, &self.arguments, &question.what);
        let answer = match (&self.state, &self.answer) {
            (Some(state), Some(answer)) => match self.consent.redeem(state, &subject) {
                Ok(()) => serde_json::from_value::<ElicitResult>(answer.clone()).map_or_else(
                    |_| refused("approval_invalid", "the answer cannot be read"),
                    |it| judge(&it),
                ),
                Err(error) => Answer::Refused(error),
            },
            // An answer without `requestState` belongs to no question.
            (None, _) | (_, None) => match self.consent.issue(subject) {
                Ok(state) => Answer::Later(state),
                Err(error) => Answer::Refused(error),
            },
        };
        futures::future::ready(answer).boxed()
    }
}

/// A required choice: some clients accept a form that no person filled in.
fn form(question: &Question) -> ElicitRequestParams {
    let choice = EnumSchema::builder(vec![ONCE.to_owned(), NO.to_owned()])
        .untitled()
        .title("Allow it?")
        .description("once: allow exactly this, one time. no: refuse.")
        .build();
    let schema = ElicitationSchema::builder()
        .required_property(FIELD, PrimitiveSchemaDefinition::Enum(choice));
    let requested_schema = schema.build_unchecked();
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!("{}\n\n{}", question.title, question.text),
        requested_schema,
    }
}

fn judge(result: &ElicitResult) -> Answer {
    let choice = result
        .content
        .as_ref()
        .and_then(|content| content.get(FIELD))
        .and_then(Value::as_str);
    match (&result.action, choice) {
        (ElicitationAction::Accept, Some(ONCE)) => Answer::Agreed,
        (ElicitationAction::Accept, Some(NO)) | (ElicitationAction::Decline, _) => {
            refused("approval_declined", "the person did not allow it")
        }
        (ElicitationAction::Cancel, _) => refused(
            "approval_unanswered",
            "the question was closed without an answer",
        ),
        _ => refused(
            "approval_invalid",
            "the client accepted without a person's choice",
        ),
    }
}

fn refused(code: &'static str, why: &str) -> Answer {
    Answer::Refused(ToolError::new(
        ErrorType::Security,
        format!("this needs the consent of a person: {why}"),
        "do not try the same in another way: tell your user what you wanted to do and why, or go on without it",
    )
    .with_code(code))
}
