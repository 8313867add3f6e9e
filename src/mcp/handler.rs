//! The registry as an rmcp server handler.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskMethod,
    CancelTaskParams, CompleteRequestMethod, CompleteRequestParams, CompleteResult, ConstString,
    ContentBlock, CustomRequest, CustomResult, ErrorCode, GetTaskMethod, GetTaskParams,
    GetTaskResult, Implementation, InitializeRequestParams, InitializeResult,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    MetaObject, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities,
    ServerConfig, TASKS_EXTENSION_ID, Tool, ToolAnnotations, UpdateTaskMethod, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::consent::Consent;
use super::tasks::{self, Handle};
use super::{ask, instructions};
use crate::caller::Caller;
use crate::tool::registry::{CallOptions, Finished, Outcome, Registry};
use crate::tool::{Progress, ToolInfo};

/// How long a client may keep the tool list, which only changes with a new version of the server.
const LIST_TTL_MS: u64 = 300_000;
/// How long a person may take to answer, unless it is set.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(120);
/// The key under which results name the server (revision 2026-07-28).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The MCP server. Cheap to clone; one clone serves each request.
#[derive(Clone, Debug)]
pub struct McpServer {
    shared: Arc<Shared>,
    /// What people were asked.
    consent: Consent,
    /// Who asks where no HTTP request says so (stdio).
    local: Option<Caller>,
}

#[derive(Debug)]
struct Shared {
    registry: Arc<Registry>,
    capabilities: ServerCapabilities,
    /// All tools, in the order of the registry.
    tools: Vec<Tool>,
    implementation: Implementation,
    /// `_meta` of results in revision 2026-07-28, which should name the server.
    meta: MetaObject,
}

impl McpServer {
    /// A server for `registry`.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        let tools = registry.all().map(to_mcp).collect();
        let implementation = Implementation::new("kasm-mcp", env!("CARGO_PKG_VERSION"))
            .with_title("Kasm Workspaces")
            .with_description("Desktops in Kasm Workspaces for AI agents");
        let mut meta = MetaObject::new();
        if let Ok(info) = serde_json::to_value(&implementation) {
            meta.0.insert(SERVER_INFO.to_owned(), info);
        }
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if registry.all().any(|info| info.continues.is_some()) {
            let extensions = capabilities.extensions.get_or_insert_default();
            extensions.insert(TASKS_EXTENSION_ID.to_owned(), Default::default());
        }
        Self {
            shared: Arc::new(Shared {
                registry,
                capabilities,
                tools,
                implementation,
                meta,
            }),
            consent: Consent::new(CONSENT_TIMEOUT),
            local: None,
        }
    }

    /// The same server with a record of questions of its own, and so their time limit.
    #[must_use]
    pub fn with_consent(mut self, consent: Consent) -> Self {
        self.consent = consent;
        self
    }

    /// The same server for a client that is on this machine and needs no token.
    #[must_use]
    pub fn for_local(mut self, caller: Caller) -> Self {
        self.local = Some(caller);
        self
    }

    fn caller(&self, cx: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        let parts = cx.extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
        let caller = caller.or(self.local.as_ref()).cloned();
        caller.ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
    }

    fn meta(&self, cx: &RequestContext<RoleServer>) -> Option<MetaObject> {
        is_modern(cx).then(|| self.shared.meta.clone())
    }

    /// A request about a task. rmcp has seen to it that the client declared tasks.
    fn task<'a, M: ConstString>(
        &'a self,
        cx: &RequestContext<RoleServer>,
        id: &'a str,
    ) -> Result<tasks::Request<'a>, ErrorData> {
        if !is_modern(cx) {
            return Err(not_offered::<M>());
        }
        Ok(tasks::Request {
            registry: &self.shared.registry,
            caller: self.caller(cx)?,
            cancelled: cx.ct.clone(),
            id,
        })
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(self.shared.capabilities.clone())
            .with_server_info(self.shared.implementation.clone())
            .with_instructions(instructions::TEXT)
    }

    async fn initialize(
        &self,
        client: InitializeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        cx.peer.set_peer_info(client.clone());
        let mut info = self.negotiate_initialize(&client)?;
        // Tasks are an extension of revision 2026-07-28, which has no handshake.
        info.capabilities.extensions = None;
        Ok(info)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.registry.info(name).map(to_mcp)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller(&cx)?;
        let tools = self.shared.registry.all().zip(&self.shared.tools);
        let offered = tools.filter(|(info, _)| info.is_offered(&caller));
        let offered = offered.map(|(_, tool)| tool.clone()).collect();
        let mut result = ListToolsResult::with_all_items(offered);
        result.ttl_ms = Some(LIST_TTL_MS);
        // The list depends on the caller.
        result.cache_scope = Some(CacheScope::Private);
        result.meta = self.meta(&cx);
        Ok(result)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&cx)?;
        let options = CallOptions {
            confirm: ask::confirm(&cx, &self.consent, caller.owner(), &params),
            caller,
            cancelled: cx.ct.clone(),
            progress: progress(&cx),
        };
        let args = params.arguments.unwrap_or_default();
        let registry = &*self.shared.registry;
        let outcome = registry.call(&params.name, args, options).await;
        let outcome = outcome.map_err(|_| {
            let name: String = params.name.chars().take(128).collect();
            ErrorData::invalid_params(
                format!("unknown tool `{name}`: tools/list shows the tools"),
                None,
            )
        })?;
        match outcome {
            Outcome::Replied(finished) => {
                if let Some(handle) = Handle::of_reply(registry, &params.name, &finished)
                    && is_modern(&cx)
                    && declares_tasks(&cx)
                {
                    let mut result = handle.created(&finished);
                    result.meta = self.meta(&cx);
                    return Ok(result.into());
                }
                let mut result = to_result(finished)?;
                result.meta = self.meta(&cx);
                Ok(result.into())
            }
            Outcome::Asks(question) => {
                let mut result = ask::input_required(&question);
                result.meta = self.meta(&cx);
                Ok(result.into())
            }
        }
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let request = self.task::<GetTaskMethod>(&cx, &params.task_id)?;
        let mut result = request.get().await?;
        result.meta = self.meta(&cx);
        Ok(result)
    }

    async fn update_task(
        &self,
        params: UpdateTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let request = self.task::<UpdateTaskMethod>(&cx, &params.task_id)?;
        request.update().await
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let request = self.task::<CancelTaskMethod>(&cx, &params.task_id)?;
        request.cancel().await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(method_not_found(&request.method))
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(not_offered::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(not_offered::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(not_offered::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(not_offered::<ListResourceTemplatesRequestMethod>())
    }
}

/// Revision 2026-07-28 or later.
pub(super) fn is_modern(cx: &RequestContext<RoleServer>) -> bool {
    let revision = cx.protocol_version();
    revision.is_some_and(|revision| !revision.has_initialize())
}

fn declares_tasks(cx: &RequestContext<RoleServer>) -> bool {
    let declared = cx.client_capabilities();
    declared.is_some_and(|declared| declared.supports_tasks())
}

/// rmcp answers undeclared lists with empty ones; the specification wants "method not found".
fn not_offered<M: ConstString>() -> ErrorData {
    method_not_found(M::VALUE)
}

fn method_not_found(method: &str) -> ErrorData {
    let method: String = method.chars().take(128).collect();
    let message = format!("this server does not offer {method}");
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}

fn progress(cx: &RequestContext<RoleServer>) -> Progress {
    let Some(token) = cx.meta.get_progress_token() else {
        return Progress::ignored();
    };
    let peer = cx.peer.clone();
    Progress::to(move |report| {
        let mut param =
            ProgressNotificationParam::new(token.clone(), report.done).with_message(report.message);
        param.total = report.total;
        let peer = peer.clone();
        // A client that has gone does not stop the tool.
        async move { peer.notify_progress(param).await.unwrap_or(()) }.boxed()
    })
}

/// The reply form, as structured content and as the same JSON in text.
pub(super) fn to_result(finished: Finished) -> Result<CallToolResult, ErrorData> {
    let text = serde_json::to_string(&finished.body)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let mut content = vec![ContentBlock::text(text)];
    if let Some(picture) = finished.picture {
        let data = STANDARD.encode(&picture.bytes);
        content.push(ContentBlock::image(data, picture.media_type));
    }
    let mut result = if finished.error.is_some() {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    result.structured_content = Some(finished.body);
    Ok(result)
}

fn to_mcp(info: &ToolInfo) -> Tool {
    let annotations = ToolAnnotations::from_raw(
        Some(info.title.to_owned()),
        Some(info.effect.is_read_only()),
        Some(info.effect.is_destructive()),
        Some(info.effect.is_idempotent()),
        Some(info.open_world),
    );
    Tool::new(info.name, info.about, info.input_schema.clone())
        .with_title(info.title)
        .with_raw_output_schema(info.output_schema.clone())
        .with_annotations(annotations)
}
