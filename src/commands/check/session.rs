//! The session checks: reads a running session without changing it, or starts one for the check and destroys
//! it.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::report::{Problem, Report};
use crate::commands::stop;
use crate::config::Config;
use crate::files::{Files, Target, Writing};
use crate::jobs::{JobError, JobSpec, Jobs};
use crate::kasm::model::{SessionRequest, Status};
use crate::kasm::plane::Place;
use crate::kasm::{Kasm, KasmError, KasmId, UserId};
use crate::policy::Access;
use crate::providers::kasm::diagnose::{UNREACHABLE_REMEDY, session_checks};
use crate::tool::ToolError;

const START: &str = "session: start";
const COMMANDS: &str = "session: commands";
const FILES: &str = "session: files";
const SCREEN: &str = "session: screen";
const END: &str = "session: end";
/// Time limit for one request to a session.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time limit for a session to start.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Time limit for a session to end.
const END_PATIENCE: Duration = Duration::from_secs(45);
/// Time limit for the test command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);

/// Checks a running session of the user, without changing it.
pub(super) async fn look(
    report: &mut Report,
    kasm: &Kasm,
    config: &Config,
    user: UserId,
    kasm_id: KasmId,
) -> std::io::Result<()> {
    match kasm.session_of(user, kasm_id).await {
        Ok(session) => {
            let place = Place {
                user,
                kasm_id,
                session,
            };
            rights(report, kasm, config, &place).await?;
        }
        Err(error) => {
            let error = ToolError::from(error);
            report.fail("session", &Problem::new(error.message, error.hint))?;
        }
    }
    for row in [COMMANDS, FILES] {
        report.skip(
            row,
            "no command is run in a session that is in use; --start WORKSPACE tests it in a new one",
        )?;
    }
    Ok(())
}

/// Checks what the group's settings and the image allow.
async fn rights(
    report: &mut Report,
    kasm: &Kasm,
    config: &Config,
    place: &Place,
) -> std::io::Result<()> {
    let Ok(checks) = timeout(PATIENCE, session_checks(kasm, place)).await else {
        let remedy = "check the load of Kasm's agents";
        return report.fail(
            "session",
            &Problem::new("the session did not answer in time", remedy),
        );
    };
    for check in checks {
        let row = format!("session: {}", check.what);
        let problem = check.problem.unwrap_or_default();
        let remedy = check.remedy.unwrap_or_default();
        // Large files use another channel, and output can be posted to the relay.
        let other_way = check.what == "uploads"
            || (check.what == "downloads" && config.http.public_url.is_some());
        match check.works {
            Some(true) => report.ok(&row, "it works")?,
            _ if other_way => report.note(
                &row,
                format!("{problem}; another channel can be used"),
                &remedy,
            )?,
            _ => report.fail(&row, &Problem::new(problem, remedy))?,
        }
    }
    Ok(())
}

/// Skips all session checks, with the reason.
pub(super) fn skip(report: &mut Report, why: &str) -> std::io::Result<()> {
    for row in [COMMANDS, FILES, SCREEN] {
        report.skip(row, why)?;
    }
    Ok(())
}

/// Starts a session of `workspace`, checks everything in it, and always destroys it.
pub(super) async fn trial(
    report: &mut Report,
    kasm: &Kasm,
    config: &Config,
    user: UserId,
    workspace: &str,
) -> anyhow::Result<()> {
    let stop = stop::signal()?;
    let (tell, mut named) = watch::channel(None);
    let stopped = tokio::select! {
        biased;
        () = stop => true,
        done = steps(report, kasm, config, (user, workspace), tell) => { done?; false }
    };
    if stopped {
        let problem = Problem::new("interrupted by a signal", "run the check again");
        report.fail(START, &problem)?;
    }
    // A request in flight continues, and reports its session later.
    let kasm_id = timeout(config.kasm.request_timeout, named.wait_for(Option::is_some)).await;
    let kasm_id = match kasm_id {
        Ok(Ok(kasm_id)) => *kasm_id,
        Ok(Err(_)) | Err(_) => None,
    };
    match kasm_id {
        Some(kasm_id) => Ok(end(report, kasm, user, kasm_id).await?),
        None => Ok(report.skip(END, "no session was created")?),
    }
}

async fn steps(
    report: &mut Report,
    kasm: &Kasm,
    config: &Config,
    (user, workspace): (UserId, &str),
    tell: watch::Sender<Option<KasmId>>,
) -> std::io::Result<()> {
    let begun = Instant::now();
    let place = match start(kasm, user, workspace, tell).await {
        Ok(place) => place,
        Err(error) => {
            let error = ToolError::from(error);
            report.fail(START, &Problem::new(error.message, error.hint))?;
            return skip(report, "no session is running");
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    report.ok(START, format!("{workspace} started in {seconds:.1} s"))?;
    rights(report, kasm, config, &place).await?;
    let jobs = Jobs::new(kasm.clone(), None);
    if place.session.downloads_allowed == Some(false) && config.http.public_url.is_some() {
        let why = "output is posted to the relay of a running server; this command has none";
        report.skip(COMMANDS, why)?;
        report.skip(FILES, why)?;
    } else {
        let commands = commands(&jobs, &place).await;
        if report.judge(COMMANDS, commands)? {
            report.judge(FILES, files(jobs, config, &place).await)?;
        } else {
            report.skip(FILES, "they need commands")?;
        }
    }
    report.judge(SCREEN, screen(kasm, &place).await)?;
    Ok(())
}

async fn start(
    kasm: &Kasm,
    user: UserId,
    workspace: &str,
    tell: watch::Sender<Option<KasmId>>,
) -> Result<Place, KasmError> {
    let image = kasm.resolve_image(workspace).await?;
    let named = move |kasm_id| {
        tell.send_replace(Some(kasm_id));
    };
    let new = kasm
        .create_session(user, &image, SessionRequest::default(), named)
        .await?;
    let kasm_id = new.created.kasm_id;
    new.heard();
    let watch = kasm.watch(user, kasm_id, Status::Running, START_PATIENCE);
    let session = watch.last().await?;
    if session.status != Status::Running {
        let seconds = START_PATIENCE.as_secs();
        return Err(KasmError::InvalidState {
            message: format!(
                "the session is `{}` after {seconds} s",
                session.status.word()
            ),
            remedy: "check in Kasm that its image is pulled and that its agents have capacity"
                .to_owned(),
        });
    }
    Ok(Place {
        user,
        kasm_id,
        session,
    })
}

fn of_job(error: JobError) -> Problem {
    match error {
        JobError::Kasm(error) => {
            let error = ToolError::from(error);
            Problem::new(error.message, error.hint)
        }
        error @ JobError::NoChannel { .. } => Problem::new(
            format!("the command was sent, but its output cannot be read: {error}"),
            "turn allow_kasm_downloads on for the user's group in Kasm, or set MCP_PUBLIC_URL so that output can be \
             posted to this server",
        ),
        error @ (JobError::Unreachable { .. } | JobError::NotSent { .. }) => {
            unreachable(&error.to_string())
        }
        error @ (JobError::NotStarted
        | JobError::NoSuchJob
        | JobError::NoSuchOffset(_)
        | JobError::DiskFull
        | JobError::BadRecord(_)) => Problem::new(
            error.to_string(),
            "try another workspace; its image needs bash and coreutils, as stock images have",
        ),
    }
}

/// The address that Kasm names for its sessions does not answer.
fn unreachable(fact: &str) -> Problem {
    Problem::new(fact, UNREACHABLE_REMEDY)
}

async fn commands(jobs: &Jobs, place: &Place) -> Result<String, Problem> {
    let script = "printf '%s by uid %s' \"$1\" \"$(id -u)\"";
    let spec = JobSpec::internal(&[script], vec!["heard".to_owned()])
        .with_limits(COMMAND_PATIENCE, 64 * 1024);
    let begun = Instant::now();
    let done = jobs.run_script(place, &spec).await.map_err(of_job)?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    match said.strip_prefix("heard by ") {
        Some(whom) if done.ended.exit_code == Some(0) => Ok(format!(
            "one ran as {whom}; its output was read after {} ms",
            begun.elapsed().as_millis()
        )),
        _ => Err(Problem::new(
            format!("a command printed unexpected output: {said}"),
            "try another workspace; this image changes the output of commands",
        )),
    }
}

async fn files(jobs: Jobs, config: &Config, place: &Place) -> Result<String, Problem> {
    let policy = &config.tools.policy;
    let root = policy.roots().first().cloned().unwrap_or_default();
    let path = format!("{root}/kasm-mcp-check-{}.txt", place.kasm_id);
    let denied =
        "correct KASM_ALLOWED_ROOTS and KASM_POLICY_FILE: they forbid writing in the first folder";
    let target = |access| {
        let target = Target::new(policy, &path, access);
        target.map_err(|_| Problem::new(format!("the policy forbids {path}"), denied))
    };
    let (writing, reading) = (target(Access::Write)?, target(Access::Read)?);
    let text = format!("{}\n", place.kasm_id);
    let told = |error: crate::files::FileError| {
        Problem::new(
            format!("{path}: {error}"),
            "the session's user must be able to write the folder",
        )
    };
    let files = Files::new(jobs.clone());
    let way = Writing::default();
    files
        .write(place, &writing, text.as_bytes(), &way)
        .await
        .map_err(told)?;
    let read = files.read(place, &reading, 0, 4_096).await;
    // A persistent profile would keep the file.
    let remove = JobSpec::internal(&["rm -f -- \"$1\""], vec![path.clone()]);
    let removed = jobs.run_script(place, &remove).await;
    let read = read.map_err(told)?;
    removed.map_err(of_job)?;
    if read.bytes == text.as_bytes() {
        Ok(format!("one was written in {root}, read and removed"))
    } else {
        Err(Problem::new(
            format!("{path} was read with other content than was written"),
            "try another workspace",
        ))
    }
}

async fn screen(kasm: &Kasm, place: &Place) -> Result<String, Problem> {
    let look = async { kasm.desktop(place).await?.read_screen().await };
    let told = |error: ToolError| Problem::new(error.message, error.hint);
    match timeout(PATIENCE, look).await {
        Ok(Ok(screen)) => Ok(format!(
            "a screenshot of {} x {} pixels was received",
            screen.width(),
            screen.height()
        )),
        Ok(Err(error)) => Err(told(error.into())),
        Err(_) => Err(Problem::new(
            "no screenshot was received in time",
            "check the load of Kasm's agents",
        )),
    }
}

/// Destroys the session and waits until it is gone.
async fn end(
    report: &mut Report,
    kasm: &Kasm,
    user: UserId,
    kasm_id: KasmId,
) -> std::io::Result<()> {
    let by_hand = format!("destroy the session {kasm_id} in Kasm yourself: Sessions");
    let begun = Instant::now();
    let mut asked = kasm.wire().destroy(user, kasm_id).await;
    while begun.elapsed() < END_PATIENCE {
        match kasm.session_of(user, kasm_id).await {
            Err(KasmError::NotFound { .. }) => return report.ok(END, "it was destroyed"),
            Ok(_) | Err(_) => sleep(Duration::from_millis(250)).await,
        }
        if matches!(
            asked,
            Err(KasmError::Unavailable(_) | KasmError::TimedOut { .. })
        ) {
            asked = kasm.wire().destroy(user, kasm_id).await;
        }
        if matches!(asked, Err(KasmError::Permission { .. })) {
            break;
        }
    }
    let fact = match asked {
        Ok(()) => "it still exists".to_owned(),
        Err(error) => error.to_string(),
    };
    report.fail(END, &Problem::new(fact, by_hand))
}
