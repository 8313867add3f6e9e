//! A table of jobs, and tools that start, look at and stop them.

use std::sync::Arc;
use std::time::Duration;

use kasm_mcp::caller::{Caller, Level, Realm, Scope};
use kasm_mcp::tool::{
    AnyTool, ContinuationTools, Effect, ErrorType, Tool, ToolCallContext, ToolError, ToolReply,
    Toolset,
};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The jobs, as Kasm's containers would keep them.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Table>);

#[derive(Default)]
pub(super) struct Table {
    pub(super) jobs: Vec<Job>,
    pub(super) broken: Option<ErrorType>,
}

#[derive(Clone)]
pub(super) struct Job {
    owner: Arc<str>,
    pub(super) running: bool,
    stopped: bool,
}

impl Jobs {
    pub(super) fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.0.lock());
    }

    fn find(&self, caller: &Caller, name: &str) -> Result<usize, ToolError> {
        let table = self.0.lock();
        if let Some(broken) = table.broken {
            return Err(ToolError::new(broken, "Kasm is out", "wait"));
        }
        let number = name.parse().ok();
        let own = number.filter(|number| {
            let job = table.jobs.get(*number);
            job.is_some_and(|job: &Job| job.owner == caller.name)
        });
        own.ok_or_else(|| ToolError::new(ErrorType::NotFound, "there is no such job", "list them"))
    }

    fn state(&self, number: usize) -> Data {
        let table = self.0.lock();
        let job = &table.jobs[number];
        Data {
            place: "here".to_owned(),
            job_id: number.to_string(),
            running: job.running,
            stopped: job.stopped,
            output: "made".to_owned(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Data {
    place: String,
    job_id: String,
    running: bool,
    stopped: bool,
    output: String,
}

#[derive(Deserialize, JsonSchema)]
struct StartArgs {
    /// Whether it is done at once.
    quick: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
struct PollArgs {
    /// Where.
    place: String,
    /// Which.
    job_id: String,
    /// From where on.
    offset: Option<u64>,
    /// How long to wait.
    wait_seconds: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
struct StopArgs {
    /// Where.
    place: String,
    /// Which.
    job_id: String,
}

struct Start;
struct Poll;
struct Stop;

impl Tool for Start {
    type Provider = Jobs;
    type Args = StartArgs;
    type Output = Data;
    const NAME: &'static str = "start";
    const TITLE: &'static str = "Start";
    const ABOUT: &'static str = "Starts a job.";
    const EFFECT: Effect = Effect::Write;
    const CONTINUES: Option<ContinuationTools> = Some(ContinuationTools {
        poll: "poll",
        stop: "stop",
        keys: &["place", "job_id"],
        keep: Duration::from_secs(3_600),
    });

    async fn call(
        &self,
        cx: ToolCallContext<'_, Jobs>,
        args: StartArgs,
    ) -> Result<ToolReply<Data>, ToolError> {
        let mut number = 0;
        cx.provider.change(|table| {
            number = table.jobs.len();
            table.jobs.push(Job {
                owner: cx.caller.name.clone(),
                running: args.quick != Some(true),
                stopped: false,
            });
        });
        Ok(ToolReply::new(cx.provider.state(number), "started"))
    }
}

impl Tool for Poll {
    type Provider = Jobs;
    type Args = PollArgs;
    type Output = Data;
    const NAME: &'static str = "poll";
    const TITLE: &'static str = "Poll";
    const ABOUT: &'static str = "Looks at a job.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, Jobs>,
        args: PollArgs,
    ) -> Result<ToolReply<Data>, ToolError> {
        assert_eq!((args.offset, args.wait_seconds), (Some(0), Some(0)));
        assert_eq!(args.place, "here");
        let number = cx.provider.find(cx.caller, &args.job_id)?;
        Ok(ToolReply::new(cx.provider.state(number), "looked"))
    }
}

impl Tool for Stop {
    type Provider = Jobs;
    type Args = StopArgs;
    type Output = Data;
    const NAME: &'static str = "stop";
    const TITLE: &'static str = "Stop";
    const ABOUT: &'static str = "Stops a job.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, Jobs>,
        args: StopArgs,
    ) -> Result<ToolReply<Data>, ToolError> {
        assert_eq!(args.place, "here");
        let number = cx.provider.find(cx.caller, &args.job_id)?;
        cx.provider.change(|table| {
            let job = &mut table.jobs[number];
            job.stopped |= job.running;
            job.running = false;
        });
        Ok(ToolReply::new(cx.provider.state(number), "stopped"))
    }
}

const TOOLS: &[&dyn AnyTool<Jobs>] = &[&Start, &Poll, &Stop];
pub(super) const TOOLSET: Toolset<Jobs> = Toolset {
    name: "jobs",
    about: "Jobs of a test.",
    scope: Scope::new(Realm::KASM, Level::Use),
    tools: TOOLS,
};
