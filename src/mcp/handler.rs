//! The registry as an rmcp server handler: each request, one method.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskMethod, CancelTaskParams,
    CompleteRequestMethod, CompleteRequestParams, CompleteResult, CustomRequest, CustomResult,
    GetPromptRequestMethod, GetPromptRequestParams, GetPromptResponse, GetTaskMethod,
    GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestMethod, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SubscribeRequestMethod, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestMethod, UnsubscribeRequestParams, UpdateTaskMethod,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::direct::{CallContext, CallEnd};
use super::rmcp_values::{progress_reporter, to_result};
use super::server::{McpServer, declares_tasks, is_modern, method_not_found, request_info};
use super::{completion, elicitation, params, prompts, resources};

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(self.shared.capabilities.clone())
            .with_server_info(self.shared.implementation.clone())
            .with_instructions(self.shared.instructions.clone())
    }

    async fn initialize(
        &self,
        client: InitializeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        // This method replaces the one of rmcp, which stores the capabilities that later calls look up.
        cx.peer.set_peer_info(client.clone());
        let mut info = self.negotiate_initialize(&client)?;
        // Tasks are an extension of revision 2026-07-28, which has no handshake.
        info.capabilities.extensions = None;
        Ok(info)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let forms = self.shared.tools.current_forms(&self.shared.registry);
        forms.find_form(name).cloned()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller_of(&cx)?;
        self.watch_tool_list(&cx);
        let mut result = self.list_offered_tools(&caller);
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller_of(&cx)?;
        let context = CallContext {
            confirm: elicitation::approval_channel(&cx, &self.consent, caller.owner_key(), &params),
            caller,
            origin: request_info(&cx),
            cancelled: cx.ct.clone(),
            progress: progress_reporter(&cx),
            conversation: self.conversation_of(&cx),
            takes_tasks: is_modern(&cx) && declares_tasks(&cx),
            trace: cx.meta.get_traceparent().map(str::to_owned),
        };
        match self.call_tool_in(params, context).await? {
            CallEnd::Replied(finished) => {
                let mut result = to_result(finished)?;
                result.meta = self.request_meta(&cx);
                Ok(result.into())
            }
            CallEnd::Task(mut result) => {
                result.meta = self.request_meta(&cx);
                Ok(result.into())
            }
            CallEnd::Asks(mut result) => {
                result.meta = self.request_meta(&cx);
                Ok(result.into())
            }
        }
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let request = self.task_request::<GetTaskMethod>(&cx, &params.task_id)?;
        let mut result = request.get_task().await?;
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn update_task(
        &self,
        params: UpdateTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let request = self.task_request::<UpdateTaskMethod>(&cx, &params.task_id)?;
        request.update_task().await
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let request = self.task_request::<CancelTaskMethod>(&cx, &params.task_id)?;
        request.cancel_task().await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // rmcp reads a known method with invalid params as a custom request, too.
        let wrong = params::wrong_params(&request);
        Err(wrong.unwrap_or_else(|| method_not_found(&request.method)))
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let completes = self.shared.capabilities.completions.is_some();
        Self::refuse_unless::<CompleteRequestMethod>(completes)?;
        let mut result = completion::complete_argument(&self.internal_call(&cx)?, params).await?;
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.has_prompts::<ListPromptsRequestMethod>()?;
        resources::refuse_cursor(page_cursor(page).as_deref())?;
        let mut result = prompts::list_prompts(&self.internal_call(&cx)?);
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.has_prompts::<GetPromptRequestMethod>()?;
        let mut result = prompts::get_prompt(&self.internal_call(&cx)?, params)?;
        result.meta = self.request_meta(&cx);
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.has_resources::<ListResourcesRequestMethod>()?;
        self.watch_list(&cx);
        let mut result =
            resources::list_resources(&self.internal_call(&cx)?, page_cursor(page).as_deref())
                .await?;
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.has_resources::<ListResourceTemplatesRequestMethod>()?;
        resources::refuse_cursor(page_cursor(page).as_deref())?;
        let mut result = resources::list_templates(&self.internal_call(&cx)?);
        result.meta = self.request_meta(&cx);
        Ok(result)
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.has_resources::<ReadResourceRequestMethod>()?;
        let mut result = resources::read_resource(&self.internal_call(&cx)?, &params.uri).await?;
        result.meta = self.request_meta(&cx);
        Ok(result.into())
    }

    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.has_resources::<SubscribeRequestMethod>()?;
        // A foreign session must be refused like one that does not exist, or subscriptions would reveal it.
        resources::check_resource(&self.internal_call(&cx)?, &params.uri).await?;
        self.with_watched(&cx, |watched| watched.add_uri(&params.uri))
    }

    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.has_resources::<UnsubscribeRequestMethod>()?;
        self.with_watched(&cx, |watched| {
            watched.remove_uri(&params.uri);
            Ok(())
        })
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.shared.notices.accepted_filter(requested)
    }

    async fn listen(&self, cx: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = self.caller_of(cx.request_context())?;
        self.shared.notices.run_subscription(&cx, caller).await
    }

    /// Only a connection of its own reports here that it is ready; HTTP uses streams.
    async fn on_initialized(&self, cx: NotificationContext<RoleServer>) {
        self.notify_local_client(cx.peer);
    }
}

fn page_cursor(page: Option<PaginatedRequestParams>) -> Option<String> {
    page.and_then(|page| page.cursor)
}
