//! The Kasm provider: one file per toolset.

mod desktop;
pub mod diagnose;
mod exec;
mod failure;
mod files;
mod instructions;
mod monitoring;
mod prompts;
mod resources;
mod sessions;
mod transfer;
mod users;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use crate::caller::{Caller, Level, Realm, Scope};
use crate::files::SessionFiles;
use crate::jobs::SessionJobs;
use crate::kasm::model::{KasmSession, SessionStatus};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::{Kasm, KasmError, KasmId, UserId};
use crate::leases::{Leases, SessionUse};
use crate::links::OpenLinks;
use crate::policy::{CommandJudge, Policy};
use crate::relay::OutputRelay;
use crate::tool::catalogue::Catalogue;
use crate::tool::provider::ProviderDescription;
use crate::tool::{CostClass, ErrorType, ToolCallContext, ToolError, Toolset};
use exec::denied_command;

/// The toolsets, in the order of the documents.
pub const TOOLSETS: &[Toolset<KasmProvider>] = &[
    sessions::TOOLSET,
    exec::TOOLSET,
    files::TOOLSET,
    desktop::TOOLSET,
    workspaces::TOOLSET,
    users::TOOLSET,
    monitoring::TOOLSET,
];

/// Prompts and resources of the provider.
pub const CATALOGUE: Catalogue = Catalogue {
    resources: resources::RESOURCES,
    prompts: prompts::PROMPTS,
    values: resources::VALUES,
};

/// What clients and models read of this provider.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    name: "kasm",
    realm: Realm::KASM,
    title: "Kasm Workspaces",
    about: "Desktops in Kasm Workspaces for AI agents",
    summary: "Desktops in Kasm Workspaces: start them, run commands, transfer files, see and use the screen.",
    essence: instructions::ESSENCE,
    details: instructions::DETAILS,
};

/// The class of calls that cost Kasm or its administrators something.
pub static COSTLY_TOOLS: CostClass = CostClass {
    name: "costly_tools",
    member: "a costly tool",
    limited: "call costly tools",
    code: "too_many_costly_calls",
};

/// The shared state of all Kasm tools.
#[derive(Debug)]
pub struct KasmProvider {
    kasm: Kasm,
    jobs: SessionJobs,
    files: SessionFiles,
    // None if the public URL is not known: a client could not open a link.
    links: Option<Arc<OpenLinks>>,
    leases: Leases,
    lease_max: Duration,
    policy: Arc<Policy>,
    // Commands are judged through this, which limits how many are parsed at a time; paths by `policy`
    // directly.
    judge: CommandJudge,
    commands: CommandLimits,
    file_limits: FileLimits,
    desktop_limits: DesktopLimits,
}

/// Settings of the Kasm tools.
#[derive(Clone, Debug)]
pub struct KasmSettings {
    /// The rules for commands and paths.
    pub policy: Policy,
    /// Limits of commands.
    pub commands: CommandLimits,
    /// Limits of files.
    pub files: FileLimits,
    /// Limits of desktops.
    pub desktops: DesktopLimits,
    /// The longest lease of a session.
    pub lease_max: Duration,
}

/// Limits of desktops.
#[derive(Clone, Copy, Debug)]
pub struct DesktopLimits {
    /// The most actions in one call.
    pub actions_max: usize,
    /// The longer side of a screenshot, in pixels.
    pub picture_pixels: u32,
    /// The largest screenshot, in bytes.
    pub picture_bytes: usize,
}

/// Limits of files, bytes.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// The most of a file in one reply.
    pub read_bytes: u64,
    /// The largest file that `edit_kasm_file` edits.
    pub edit_bytes: u64,
    /// The largest file that a file link transfers.
    pub link_bytes: u64,
}

/// Limits of commands.
#[derive(Clone, Copy, Debug)]
pub struct CommandLimits {
    /// Whether a command may run as root in the session.
    pub allow_root: bool,
    /// The longest time that a command may run.
    pub time_max: Duration,
    /// How long a call waits for its command by default.
    pub wait: Duration,
    /// The longest wait that a call may ask for: less than the time limit of a tool call.
    pub wait_max: Duration,
    /// The most of each output stream in one reply.
    pub output_bytes: usize,
    /// The most of each output stream that is kept in the session.
    pub keep_bytes: u64,
}

impl KasmProvider {
    /// Creates the provider for `kasm`. Without a relay, output comes only through Kasm's session proxy.
    /// Without links, files are transferred only in replies.
    #[must_use]
    pub fn new(
        kasm: Kasm,
        relay: Option<Arc<OutputRelay>>,
        links: Option<Arc<OpenLinks>>,
        leases: Leases,
        settings: KasmSettings,
    ) -> Self {
        let jobs = SessionJobs::new(kasm.clone(), relay);
        let policy = Arc::new(settings.policy);
        Self {
            files: SessionFiles::new(jobs.clone()),
            jobs,
            kasm,
            links,
            leases,
            lease_max: settings.lease_max,
            judge: CommandJudge::new(policy.clone()),
            policy,
            commands: settings.commands,
            file_limits: settings.files,
            desktop_limits: settings.desktops,
        }
    }
}

/// The Kasm user that `caller` acts as. A `user_id` argument is optional, and must name this user.
fn acting_user(caller: &Caller, named: Option<UserId>) -> Result<UserId, ToolError> {
    let account = caller.accounts().kasm.as_deref();
    let user: Option<UserId> = account.and_then(|account| account.parse().ok());
    let user = user.ok_or_else(|| {
        ToolError::new(
            ErrorType::Permission,
            "this token is not bound to a Kasm user",
            "ask the operator of this server for a token with a Kasm user (KASM_USER_ID, or kasm_user of the token)",
        )
        .with_code("kasm_user_missing")
    })?;
    match named {
        Some(named) if named != user => Err(ToolError::new(
            ErrorType::Permission,
            "this token may not act for another Kasm user",
            "leave `user_id` out: the user follows from the token",
        )
        .with_code("other_user_not_allowed")),
        Some(_) | None => Ok(user),
    }
}

/// The client, for the tools that are about no session of the caller. They need an account in Kasm as well.
///
/// # Errors
/// `permission`: the caller has no account.
fn kasm_for_account<'a>(cx: &ToolCallContext<'a, KasmProvider>) -> Result<&'a Kasm, ToolError> {
    acting_user(cx.caller, None)?;
    Ok(&cx.provider.kasm)
}

/// Some read-only tools have options that need more than `kasm:read`; `what` names such an option.
///
/// # Errors
/// `permission` if the caller may only read.
fn may_change(caller: &Caller, what: &str) -> Result<(), ToolError> {
    let needed = Scope::new(Realm::KASM, Level::Use);
    let (why, code) = if !caller.has_scope(needed) {
        let why = format!("{what} needs the scope {needed}");
        (why, "scope_missing")
    } else if caller.reach.read_only {
        // A token with a sufficient scope can be read-only by its entry, or by the path of the request.
        let why = format!("{what} is more than looking, and this token or address is read-only");
        (why, "read_only")
    } else {
        return Ok(());
    };
    Err(ToolError::new(
        ErrorType::Permission,
        why,
        "do without it, or ask the operator of this server for a token that may",
    )
    .with_code(code))
}

/// The caller's session with this `kasm_id`, for reading.
///
/// # Errors
/// `not_found` if the session does not exist or belongs to another user. Both give the same error, so a caller
/// cannot probe for sessions of others.
async fn own_session(
    cx: &ToolCallContext<'_, KasmProvider>,
    kasm_id: KasmId,
    named: Option<UserId>,
) -> Result<(UserId, KasmSession), ToolError> {
    session_of(cx.provider, cx.caller, kasm_id, named).await
}

/// The caller's session, marked as in use until the call ends.
///
/// # Errors
/// As [`own_session`].
async fn used_session(
    cx: &ToolCallContext<'_, KasmProvider>,
    kasm_id: KasmId,
    named: Option<UserId>,
) -> Result<(UserId, KasmSession), ToolError> {
    let (user, session) = own_session(cx, kasm_id, named).await?;
    // While the call holds this guard, keepalives are sent for the session.
    cx.hold_until_end(cx.provider.leases.begin_use(user, kasm_id, &session));
    Ok((user, session))
}

async fn session_of(
    provider: &KasmProvider,
    caller: &Caller,
    kasm_id: KasmId,
    named: Option<UserId>,
) -> Result<(UserId, KasmSession), ToolError> {
    let user = acting_user(caller, named)?;
    let session = provider.kasm.session_of(user, kasm_id).await?;
    Ok((user, session))
}

/// What a tool needs a running session for.
#[derive(Clone, Copy)]
enum SessionNeed {
    Command,
    Files,
    Screen,
    Input,
    Clipboard,
    Probe,
}

impl SessionNeed {
    fn need_words(self) -> &'static str {
        match self {
            Self::Command => "a command",
            Self::Files => "reading or changing its files",
            Self::Screen => "a look at the screen",
            Self::Input => "using mouse and keyboard",
            Self::Clipboard => "the clipboard",
            Self::Probe => "trying its channels",
        }
    }
}

/// The caller's own running session, for what `need` says.
async fn running_session(
    cx: &ToolCallContext<'_, KasmProvider>,
    kasm_id: KasmId,
    named: Option<UserId>,
    need: SessionNeed,
) -> Result<RunningSession, ToolError> {
    let (place, in_use) = running_session_of(cx.provider, cx.caller, kasm_id, named, need).await?;
    cx.hold_until_end(in_use);
    Ok(place)
}

async fn running_session_of(
    provider: &KasmProvider,
    caller: &Caller,
    kasm_id: KasmId,
    named: Option<UserId>,
    need: SessionNeed,
) -> Result<(RunningSession, SessionUse), ToolError> {
    let (user, session) = session_of(provider, caller, kasm_id, named).await?;
    // Use begins only after this: a refused call must not prolong a session that rests.
    if session.status != SessionStatus::Running {
        return Err(ToolError::from(KasmError::InvalidState {
            message: format!(
                "the session is `{}`: {} needs a running one",
                session.status.status_word(),
                need.need_words()
            ),
            remedy: sessions::advice(&session.status).to_owned(),
        })
        .with_code("session_not_running"));
    }
    let in_use = provider.leases.begin_use(user, kasm_id, &session);
    let place = RunningSession {
        user,
        kasm_id,
        session,
    };
    Ok((place, in_use))
}
