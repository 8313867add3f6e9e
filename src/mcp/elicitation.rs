//! How a tool's approval question reaches the person behind an MCP client.
//!
//! - Revisions with a handshake: `elicitation/create` on the stream of the call, if the client
//!   announced elicitation and reads the stream.
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

use super::approvals::{ApprovalBook, QuestionSubject};
use super::server::is_modern;
use super::sessions::exchange::NoStreaming;
use crate::tool::approval::{ApprovalAnswer, ApprovalAsker, OpenQuestion};
use crate::tool::{ApprovalChannel, ApprovalQuestion, ErrorType, JsonObject, ToolError};

/// The key of the question in `inputRequests`.
const KEY: &str = "consent";
/// The field of the form.
const FIELD: &str = "answer";
/// The value that means approval.
const ONCE: &str = "once";
/// The value that means refusal.
const NO: &str = "no";

/// How a call asks the person behind its client.
pub(super) fn approval_channel(
    cx: &RequestContext<RoleServer>,
    consent: &ApprovalBook,
    caller: &Arc<str>,
    params: &CallToolRequestParams,
) -> ApprovalChannel {
    if is_modern(cx) {
        // Each request of this revision declares the capabilities of its client; there is no handshake.
        let declared = cx.client_capabilities();
        let declares_forms = declared.is_some_and(|declared| shows_forms(&declared));
        return modern_channel(declares_forms, consent, caller, params);
    }
    // The capabilities in the request do not count here: those of the handshake do.
    let announced = cx.peer.peer_info();
    let hears = cx.extensions.get::<NoStreaming>().is_none();
    if !hears || !announced.is_some_and(|client| shows_forms(&client.capabilities)) {
        return ApprovalChannel::unavailable();
    }
    ApprovalChannel::through(ElicitInCall {
        consent: consent.clone(),
        caller: caller.clone(),
        peer: cx.peer.clone(),
    })
}

/// How a call of revision 2026-07-28 asks the person behind its client.
pub(super) fn modern_channel(
    declares_forms: bool,
    consent: &ApprovalBook,
    caller: &Arc<str>,
    params: &CallToolRequestParams,
) -> ApprovalChannel {
    if !declares_forms {
        return ApprovalChannel::unavailable();
    }
    let answers = params.input_responses.as_ref();
    ApprovalChannel::through(AnswerInNextCall {
        consent: consent.clone(),
        caller: caller.clone(),
        tool: params.name.to_string(),
        arguments: params.arguments.clone().unwrap_or_default(),
        state: params.request_state.clone(),
        answer: answers.and_then(|answers| answers.get(KEY)).cloned(),
    })
}

/// An empty capability means forms (revision 2025-11-25).
pub(super) fn shows_forms(client: &ClientCapabilities) -> bool {
    let forms = |elicitation: &ElicitationCapability| {
        elicitation.form.is_some() || elicitation.url.is_none()
    };
    client.elicitation.as_ref().is_some_and(forms)
}

/// The result that makes the client ask the question.
pub(super) fn input_required(open: &OpenQuestion) -> InputRequiredResult {
    let form = InputRequest::Elicitation(ElicitRequest::new(elicitation_form(&open.question)));
    let requests = InputRequests::from([(KEY.to_owned(), form)]);
    InputRequiredResult::new(Some(requests), Some(open.state.clone()))
}

/// Asks while the call waits.
struct ElicitInCall {
    consent: ApprovalBook,
    caller: Arc<str>,
    peer: Peer<RoleServer>,
}

impl ApprovalAsker for ElicitInCall {
    fn ask_person<'a>(&'a self, question: &'a ApprovalQuestion) -> BoxFuture<'a, ApprovalAnswer> {
        async move {
            // Counted before the client is asked, so a model that calls in a loop cannot flood the person.
            let _open = match self.consent.reserve_question(&self.caller) {
                Ok(place) => place,
                Err(error) => return ApprovalAnswer::Refused(error),
            };
            let timeout = self.consent.answer_timeout();
            let asked = self
                .peer
                .create_elicitation_with_timeout(elicitation_form(question), Some(timeout));
            match asked.await {
                Ok(result) => read_elicitation(&result),
                Err(ServiceError::Timeout { .. }) => refused_answer(
                    "approval_unanswered",
                    &format!("no answer arrived within {} s", timeout.as_secs()),
                ),
                Err(error) => {
                    tracing::info!(%error, "a client could not ask its user");
                    refused_answer("approval_failed", "the client could not ask")
                }
            }
        }
        .boxed()
    }
}

/// Ends the call with the question; the client asks and calls again.
struct AnswerInNextCall {
    consent: ApprovalBook,
    caller: Arc<str>,
    tool: String,
    arguments: JsonObject,
    state: Option<String>,
    answer: Option<Value>,
}

impl ApprovalAsker for AnswerInNextCall {
    fn ask_person<'a>(&'a self, question: &'a ApprovalQuestion) -> BoxFuture<'a, ApprovalAnswer> {
        let subject =
            QuestionSubject::new(&self.caller, &self.tool, &self.arguments, &question.what);
        let answer = match (&self.state, &self.answer) {
            // The state is used up even if the answer cannot be read. The next try asks the person again.
            (Some(state), Some(answer)) => match self.consent.redeem_answer(state, &subject) {
                Ok(()) => serde_json::from_value::<ElicitResult>(answer.clone()).map_or_else(
                    |_| refused_answer("approval_invalid", "the answer cannot be read"),
                    |it| read_elicitation(&it),
                ),
                Err(error) => ApprovalAnswer::Refused(error),
            },
            // An answer without `requestState` belongs to no question.
            (None, _) | (_, None) => match self.consent.issue_question(subject) {
                Ok(state) => ApprovalAnswer::Later(state),
                Err(error) => ApprovalAnswer::Refused(error),
            },
        };
        futures::future::ready(answer).boxed()
    }
}

/// A required choice: some clients accept a form that no person filled in.
fn elicitation_form(question: &ApprovalQuestion) -> ElicitRequestParams {
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

fn read_elicitation(result: &ElicitResult) -> ApprovalAnswer {
    let choice = result
        .content
        .as_ref()
        .and_then(|content| content.get(FIELD))
        .and_then(Value::as_str);
    match (&result.action, choice) {
        (ElicitationAction::Accept, Some(ONCE)) => ApprovalAnswer::Agreed,
        (ElicitationAction::Accept, Some(NO)) | (ElicitationAction::Decline, _) => {
            refused_answer("approval_declined", "the person did not allow it")
        }
        // The person closed the form, which is neither yes nor no. No decision is never an approval.
        (ElicitationAction::Cancel, _) => refused_answer(
            "approval_unanswered",
            "the question was closed without an answer",
        ),
        _ => refused_answer(
            "approval_invalid",
            "the client accepted without a person's choice",
        ),
    }
}

fn refused_answer(code: &'static str, why: &str) -> ApprovalAnswer {
    ApprovalAnswer::Refused(ToolError::new(
        ErrorType::Security,
        format!("this needs the consent of a person: {why}"),
        "do not try the same in another way: tell your user what you wanted to do and why, or go on without it",
    )
    .with_code(code))
}
