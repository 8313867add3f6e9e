//! A tool is one value: name, arguments, effect and body. Schemas, annotations, scope, routes and documents
//! follow from it.
//!
//! [`Tool`] is what a tool implements. [`AnyTool`] is its object-safe twin, implemented for all
//! tools here and never by hand. [`registry::Registry`] is the only way to call one.

pub mod approval;
pub mod arguments;
mod audit_call;
mod call_guards;
mod call_log;
pub mod catalogue;
pub mod change;
pub mod concurrency;
pub mod cost;
pub mod dynamic_tool;
pub mod error;
pub mod inner_call;
pub mod invocation;
mod mounted_tool;
mod pipeline;
pub mod private_argument;
pub mod progress;
pub mod provider;
pub mod registry;
pub mod schema;
pub mod sent_arguments;
pub mod tool_list;
pub mod tool_table;
pub mod transfer;
pub mod transferring;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, FilteredTool, Level, Scope};
use crate::picture::Picture;
pub use approval::{ApprovalChannel, ApprovalQuestion};
use arguments::ArgumentForms;
pub use call_guards::CallGuards;
pub use cost::CostClass;
pub use error::{ErrorType, ToolError};
pub use inner_call::CallPosition;
use invocation::CallOptions;
pub use private_argument::PrivateArgument;
use private_argument::RecordedArguments;
pub use progress::ProgressReporter;

/// Arguments or a result as JSON.
pub type JsonObject = Map<String, Value>;

/// What a tool changes. Annotations, scope and the read-only filter derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or changes something.
    Write,
    /// Ends or removes something. Repeating it has no further effect.
    Destroy,
}

impl Effect {
    /// MCP's `readOnlyHint`.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        self == Self::Read
    }

    /// MCP's `destructiveHint`.
    #[must_use]
    pub fn is_destructive(self) -> bool {
        self == Self::Destroy
    }

    /// MCP's `idempotentHint`.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        self != Self::Write
    }
}

/// How to follow work that continues after a tool's reply.
///
/// The reply has `data.running == true` while the work continues, and names it in the members `keys`, which are
/// texts. The poll tool takes the keys, `offset` and `wait_seconds`, and replies in this form too. When the
/// work has ended, its `data` is a result of the tool that started it (with every required member), and has
/// `stopped == true` if the stop tool ended it. The stop tool takes the keys; stopping finished work is not a
/// failure. Work that does not exist or belongs to another caller is `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinuationTools {
    /// The tool that returns the state of the work. It changes nothing.
    pub poll: &'static str,
    /// The tool that ends the work.
    pub stop: &'static str,
    /// The members of `data`, and the arguments of both tools, that name the work.
    pub keys: &'static [&'static str],
    /// The least time after the start for which the work and its result are kept.
    pub keep: Duration,
}

/// One tool.
pub trait Tool: Send + Sync + 'static {
    /// The provider's type, with the state that its tools share.
    type Provider: Send + Sync + 'static;
    /// The arguments. The doc comments of the fields are the schema's descriptions.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;
    /// The `data` of the reply.
    type Output: Serialize + JsonSchema + Send + 'static;
    /// The name, `verb_noun`.
    const NAME: &'static str;
    /// The title for people.
    const TITLE: &'static str;
    /// The description for models, one or two sentences.
    const ABOUT: &'static str;
    /// What the tool changes.
    const EFFECT: Effect;
    /// Whether it reaches systems other than Kasm (MCP's `openWorldHint`).
    const OPEN_WORLD: bool = false;
    /// The class of costly calls that it belongs to, if any: each class has its own rate limit.
    const COST: Option<&'static CostClass> = None;
    /// The time limit of a call. None: the server's.
    const TIME_LIMIT: Option<Duration> = None;
    /// A level beyond the one that toolset and effect require.
    const LEVEL: Option<Level> = None;
    /// How its work continues after its reply, if it can. Clients with tasks then get a task.
    const CONTINUES: Option<ContinuationTools> = None;

    /// Runs the tool.
    fn call(
        &self,
        cx: ToolCallContext<'_, Self::Provider>,
        args: Self::Args,
    ) -> impl Future<Output = Result<ToolReply<Self::Output>, ToolError>> + Send;
}

/// A successful reply: the data and a sentence about it.
#[derive(Debug)]
pub struct ToolReply<T> {
    /// The result.
    pub data: T,
    /// One sentence with the outcome and, if there is one, the next step.
    pub message: String,
    /// Pictures to show, in their order.
    pub pictures: Vec<Picture>,
}

impl<T> ToolReply<T> {
    /// A reply.
    pub fn new(data: T, message: impl Into<String>) -> Self {
        Self {
            data,
            message: message.into(),
            pictures: Vec::new(),
        }
    }

    /// Adds a picture to the reply, behind those that it has.
    #[must_use]
    pub fn with_picture(mut self, picture: Option<Picture>) -> Self {
        self.pictures.extend(picture);
        self
    }
}

/// Everything about one call but its arguments.
#[derive(Debug)]
pub struct ToolCallContext<'a, P> {
    /// The provider's state.
    pub provider: &'a P,
    /// The caller.
    pub caller: &'a Caller,
    /// Cancelled when the caller no longer wants the result.
    pub cancelled: &'a CancellationToken,
    /// Where to report progress.
    pub progress: &'a ProgressReporter,
    /// How to ask a person. Tools ask with [`Self::ask_for_approval`].
    pub asker: &'a ApprovalChannel,
    /// Guards that are dropped when the call ends. Tools add to them with [`Self::hold_until_end`].
    pub kept: &'a CallGuards,
    /// The client's conversation, where the transport has one: stdio, and the sessions of the revisions before
    /// 2026-07-28. Only good for a default; no tool may need it.
    pub conversation: Option<&'a Arc<str>>,
    /// The position of the call, for calls that are made inside of it.
    pub position: &'a CallPosition,
}

impl<'a, P> ToolCallContext<'a, P> {
    pub(crate) fn of_call(provider: &'a P, options: &'a CallOptions, kept: &'a CallGuards) -> Self {
        Self {
            provider,
            caller: &options.caller,
            cancelled: &options.cancelled,
            progress: &options.progress,
            asker: &options.confirm,
            kept,
            conversation: options.conversation.as_ref(),
            position: &options.position,
        }
    }

    /// Asks a person for approval, and returns only if they agreed. A tool asks at most once per call, before
    /// it changes anything: in revision 2026-07-28 the call ends here, and the client repeats it with the
    /// person's answer, so it runs from its start. The approval is valid for `question.what` and these
    /// arguments, once.
    ///
    /// # Errors
    /// `security`: the person refused or did not answer, the client cannot ask, or the answer does not belong
    /// to the question. `rate_limited`: too many questions of this caller are open.
    pub async fn ask_for_approval(&self, question: ApprovalQuestion) -> Result<(), ToolError> {
        self.asker.ask_for_approval(question).await
    }

    /// Holds `thing` until the call ends, in whatever way.
    pub fn hold_until_end(&self, thing: impl Send + 'static) {
        self.kept.add_guard(Box::new(thing));
    }
}

/// A group of tools of one provider. The file that defines it is the only list of its tools.
#[derive(Clone, Copy)]
pub struct Toolset<P: 'static> {
    /// The name, for filters and documents.
    pub name: &'static str,
    /// A short description.
    pub about: &'static str,
    /// The lowest scope for any of its tools. They need scopes of this realm only.
    pub scope: Scope,
    /// The tools, in the order of the documents.
    pub tools: &'static [&'static dyn AnyTool<P>],
}

impl<P> std::fmt::Debug for Toolset<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolset")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The description of a tool, for lists and documents.
#[derive(Clone, Debug)]
pub struct ToolInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// Its description.
    pub about: Arc<str>,
    /// The toolset it belongs to.
    pub toolset: Arc<str>,
    /// The label in metrics: its name, or its toolset if names come from elsewhere, because labels are bounded.
    pub metric_name: &'static str,
    /// What the tool changes.
    pub effect: Effect,
    /// Whether it reaches systems other than Kasm.
    pub open_world: bool,
    /// The required scope.
    pub scope: Scope,
    /// The class of costly calls that it counts for.
    pub cost: Option<&'static CostClass>,
    /// The time limit of a call. None: the server's.
    pub time_limit: Option<Duration>,
    /// How its work continues after its reply.
    pub continues: Option<ContinuationTools>,
    /// The JSON Schema of the arguments.
    pub input_schema: Arc<JsonObject>,
    /// How arguments that clients send are converted to the schema's form.
    pub argument_forms: Arc<ArgumentForms>,
    /// Which arguments the audit log may hold.
    pub recorded: Arc<RecordedArguments>,
    /// The JSON Schema of the reply.
    pub output_schema: Arc<JsonObject>,
}

impl ToolInfo {
    /// Whether `caller` may see and call it.
    #[must_use]
    pub fn is_offered(&self, caller: &Caller) -> bool {
        self.passes_filter(caller) && caller.has_scope(self.scope)
    }

    /// Whether `caller` may see it, or could with a higher scope.
    #[must_use]
    pub fn passes_filter(&self, caller: &Caller) -> bool {
        caller.reach.includes_tool(FilteredTool {
            name: &self.name,
            toolset: &self.toolset,
            is_read_only: self.effect.is_read_only(),
        })
    }
}

/// A [`Tool`] with its types erased.
pub trait AnyTool<P>: Send + Sync {
    /// Its description, as a member of `toolset`.
    fn info(&self, toolset: &Toolset<P>) -> ToolInfo;
    /// Calls it with unchecked arguments.
    fn call_json<'a>(
        &'a self,
        cx: ToolCallContext<'a, P>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>>;
}

impl<T: Tool> AnyTool<T::Provider> for T {
    fn info(&self, toolset: &Toolset<T::Provider>) -> ToolInfo {
        let by_effect = if T::EFFECT.is_read_only() {
            Level::Read
        } else {
            Level::Use
        };
        // The largest of the three: a toolset for administrators stays theirs even if a tool only reads.
        let level = T::LEVEL
            .unwrap_or(Level::Read)
            .max(by_effect)
            .max(toolset.scope.level);
        let mut input_schema = schema::arguments_schema::<T::Args>();
        // Both remove their marks from the schema, so that clients do not see them.
        let recorded = RecordedArguments::take_from(&mut input_schema);
        let argument_forms = ArgumentForms::take_from(&mut input_schema);
        ToolInfo {
            name: T::NAME.into(),
            title: T::TITLE.into(),
            about: T::ABOUT.into(),
            toolset: toolset.name.into(),
            metric_name: T::NAME,
            effect: T::EFFECT,
            open_world: T::OPEN_WORLD,
            scope: Scope::new(toolset.scope.realm, level),
            cost: T::COST,
            time_limit: T::TIME_LIMIT,
            continues: T::CONTINUES,
            recorded: Arc::new(recorded),
            argument_forms: Arc::new(argument_forms),
            input_schema: Arc::new(input_schema),
            output_schema: Arc::new(schema::reply_schema::<T::Output>()),
        }
    }

    fn call_json<'a>(
        &'a self,
        cx: ToolCallContext<'a, T::Provider>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            let args = schema::read_arguments::<T::Args>(args)?;
            let reply = self.call(cx, args).await?;
            let data = serde_json::to_value(reply.data).map_err(|error| {
                ToolError::internal(format!("the result cannot be written as JSON: {error}"))
            })?;
            Ok(ToolReply {
                data,
                message: reply.message,
                pictures: reply.pictures,
            })
        }
        .boxed()
    }
}
