//! All mounted tools, and the one path to call them.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::catalogue::Catalogue;
use super::change::{Change, Changes};
use super::confirm::{Confirm, OpenQuestion};
use super::error::{ErrorType, ToolError};
use super::gate::{Costly, Gate};
use super::log;
use super::progress::Progress;
use super::record;
use super::{AnyTool, Call, JsonObject, Kept, Reply, ToolInfo, Toolset, schema};
use crate::audit::Audit;
use crate::caller::{Caller, Origin, Scope};
use crate::metrics::Metrics;
use crate::picture::Picture;
use crate::rate::Rate;

/// The mounted tools, in the order of the documents. Built once.
#[derive(Debug)]
pub struct Registry {
    tools: Vec<Mounted>,
    by_name: HashMap<&'static str, usize>,
    timeout: Duration,
    gate: Gate,
    costly: Option<Costly>,
    catalogue: Catalogue,
    changes: Changes,
    audit: Option<Audit>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Mounted {
    info: ToolInfo,
    run: Box<dyn Run>,
}

/// How one call is to be made.
#[derive(Debug)]
pub struct CallOptions {
    /// Who asks.
    pub caller: Caller,
    /// The request it asks in. None: over no network.
    pub origin: Option<Origin>,
    /// Fires when the result is no longer wanted.
    pub cancelled: CancellationToken,
    /// Where to tell how far it is.
    pub progress: Progress,
    /// The way to a person, for tools that ask before they act.
    pub confirm: Confirm,
}

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// With a reply.
    Replied(Finished),
    /// At a question that the client is to ask. Nothing was done.
    Asks(OpenQuestion),
}

/// A finished call in the reply form.
#[derive(Debug)]
pub struct Finished {
    /// `{"success": true, "data": …, "message": …}` or the failure form.
    pub body: Value,
    /// What kind of failure it is, if it failed.
    pub error: Option<ErrorType>,
    /// What there is to see.
    pub picture: Option<Picture>,
    /// When it may be tried again, seconds from now, if that is known.
    pub retry_after: Option<u64>,
}

/// What a tool body came to.
enum Ran {
    Replied(Reply<Value>),
    Asks(OpenQuestion),
}

impl Ran {
    /// The data of the reply; none at a question.
    fn data(&self) -> Option<&Value> {
        match self {
            Self::Replied(reply) => Some(&reply.data),
            Self::Asks(_) => None,
        }
    }
}

/// No tool of that name is offered to this caller.
#[derive(Debug)]
pub struct UnknownTool;

impl Registry {
    /// An empty registry whose calls may take `timeout`, `at_a_time` of each caller together.
    #[must_use]
    pub fn new(timeout: Duration, at_a_time: usize) -> Self {
        Self {
            tools: Vec::new(),
            by_name: HashMap::new(),
            timeout,
            gate: Gate::new(at_a_time),
            costly: None,
            catalogue: Catalogue::default(),
            changes: Changes::default(),
            audit: None,
            metrics: Metrics::default(),
        }
    }

    /// The same with a record of what is called.
    #[must_use]
    pub fn with_audit(mut self, audit: Option<Audit>) -> Self {
        self.audit = audit;
        self
    }

    /// The same, counted in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same with a limit of costly calls, for each caller.
    #[must_use]
    pub fn with_costly_rate(mut self, rate: Rate) -> Self {
        self.costly = Some(Costly::new(rate));
        self
    }

    /// The same with what a provider offers besides its tools.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// Mounts the tools of a provider.
    #[must_use]
    pub fn mount<P: Send + Sync + 'static>(
        mut self,
        provider: &Arc<P>,
        toolsets: &[Toolset<P>],
    ) -> Self {
        for toolset in toolsets {
            for tool in toolset.tools {
                let info = tool.info(toolset);
                self.by_name.insert(info.name, self.tools.len());
                self.tools.push(Mounted {
                    info,
                    run: Box::new(Bound {
                        provider: provider.clone(),
                        tool: *tool,
                    }),
                });
            }
        }
        self
    }

    /// All tools.
    pub fn all(&self) -> impl Iterator<Item = &ToolInfo> {
        self.tools.iter().map(|mounted| &mounted.info)
    }

    /// The tools that `caller` may call.
    pub fn offered<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a ToolInfo> {
        self.all().filter(|info| info.is_offered(caller))
    }

    /// The names of the toolsets, in the order of the documents.
    #[must_use]
    pub fn toolsets(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.all().map(|info| info.toolset).collect();
        names.dedup();
        names
    }

    /// The scope that `caller` lacks for a tool that it would be offered with it.
    #[must_use]
    pub fn missing(&self, name: &str, caller: &Caller) -> Option<Scope> {
        let info = self.info(name).filter(|info| info.is_in_reach(caller))?;
        (!caller.may(info.scope)).then_some(info.scope)
    }

    /// What there is besides tools, whoever asks.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Hears what calls change from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.listen()
    }

    /// A tool by name, whoever asks.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&ToolInfo> {
        self.find(name).map(|mounted| &mounted.info)
    }

    fn find(&self, name: &str) -> Option<&Mounted> {
        self.by_name
            .get(name)
            .and_then(|index| self.tools.get(*index))
    }

    /// Calls a tool: find, authorise, check the arguments, run within the deadline, log. There is
    /// no second path to a tool.
    ///
    /// # Errors
    /// [`UnknownTool`] if there is no such tool, or none in the caller's reach; every other failure is an [`Outcome`].
    pub async fn call(
        &self,
        name: &str,
        args: JsonObject,
        options: CallOptions,
    ) -> Result<Outcome, UnknownTool> {
        let tool = self.find(name);
        let tool = tool.filter(|tool| tool.info.is_in_reach(&options.caller));
        let Some(tool) = tool else {
            self.metrics.call_of_nothing();
            return Err(UnknownTool);
        };
        let started = Instant::now();
        let change = Changes::of_call(&self.catalogue, &tool.info, &args, &options.caller);
        let authorised = authorise(&tool.info, &options.caller);
        let acts = authorised.is_ok() && !tool.info.effect.is_read_only();
        let recorded = match &self.audit {
            Some(audit) => record::begin(audit, &tool.info, &args, &options, acts).await,
            None => Ok(None),
        };
        let (result, open) = match (authorised, recorded) {
            (Ok(()), Ok(open)) => (self.run(tool, args, &options).await, open),
            (Err(error), open) => (Err(error), open.ok().flatten()),
            (_, Err(error)) => (Err(error), None),
        };
        if let Some(open) = open {
            let left = options.cancelled.is_cancelled();
            record::end(open, result.as_ref().map(Ran::data), left).await;
        }
        let told = result.as_ref().map(Ran::data);
        log::ended(
            &self.metrics,
            &tool.info,
            &options.caller,
            told,
            started.elapsed(),
        );
        if let Some(change) = change {
            self.tell(change, &result);
        }
        Ok(match result {
            Ok(Ran::Replied(mut reply)) => Outcome::Replied(Finished {
                picture: reply.picture.take(),
                body: success(reply),
                error: None,
                retry_after: None,
            }),
            Ok(Ran::Asks(question)) => Outcome::Asks(question),
            Err(error) => Outcome::Replied(Finished {
                body: error.to_json(),
                error: Some(error.error_type),
                picture: None,
                retry_after: error.retry_after,
            }),
        })
    }

    fn tell(&self, change: Change, result: &Result<Ran, ToolError>) {
        match result {
            Ok(Ran::Replied(reply)) => {
                self.changes
                    .tell(&self.catalogue, change, Some(&reply.data))
            }
            Err(error) if error.error_type.may_have_acted() => {
                self.changes.tell(&self.catalogue, change, None);
            }
            Ok(Ran::Asks(_)) | Err(_) => {}
        }
    }

    async fn run(
        &self,
        tool: &Mounted,
        args: JsonObject,
        options: &CallOptions,
    ) -> Result<Ran, ToolError> {
        schema::refuse_unknown(&tool.info.input_schema, &args)?;
        if let Some(costly) = self.costly.as_ref().filter(|_| tool.info.costly) {
            let counted = costly.count(options.caller.owner());
            counted.inspect_err(|_| self.metrics.refusal("costly_tools"))?;
        }
        let _place = self.gate.enter(&options.caller.name).await?;
        let work = AssertUnwindSafe(tool.run.run(options, args)).catch_unwind();
        tokio::select! {
            biased;
            () = options.cancelled.cancelled() => {
                Err(ToolError::new(ErrorType::Timeout, "the call was cancelled", "call it again if it is still wanted"))
            }
            done = tokio::time::timeout(self.timeout, work) => match done {
                Ok(Ok(result)) => result.map(Ran::Replied),
                Ok(Err(_panic)) => {
                    tracing::error!(tool = tool.info.name, "a tool panicked");
                    Err(ToolError::internal("the tool failed unexpectedly"))
                }
                Err(_elapsed) => Err(ToolError::new(
                    ErrorType::Timeout,
                    format!("`{}` took longer than {} s and was given up", tool.info.name, self.timeout.as_secs()),
                    "look at the state before you call it again: it may have had its effect",
                )),
            },
            question = options.confirm.stopped() => Ok(Ran::Asks(question)),
        }
    }
}

/// The reply form. The data is moved: `json!` would copy it.
fn success(reply: Reply<Value>) -> Value {
    let members = [
        ("success", Value::Bool(true)),
        ("data", reply.data),
        ("message", reply.message.into()),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.into_iter().collect())
}

fn authorise(tool: &ToolInfo, caller: &Caller) -> Result<(), ToolError> {
    if caller.may(tool.scope) {
        return Ok(());
    }
    Err(ToolError::new(
        ErrorType::Permission,
        format!("`{}` needs the scope {}", tool.name, tool.scope),
        "ask the operator of this server for a token with that scope",
    ))
}

/// A tool with its provider: what is left when the provider's type is gone.
trait Run: Send + Sync + std::fmt::Debug {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>>;
}

struct Bound<P: 'static> {
    provider: Arc<P>,
    tool: &'static dyn AnyTool<P>,
}

impl<P> std::fmt::Debug for Bound<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bound")
    }
}

impl<P: Send + Sync> Run for Bound<P> {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>> {
        async move {
            let kept = Kept::default();
            let cx = Call {
                provider: &*self.provider,
                caller: &options.caller,
                cancelled: &options.cancelled,
                progress: &options.progress,
                asker: &options.confirm,
                kept: &kept,
            };
            self.tool.call_json(cx, args).await
        }
        .boxed()
    }
}
