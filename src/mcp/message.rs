//! Parses a client's message.

use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage,
    ClientRequest, GetExtensions, JsonRpcMessage, JsonRpcRequest, JsonRpcVersion2_0,
    ListToolsRequest, ListToolsRequestMethod, RequestId, RequestMetaObject,
};
use serde::Deserialize;

use super::params;
pub use super::params::mended_body;

/// `tools/call`, by far the most frequent message.
#[derive(Deserialize)]
// A message with other members, such as `result`, is no plain call and is read by rmcp.
#[serde(deny_unknown_fields)]
struct ToolCall {
    #[serde(rename = "jsonrpc")]
    _jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: CallToolRequestMethod,
    params: CallToolRequestParams,
}

/// `tools/list`, the next frequent one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolList {
    #[serde(rename = "jsonrpc")]
    _jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: ListToolsRequestMethod,
    params: Option<ListParams>,
}

/// The list is one page, so a request with a cursor is read by rmcp.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    #[serde(rename = "_meta")]
    meta: Option<RequestMetaObject>,
}

/// Parses a message with rmcp's result, but reads a plain `tools/call` directly: rmcp tries one type after
/// another. Params in another form that represents an object are converted to one.
///
/// # Errors
/// The message is not an MCP message.
pub fn parse_message(body: &[u8]) -> serde_json::Result<ClientJsonRpcMessage> {
    match parse_call(body) {
        Some(call) => Ok(JsonRpcMessage::Request(call)),
        None => match serde_json::from_slice(body) {
            Ok(message) if !params::is_custom(&message) => Ok(message),
            // If mending does not help, the first error stays: it describes the body as it was sent.
            direct => params::read_mended(body).map_or(direct, Ok),
        },
    }
}

/// Parses a plain `tools/call`. None for other messages.
#[must_use]
pub fn parse_call(body: &[u8]) -> Option<JsonRpcRequest<ClientRequest>> {
    let call: ToolCall = serde_json::from_slice(body).ok()?;
    let mut params = call.params;
    // rmcp keeps `_meta` in the extensions of a request, and handlers look for it there.
    let meta = params.meta.take();
    let mut request = CallToolRequest::new(params);
    if let Some(meta) = meta {
        request.extensions_mut().insert(meta);
    }
    let request = ClientRequest::CallToolRequest(request);
    Some(JsonRpcRequest::new(call.id, request))
}

/// Parses a plain `tools/list`. None for other messages.
#[must_use]
pub fn parse_list(body: &[u8]) -> Option<JsonRpcRequest<ClientRequest>> {
    let list: ToolList = serde_json::from_slice(body).ok()?;
    let mut request = ListToolsRequest::default();
    if let Some(meta) = list.params.and_then(|params| params.meta) {
        request.extensions.insert(meta);
    }
    let request = ClientRequest::ListToolsRequest(request);
    Some(JsonRpcRequest::new(list.id, request))
}

#[cfg(test)]
mod tests {
    use rmcp::model::{GetMeta, RequestMetaObject};

    use super::*;

    #[test]
    fn call_read_both_ways_is_equal() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#,
            r#"{"params":{"arguments":{"a":[1,null]},"name":"x","_meta":{"progressToken":"p","y":1}},
                "method":"tools/call","id":"a","jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"x","_meta":null,
                "arguments":null,"other":1,"requestState":"s"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"},"more":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":3}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"x"}}"#,
        ] {
            let direct = parse_message(body.as_bytes()).ok();
            let by_rmcp: Option<ClientJsonRpcMessage> = serde_json::from_str(body).ok();
            let texts = [&direct, &by_rmcp].map(|read| {
                let read = read.as_ref()?;
                let mut meta = None;
                if let JsonRpcMessage::Request(request) = read {
                    let own: &RequestMetaObject = request.request.get_meta();
                    meta = Some(own.clone());
                }
                Some((
                    serde_json::to_value(read).unwrap(),
                    meta,
                    format!("{read:?}"),
                ))
            });
            assert_eq!(texts[0], texts[1], "{body}");
        }
    }
}
