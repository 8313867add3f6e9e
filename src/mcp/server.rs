//! The MCP server: the state that all requests share. `handler.rs` answers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::model::{
    ConstString, ErrorCode, Implementation, MetaObject, PromptsCapability, ServerCapabilities,
    TASKS_EXTENSION_ID, ToolsCapability,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, Peer, RoleServer};

use super::approvals::ApprovalBook;
use super::error_data::with_code;
use super::instructions;
use super::internal_call::InternalCall;
use super::sessions::McpSession;
use super::subscriptions::ChangeNotices;
use super::tasks;
use super::tool_forms::ToolForms;
use super::watched_changes::WatchedChanges;
use crate::caller::{Caller, RequestInfo};
use crate::tool::registry::Registry;

/// The default time for a person to answer.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(120);
/// The one conversation of a stdio connection.
const STDIO_CONVERSATION: &str = "stdio";
/// The key under which results name the server (revision 2026-07-28).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The MCP server. Cheap to clone; one clone serves each request.
#[derive(Clone, Debug)]
pub struct McpServer {
    pub(super) shared: Arc<McpServerState>,
    /// The open approval questions.
    pub(super) consent: ApprovalBook,
    /// The caller if no HTTP request names one (stdio).
    local: Option<Arc<LocalClient>>,
}

/// The single client of a stdio connection.
#[derive(Debug)]
struct LocalClient {
    caller: Caller,
    watched: WatchedChanges,
    /// Whether a task already sends notifications to the client.
    told: AtomicBool,
}

#[derive(Debug)]
pub(super) struct McpServerState {
    pub(super) registry: Arc<Registry>,
    pub(super) notices: ChangeNotices,
    pub(super) capabilities: ServerCapabilities,
    pub(super) tools: ToolForms,
    pub(super) instructions: String,
    pub(super) implementation: Implementation,
    /// `_meta` of results in revision 2026-07-28, which names the server.
    meta: MetaObject,
    /// The same as JSON, for answers that are written as bytes.
    meta_json: Vec<u8>,
}

impl McpServer {
    /// A server for `registry`.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        let providers: Vec<_> = registry.provider_descriptions().collect();
        let implementation = Implementation::new("kasm-mcp", env!("CARGO_PKG_VERSION"))
            .with_title(instructions::server_title(&providers))
            .with_description(instructions::server_description(&providers));
        let instructions = instructions::server_instructions(&providers);
        let mut meta = MetaObject::new();
        if let Ok(info) = serde_json::to_value(&implementation) {
            meta.0.insert(SERVER_INFO.to_owned(), info);
        }
        let capabilities = server_capabilities(&registry);
        let notices = ChangeNotices::new(registry.clone());
        Self {
            shared: Arc::new(McpServerState {
                registry,
                notices,
                capabilities,
                tools: ToolForms::default(),
                instructions,
                implementation,
                // A map of texts can always be written.
                meta_json: serde_json::to_vec(&meta).unwrap_or_else(|_| b"{}".to_vec()),
                meta,
            }),
            consent: ApprovalBook::new(CONSENT_TIMEOUT),
            local: None,
        }
    }

    /// Sets the book of questions, and with it their time limit.
    #[must_use]
    pub fn with_consent(mut self, consent: ApprovalBook) -> Self {
        self.consent = consent;
        self
    }

    /// Sets the caller for a client on this machine, which needs no token.
    #[must_use]
    pub fn for_local(mut self, caller: Caller) -> Self {
        self.local = Some(Arc::new(LocalClient {
            caller,
            watched: WatchedChanges::default(),
            told: AtomicBool::new(false),
        }));
        self
    }

    /// The notifications for transports that keep a stream open.
    #[must_use]
    pub fn change_notices(&self) -> ChangeNotices {
        self.shared.notices.clone()
    }

    /// Starts to notify the single client of a stdio connection.
    pub(super) fn notify_local_client(&self, peer: Peer<RoleServer>) {
        let Some(local) = self.local.clone() else {
            return;
        };
        // A client may send `initialized` twice, and would then get each notification twice.
        if !local.told.swap(true, Ordering::Relaxed) {
            let notices = self.change_notices();
            let caller = local.caller.clone();
            tokio::spawn(async move { notices.notify_peer(peer, &local.watched, caller).await });
        }
    }

    pub(super) fn caller_of(&self, cx: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        let parts = cx.extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| Caller::of_request(&parts.extensions));
        // The caller of the HTTP request comes first; only a stdio connection has no request.
        let local = self.local.as_ref().map(|local| &local.caller);
        let caller = caller.or(local).cloned();
        caller.ok_or_else(|| {
            let message = "the caller of this request is not known";
            with_code(ErrorData::internal_error(message, None), "caller_unknown")
        })
    }

    /// `_meta` of results in revision 2026-07-28.
    pub(super) fn server_meta(&self) -> &MetaObject {
        &self.shared.meta
    }

    pub(super) fn server_meta_json(&self) -> &[u8] {
        &self.shared.meta_json
    }

    pub(super) fn request_meta(&self, cx: &RequestContext<RoleServer>) -> Option<MetaObject> {
        is_modern(cx).then(|| self.shared.meta.clone())
    }

    /// For requests about the catalogue.
    pub(super) fn internal_call(
        &self,
        cx: &RequestContext<RoleServer>,
    ) -> Result<InternalCall<'_>, ErrorData> {
        Ok(InternalCall {
            registry: &self.shared.registry,
            caller: self.caller_of(cx)?,
            origin: request_info(cx),
            cancelled: cx.ct.clone(),
        })
    }

    /// "Method not found", unless `there_are` entries.
    pub(super) fn refuse_unless<M: ConstString>(there_are: bool) -> Result<(), ErrorData> {
        there_are
            .then_some(())
            .ok_or_else(|| method_not_found(M::VALUE))
    }

    pub(super) fn has_resources<M: ConstString>(&self) -> Result<(), ErrorData> {
        Self::refuse_unless::<M>(self.shared.capabilities.resources.is_some())
    }

    pub(super) fn has_prompts<M: ConstString>(&self) -> Result<(), ErrorData> {
        Self::refuse_unless::<M>(self.shared.capabilities.prompts.is_some())
    }

    /// Notes that a client of a revision with a handshake has read the list of resources.
    pub(super) fn watch_list(&self, cx: &RequestContext<RoleServer>) {
        // Without a session, there is no stream for notifications.
        let _ = self.with_watched(cx, |watched| {
            watched.add_list();
            Ok(())
        });
    }

    /// Notes that a client of a revision with a handshake has read the list of tools.
    pub(super) fn watch_tool_list(&self, cx: &RequestContext<RoleServer>) {
        let _ = self.with_watched(cx, |watched| {
            watched.add_tool_list();
            Ok(())
        });
    }

    /// The client's conversation, if the transport has one.
    pub(super) fn conversation_of(&self, cx: &RequestContext<RoleServer>) -> Option<Arc<str>> {
        if let Some(session) = cx.extensions.get::<Arc<McpSession>>() {
            return Some(session.id.clone());
        }
        self.local.as_ref().map(|_| STDIO_CONVERSATION.into())
    }

    /// What a client of a revision with a handshake has subscribed to.
    pub(super) fn with_watched<T>(
        &self,
        cx: &RequestContext<RoleServer>,
        change: impl FnOnce(&WatchedChanges) -> Result<T, ErrorData>,
    ) -> Result<T, ErrorData> {
        if let Some(session) = cx.extensions.get::<Arc<McpSession>>() {
            return change(&session.watched);
        }
        match &self.local {
            Some(local) => change(&local.watched),
            None => {
                let message = "a subscription needs a session: initialize first";
                let error = ErrorData::invalid_request(message, None);
                Err(with_code(error, "session_missing"))
            }
        }
    }

    /// Checks a request about a task. rmcp has checked that the client declared tasks.
    pub(super) fn task_request<'a, M: ConstString>(
        &'a self,
        cx: &RequestContext<RoleServer>,
        id: &'a str,
    ) -> Result<tasks::TaskRequest<'a>, ErrorData> {
        if !is_modern(cx) {
            return Err(method_not_found(M::VALUE));
        }
        Ok(tasks::TaskRequest {
            registry: &self.shared.registry,
            caller: self.caller_of(cx)?,
            origin: request_info(cx),
            cancelled: cx.ct.clone(),
            id,
        })
    }
}

/// The server's capabilities.
fn server_capabilities(registry: &Registry) -> ServerCapabilities {
    let mut capabilities = ServerCapabilities::builder().enable_tools().build();
    if registry.has_changing_tools() {
        let tools: &mut ToolsCapability = capabilities.tools.get_or_insert_default();
        tools.list_changed = Some(true);
    }
    if registry.all_resources().next().is_some() {
        let resources = capabilities.resources.get_or_insert_default();
        resources.subscribe = Some(true);
        resources.list_changed = Some(true);
    }
    if registry.all_prompts().next().is_some() {
        capabilities.prompts = Some(PromptsCapability::default());
    }
    if registry.all_argument_values().next().is_some() {
        capabilities.completions = Some(Default::default());
    }
    let tools = registry.current_tools();
    if tools.all_tools().any(|info| info.continues.is_some()) {
        let extensions = capabilities.extensions.get_or_insert_default();
        extensions.insert(TASKS_EXTENSION_ID.to_owned(), Default::default());
    }
    capabilities
}

/// The HTTP request, if the transport is HTTP.
pub(super) fn request_info(cx: &RequestContext<RoleServer>) -> Option<RequestInfo> {
    let parts = cx.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<RequestInfo>().cloned()
}

/// Revision 2026-07-28 or later.
pub(super) fn is_modern(cx: &RequestContext<RoleServer>) -> bool {
    let revision = cx.protocol_version();
    revision.is_some_and(|revision| !revision.has_initialize())
}

pub(super) fn declares_tasks(cx: &RequestContext<RoleServer>) -> bool {
    let declared = cx.client_capabilities();
    declared.is_some_and(|declared| declared.supports_tasks())
}

/// rmcp answers lists that the server does not offer with empty ones; the specification requires this error.
pub(super) fn method_not_found(method: &str) -> ErrorData {
    let method: String = method.chars().take(128).collect();
    let message = format!("this server does not offer {method}");
    let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None);
    with_code(error, "method_unknown")
}
