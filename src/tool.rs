//! A tool is one value: name, arguments, effect and body. Everything else (schemas, annotations,
//! scope, routes, documents) follows from it.
//!
//! [`Tool`] is what a tool implements. [`AnyTool`] is its object-safe twin, implemented for all
//! tools here and never by hand. [`registry::Registry`] is the only way to call one.

pub mod arguments;
pub mod catalogue;
pub mod change;
pub mod confirm;
pub mod error;
pub mod gate;
pub mod invocation;
mod kept;
mod log;
mod mounted;
mod pipeline;
pub mod private;
pub mod progress;
mod record;
pub mod registry;
pub mod schema;
pub mod sent_arguments;
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

use crate::caller::{Caller, Scope};
use crate::picture::Picture;
use arguments::ArgumentForms;
pub use confirm::{Confirm, Question};
pub use error::{ErrorType, ToolError};
pub use kept::Kept;
pub use private::Private;
use private::Recorded;
pub use progress::Progress;

/// Arguments or a result as JSON.
pub type JsonObject = Map<String, Value>;

/// What a tool does to the world. Annotations, scope and the read-only filter derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or changes something.
    Write,
    /// Ends or removes something. Doing it twice is doing it once.
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

/// How work that a tool began can be followed after its reply.
///
/// The reply says that it goes on with `data.running == true`, and names it with the members
/// `keys`, which are texts. The poll tool takes the keys, `offset` and `wait_seconds`, and says the
/// same of the work; when it has ended, its `data` is a result of the tool that began it (it has
/// every member that is required there), with `stopped == true` if the stop tool ended it. The
/// stop tool takes the keys; to end what has ended is no failure. Work that is not there, or not
/// the caller's, is `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The tool that tells how far the work is. Asking twice changes nothing.
    pub poll: &'static str,
    /// The tool that ends it.
    pub stop: &'static str,
    /// The members of `data`, and the arguments of both tools, that name the work.
    pub keys: &'static [&'static str],
    /// How long after its beginning the work and its result can be found, at least.
    pub keep: Duration,
}

/// One tool.
pub trait Tool: Send + Sync + 'static {
    /// What it works on.
    type Provider: Send + Sync + 'static;
    /// Its arguments. The doc comments of the fields are the schema's descriptions.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;
    /// The `data` of its reply.
    type Output: Serialize + JsonSchema + Send + 'static;
    /// Its name, `verb_noun`.
    const NAME: &'static str;
    /// Its title for people.
    const TITLE: &'static str;
    /// One or two sentences for the model.
    const ABOUT: &'static str;
    /// What it does to the world.
    const EFFECT: Effect;
    /// Whether it reaches things outside Kasm (MCP's `openWorldHint`).
    const OPEN_WORLD: bool = false;
    /// Whether a call costs Kasm much, or its administrators: such calls have a limit of their own.
    const COSTLY: bool = false;
    /// A scope beyond what the toolset and the effect ask for.
    const SCOPE: Option<Scope> = None;
    /// How its work goes on after its reply, if it can. Clients with tasks get a task then.
    const CONTINUES: Option<Continuation> = None;

    /// Does it.
    fn call(
        &self,
        cx: Call<'_, Self::Provider>,
        args: Self::Args,
    ) -> impl Future<Output = Result<Reply<Self::Output>, ToolError>> + Send;
}

/// A successful reply: what the tool found, and a sentence about it.
#[derive(Debug)]
pub struct Reply<T> {
    /// The result.
    pub data: T,
    /// One sentence that a model can act on.
    pub message: String,
    /// What there is to see.
    pub picture: Option<Picture>,
}

impl<T> Reply<T> {
    /// A reply.
    pub fn new(data: T, message: impl Into<String>) -> Self {
        Self {
            data,
            message: message.into(),
            picture: None,
        }
    }

    /// The same with something to see.
    #[must_use]
    pub fn showing(mut self, picture: Option<Picture>) -> Self {
        self.picture = picture;
        self
    }
}

/// Everything about one call but its arguments.
#[derive(Debug)]
pub struct Call<'a, P> {
    /// What the tool works on.
    pub provider: &'a P,
    /// Who asks.
    pub caller: &'a Caller,
    /// Fires when the caller no longer wants the result.
    pub cancelled: &'a CancellationToken,
    /// Where to tell how far it is.
    pub progress: &'a Progress,
    /// The way to a person. Tools ask with [`Call::confirm`].
    pub asker: &'a Confirm,
    /// What ends with the call. Tools add to it with [`Call::keep`].
    pub kept: &'a Kept,
}

impl<P> Call<'_, P> {
    /// Asks a person, and returns only if they agreed. Once in a call, and before anything has an
    /// effect: in revision 2026-07-28 the call ends here, is made again by the client with the
    /// person's answer, and runs from its start. The consent is for `question.what`, for these
    /// arguments and for once.
    ///
    /// # Errors
    /// `security`: the person said no or nothing, nobody can be asked, or what came back is no
    /// answer to this question. `rate_limited`: too many questions of this caller are open.
    pub async fn confirm(&self, question: Question) -> Result<(), ToolError> {
        self.asker.ask(question).await
    }

    /// Holds `thing` until the call has ended, however it ends.
    pub fn keep(&self, thing: impl Send + 'static) {
        self.kept.add(Box::new(thing));
    }
}

/// A group of tools of one provider. The file that defines it is the only list of its tools.
#[derive(Clone, Copy)]
pub struct Toolset<P: 'static> {
    /// Its name, for filters and documents.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The least scope for any of its tools.
    pub scope: Scope,
    /// Its tools, in the order of the documents.
    pub tools: &'static [&'static dyn AnyTool<P>],
}

impl<P> std::fmt::Debug for Toolset<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toolset")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Facts about a tool, for lists and documents.
#[derive(Clone, Debug)]
pub struct ToolInfo {
    /// Its name.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its description.
    pub about: &'static str,
    /// The toolset it belongs to.
    pub toolset: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether it reaches things outside Kasm.
    pub open_world: bool,
    /// The scope it needs.
    pub scope: Scope,
    /// Whether it shares in the limit of costly calls.
    pub costly: bool,
    /// How its work goes on after its reply.
    pub continues: Option<Continuation>,
    /// JSON Schema of its arguments.
    pub input_schema: Arc<JsonObject>,
    /// How arguments that clients send are brought into the form of that schema.
    pub argument_forms: Arc<ArgumentForms>,
    /// What of its arguments may be recorded.
    pub recorded: Arc<Recorded>,
    /// JSON Schema of its reply.
    pub output_schema: Arc<JsonObject>,
}

impl ToolInfo {
    /// Whether `caller` is offered it and may call it.
    #[must_use]
    pub fn is_offered(&self, caller: &Caller) -> bool {
        self.is_in_reach(caller) && caller.may(self.scope)
    }

    /// Whether `caller` is offered it, or would be with more scope.
    #[must_use]
    pub fn is_in_reach(&self, caller: &Caller) -> bool {
        caller
            .reach
            .includes(self.toolset, self.effect.is_read_only())
    }
}

/// A [`Tool`] without its types.
pub trait AnyTool<P>: Send + Sync {
    /// The facts about it, as a member of `toolset`.
    fn info(&self, toolset: &Toolset<P>) -> ToolInfo;
    /// Calls it with unchecked arguments.
    fn call_json<'a>(
        &'a self,
        cx: Call<'a, P>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>>;
}

impl<T: Tool> AnyTool<T::Provider> for T {
    fn info(&self, toolset: &Toolset<T::Provider>) -> ToolInfo {
        let by_effect = if T::EFFECT.is_read_only() {
            Scope::Read
        } else {
            Scope::Use
        };
        let mut input_schema = schema::of_arguments::<T::Args>();
        let recorded = Recorded::take_from(&mut input_schema);
        let argument_forms = ArgumentForms::take_from(&mut input_schema);
        ToolInfo {
            name: T::NAME,
            title: T::TITLE,
            about: T::ABOUT,
            toolset: toolset.name,
            effect: T::EFFECT,
            open_world: T::OPEN_WORLD,
            scope: T::SCOPE
                .unwrap_or(Scope::Read)
                .max(by_effect)
                .max(toolset.scope),
            costly: T::COSTLY,
            continues: T::CONTINUES,
            recorded: Arc::new(recorded),
            argument_forms: Arc::new(argument_forms),
            input_schema: Arc::new(input_schema),
            output_schema: Arc::new(schema::of_reply::<T::Output>()),
        }
    }

    fn call_json<'a>(
        &'a self,
        cx: Call<'a, T::Provider>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>> {
        async move {
            let args = schema::read_arguments::<T::Args>(args)?;
            let reply = self.call(cx, args).await?;
            let data = serde_json::to_value(reply.data).map_err(|error| {
                ToolError::internal(format!("the result cannot be written as JSON: {error}"))
            })?;
            Ok(Reply {
                data,
                message: reply.message,
                picture: reply.picture,
            })
        }
        .boxed()
    }
}
