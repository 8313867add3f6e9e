//! Ending a job with everything that it started.

use super::job_output::BadRecord;
use super::spec::{HOME, JobSpec, MEMBERS};
use super::{JobError, JobId, SessionJobs};
use crate::kasm::session_proxy::RunningSession;

const STOP: &str = include_str!("scripts/stop.sh");

/// The effect of a signal on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// There was something to signal. Otherwise the job was over, with all it had started.
    pub was_running: bool,
    /// How many of its processes are left.
    pub left: usize,
    /// The first few of them.
    pub processes: Vec<RunningProcess>,
}

/// A process in the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its number in the workspace.
    pub pid: u32,
    /// Its name, as the kernel keeps it.
    pub name: String,
}

impl SessionJobs {
    /// Ends a job with a signal: `TERM` (and `KILL` after five seconds) or another one. It is sent off even
    /// where its result cannot be read at present.
    ///
    /// # Errors
    /// There is no such job, or the effect of the signal is unknown.
    pub async fn stop_job(
        &self,
        place: &RunningSession,
        id: JobId,
        signal: &str,
    ) -> Result<StopReport, JobError> {
        let args = vec![id.to_string(), signal.to_owned(), HOME.to_owned()];
        let spec = JobSpec::of_internal_script(&[MEMBERS, STOP], args).as_root(id.as_root());
        // `run_script` would refuse while the channel rests. A signal is worth sending without its report.
        let started = self.start_job(place, &spec).await?;
        let done = self.run_to_end(place, &spec, started).await?;
        match done.ended.exit_code {
            Some(0) => parse_report(&done.stdout).ok_or(JobError::BadRecord(BadRecord(
                "the report of the signal is damaged",
            ))),
            // Codes of `stop.sh`.
            Some(60) => Err(JobError::NoSuchJob),
            _ => Err(JobError::BadRecord(BadRecord(
                "the signal could not be sent",
            ))),
        }
    }
}

fn parse_report(printed: &[u8]) -> Option<StopReport> {
    let text = String::from_utf8_lossy(printed);
    let mut lines = text.lines();
    let (word, left) = lines.next()?.split_once(' ')?;
    let processes = lines.map(|line| {
        let (pid, name) = line.split_once(' ')?;
        let pid = pid.parse().ok()?;
        let name = name.to_owned();
        Some(RunningProcess { pid, name })
    });
    Some(StopReport {
        was_running: word != "over",
        left: left.parse().ok()?,
        processes: processes.collect::<Option<_>>()?,
    })
}
