//! Judging commands away from the threads that serve requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task;

use super::{Denial, Permit, Policy};

/// How many commands are judged at the same time. Judging is pure computation: more at once would only take
/// processor time from the threads that serve requests.
const JUDGED_AT_A_TIME: usize = 2;

/// A command that a caller wants to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandRequest {
    /// The bash script.
    pub script: String,
    /// The folder that it starts in; `None` is the home folder.
    pub working_dir: Option<String>,
    /// Variables for its environment.
    pub environment: BTreeMap<String, String>,
}

impl CommandRequest {
    /// The variables as one script of assignments, which the policy judges like any other. `None`: there
    /// are no variables.
    pub(super) fn assignments_script(&self) -> Option<String> {
        if self.environment.is_empty() {
            return None;
        }
        let mut script = String::new();
        for (name, value) in &self.environment {
            script.push_str(name);
            script.push_str("='");
            // `'\''` ends the string, adds a quote and begins the string again, so the value stays one
            // literal word.
            script.push_str(&value.replace('\'', r"'\''"));
            script.push_str("' ");
        }
        // With a program behind them, the assignments are judged as what they are: the environment of a
        // program.
        script.push_str("true");
        Some(script)
    }
}

/// The policy's answer for a command that it does not deny.
#[derive(Debug)]
pub enum Judgement {
    /// It may run.
    Permitted(Permit<CommandRequest>),
    /// It may run if a person approves.
    NeedsConsent(PendingCommand),
}

/// A command that waits for a person's approval.
#[derive(Debug)]
pub struct PendingCommand {
    denial: Denial,
    request: CommandRequest,
}

impl PendingCommand {
    pub(super) fn new(denial: Denial, request: CommandRequest) -> Self {
        Self { denial, request }
    }

    /// Why it needs approval.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.denial
    }

    /// The permit for exactly this command. Call it only after a person has approved what they were shown of
    /// it.
    #[must_use]
    pub fn permit_with_consent(self) -> Permit<CommandRequest> {
        Permit(self.request)
    }
}

/// Judges the commands of callers by one policy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommandJudge {
    policy: Arc<Policy>,
    places: Arc<Semaphore>,
}

impl CommandJudge {
    /// Judges by `policy`.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            places: Arc::new(Semaphore::new(JUDGED_AT_A_TIME)),
        }
    }

    /// Judges `request` on a blocking thread, after those that came before it.
    ///
    /// A caller that disconnects leaves the queue. A judgement that has begun runs to its end and keeps its
    /// turn until then, so repeated disconnects cannot start more of them; the limits of scripts bound its
    /// time.
    ///
    /// # Errors
    /// The policy denies it. `None` if it could not be judged, because the judging panicked or the server
    /// stops.
    pub async fn judge_request(
        &self,
        request: CommandRequest,
    ) -> Result<Judgement, Option<Denial>> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_closed| None)?;
        let policy = self.policy.clone();
        let judged = task::spawn_blocking(move || {
            let judgement = policy.judge_command(request);
            // The place is given back here and not by the caller, whose future may be dropped while this
            // thread works on.
            drop(place);
            judgement
        });
        judged.await.map_err(|_panicked| None)?.map_err(Some)
    }
}
