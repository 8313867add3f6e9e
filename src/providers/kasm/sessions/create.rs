//! `create_kasm_session`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kasm::model::{
    CreatedSession, KasmSession, SessionRequest, SessionStatus, WorkspaceImage,
};
use crate::kasm::sessions::WatchPoll;
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{COSTLY_TOOLS, KasmProvider, acting_user};
use crate::tool::progress::{ProgressReport, ProgressReporter};
use crate::tool::{
    CostClass, Effect, ErrorType, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply,
};

/// How long a call waits for its session to run. Some clients give up after 60 s.
const WAIT: Duration = Duration::from_secs(50);
/// The longest string that Linux allows in an environment.
const ENVIRONMENT_VALUE_BYTES_MAX: usize = 128 * 1024;

pub(super) struct CreateKasmSession;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Args {
    /// The workspace: its friendly name, Docker image name, or image id.
    image_name: String,
    /// Ignored; accepted for compatibility.
    #[serde(rename = "group_id")]
    _group_id: Option<String>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
    /// Allow other users to join the session from the start (default false).
    enable_sharing: Option<bool>,
    /// Environment variables of the session's container.
    environment: Option<PrivateArgument<BTreeMap<String, String>>>,
    /// The page that a browser workspace opens.
    url: Option<String>,
    /// Time zone, such as `Europe/Berlin`.
    timezone: Option<String>,
    /// Locale, such as `en_US.UTF-8`.
    language: Option<String>,
    /// Wait until the session is running, at most 50 s (default true).
    wait: Option<bool>,
    /// The lease: keep the session alive until no agent or person has used it for this many minutes (more than
    /// 0), then destroy it. Without a lease, it is kept alive only while it is used, and ends at its
    /// expiration_date.
    lease_minutes: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CreatedView {
    /// The id to pass to the other tools.
    kasm_id: String,
    /// `running`: usable. Otherwise call get_session_status.
    operational_status: String,
    image_id: String,
    image_name: String,
    /// The id that other users join with. Present only with `enable_sharing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_id: Option<String>,
    /// When Kasm ends the session, unless it is extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_minutes: Option<f64>,
}

impl CreatedView {
    fn new(provider: &KasmProvider, created: &CreatedSession, image: &WorkspaceImage) -> Self {
        let lease = provider.leases.lease_of(created.kasm_id);
        Self {
            kasm_id: created.kasm_id.to_string(),
            operational_status: created.status.status_word().to_owned(),
            image_id: image.image_id.to_string(),
            image_name: image.display_label(),
            share_id: created.share_id.clone(),
            expiration_date: None,
            lease_minutes: lease.map(|lease| lease.time.as_secs_f64() / 60.0),
        }
    }
}

impl Tool for CreateKasmSession {
    type Provider = KasmProvider;
    type Args = Args;
    type Output = CreatedView;
    const NAME: &'static str = "create_kasm_session";
    const TITLE: &'static str = "Start a session";
    const ABOUT: &'static str = "Start a desktop or app session from a workspace and wait until it is running. Safe \
        to repeat after a time-out. The session lasts until it is destroyed or expires.";
    const EFFECT: Effect = Effect::Write;
    const COST: Option<&'static CostClass> = Some(&COSTLY_TOOLS);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: Args,
    ) -> Result<ToolReply<CreatedView>, ToolError> {
        let user = acting_user(cx.caller, args.user_id)?;
        let kasm = &cx.provider.kasm;
        let wait = args.wait.unwrap_or(true);
        let lease = lease_duration(cx.provider, args.lease_minutes)?;
        let wanted_image = args.image_name.clone();
        let request = read_request(args)?;
        let image = kasm.resolve_image(&wanted_image).await?;
        report_progress(
            cx.progress,
            0.0,
            format!("starting {}", image.display_label()),
        )
        .await;
        let leases = cx.provider.leases.clone();
        // Called as soon as Kasm names the session, even if the client has disconnected by then: the lease
        // holds.
        let named = move |kasm_id| {
            if let Some(time) = lease
                && let Err(problem) = leases.give_lease(user, kasm_id, time)
            {
                tracing::warn!(%kasm_id, %problem, "a session has no lease");
            }
        };
        let new = kasm.create_session(user, &image, request, named).await?;
        let created = &new.created;
        let note = lease_note(cx.provider, created.kasm_id, lease).await;
        let mut view = CreatedView::new(cx.provider, created, &image);
        if !wait {
            // From here on, the reply is certain. A caller that disconnects before gets this session by its
            // next call.
            new.mark_received();
            return Ok(ToolReply::new(
                view,
                format!(
                    "the session was requested: call get_session_status to see when it is running{note}"
                ),
            ));
        }
        let session = match wait_until_running(&cx, user, created.kasm_id).await {
            Ok(session) => session,
            Err(error) => {
                // A session that has ended cannot be reused.
                if error.error_type == ErrorType::NotFound {
                    new.mark_received();
                }
                return Err(error);
            }
        };
        cx.hold_until_end(
            cx.provider
                .leases
                .begin_use(user, created.kasm_id, &session),
        );
        new.mark_received();
        session
            .status
            .status_word()
            .clone_into(&mut view.operational_status);
        view.expiration_date = session.expiration_date.map(|t| t.to_string());
        let message = match session.status {
            SessionStatus::Running => "the session is running",
            SessionStatus::Starting
            | SessionStatus::Paused
            | SessionStatus::Stopped
            | SessionStatus::Other(_) => {
                "the session is not running yet: call get_session_status in a few seconds"
            }
        };
        Ok(ToolReply::new(view, format!("{message}{note}")))
    }
}

/// The requested lease, between 0 and the operator's limit. None: no lease is requested.
fn lease_duration(
    provider: &KasmProvider,
    minutes: Option<f64>,
) -> Result<Option<Duration>, ToolError> {
    let Some(minutes) = minutes else {
        return Ok(None);
    };
    let max = provider.lease_max;
    // NaN and negative numbers are no durations.
    let time = Duration::try_from_secs_f64(minutes * 60.0).ok();
    match time.filter(|time| !time.is_zero() && *time <= max) {
        Some(time) => Ok(Some(time)),
        None => Err(ToolError::validation(
            "argument `lease_minutes` is not a time that a lease may have",
            format!("give more than 0 and at most {}", max.as_secs() / 60),
        )
        .with_code("lease_invalid")),
    }
}

/// A note about the lease for the caller.
async fn lease_note(
    provider: &KasmProvider,
    kasm_id: KasmId,
    wanted: Option<Duration>,
) -> &'static str {
    // The lease is saved here, before the reply promises it.
    if wanted.is_none() {
        ""
    } else if provider.leases.lease_of(kasm_id).is_none() {
        "; it has no lease, because too many sessions have one: destroy it when you no longer need it"
    } else if provider.leases.save_changes().await {
        "; it is destroyed when it was not used for the time of its lease"
    } else {
        "; it is destroyed when it was not used for the time of its lease, but this server cannot save the lease \
         and loses it at a restart"
    }
}

async fn wait_until_running(
    cx: &ToolCallContext<'_, KasmProvider>,
    user: UserId,
    kasm_id: KasmId,
) -> Result<KasmSession, ToolError> {
    // Progress must only grow, but Kasm's own figure may fall.
    let mut furthest = 0.0_f64;
    let mut watch = cx
        .provider
        .kasm
        .watch_session(user, kasm_id, SessionStatus::Running, WAIT);
    loop {
        match watch.poll_session().await? {
            WatchPoll::Last(session) => return Ok(session),
            WatchPoll::Waiting(session) => {
                furthest = furthest.max(session.progress.unwrap_or(0.0)) + 0.01;
                let words = session
                    .message
                    .as_deref()
                    .unwrap_or(session.status.status_word());
                // The reply itself is the 100.
                report_progress(cx.progress, furthest.min(99.0), words.to_owned()).await;
            }
        }
    }
}

async fn report_progress(progress: &ProgressReporter, done: f64, message: String) {
    progress
        .send_report(ProgressReport {
            done,
            total: Some(100.0),
            message,
        })
        .await;
}

fn read_request(args: Args) -> Result<SessionRequest, ToolError> {
    if args.image_name.trim().is_empty() {
        return Err(ToolError::validation(
            "argument `image_name` is empty",
            "get_available_workspaces lists what can be started",
        )
        .with_code("argument_invalid"));
    }
    let mut environment = Map::new();
    for (name, value) in args.environment.unwrap_or_default().into_inner() {
        let named = !name.is_empty() && !name.contains(['=', '\0']);
        if !named || value.contains('\0') || value.len() > ENVIRONMENT_VALUE_BYTES_MAX {
            let name: String = name.chars().take(64).collect();
            return Err(ToolError::validation(
                format!("argument `environment`: `{name}` cannot be set"),
                "names have no `=`, nothing has a NUL, values have at most 128 KiB",
            )
            .with_code("environment_invalid"));
        }
        environment.insert(name, Value::String(value));
    }
    Ok(SessionRequest {
        enable_sharing: args.enable_sharing.unwrap_or(false),
        url: args.url,
        environment,
        timezone: args.timezone,
        language: args.language,
    })
}
