//! Between the registry's values and rmcp's.

use data_encoding::BASE64;
use futures::FutureExt;
use rmcp::model::{CallToolResult, ContentBlock, ProgressNotificationParam, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use super::error_data::with_code;
use crate::tool::invocation::FinishedCall;
use crate::tool::{ProgressReporter, ToolInfo};

/// Sends progress notifications, if the request has a progress token.
pub(super) fn progress_reporter(cx: &RequestContext<RoleServer>) -> ProgressReporter {
    let Some(token) = cx.meta.get_progress_token() else {
        return ProgressReporter::without_listener();
    };
    let peer = cx.peer.clone();
    ProgressReporter::to_sink(move |report| {
        let mut param =
            ProgressNotificationParam::new(token.clone(), report.done).with_message(report.message);
        param.total = report.total;
        let peer = peer.clone();
        // A client that has disconnected does not stop the tool.
        async move { peer.notify_progress(param).await.unwrap_or(()) }.boxed()
    })
}

/// The reply form as structured content, and as JSON text.
pub(super) fn to_result(finished: FinishedCall) -> Result<CallToolResult, ErrorData> {
    let text = serde_json::to_string(&finished.body).map_err(|error| {
        with_code(
            ErrorData::internal_error(error.to_string(), None),
            "internal",
        )
    })?;
    // MCP asks for the structured content as text, too: older clients and some models read only the text.
    let mut content = vec![ContentBlock::text(text)];
    for picture in finished.pictures {
        let data = BASE64.encode(&picture.bytes);
        content.push(ContentBlock::image(data, picture.media_type));
    }
    // A failed tool is a result and no protocol error, so that the model sees it and can react.
    let mut result = if finished.error.is_some() {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    result.structured_content = Some(finished.body);
    Ok(result)
}

/// A tool as clients see it.
pub(super) fn to_mcp_tool(info: &ToolInfo) -> Tool {
    let annotations = ToolAnnotations::from_raw(
        Some(info.title.to_string()),
        Some(info.effect.is_read_only()),
        Some(info.effect.is_destructive()),
        Some(info.effect.is_idempotent()),
        Some(info.open_world),
    );
    let (name, about) = (info.name.to_string(), info.about.to_string());
    Tool::new(name, about, info.input_schema.clone())
        .with_title(&*info.title)
        .with_raw_output_schema(info.output_schema.clone())
        .with_annotations(annotations)
}
