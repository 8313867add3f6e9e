//! Accepts params in the different forms that clients send.
//!
//! rmcp treats a request with invalid params as a request with an unknown method. Here params that represent an
//! object are converted to one, and other invalid params get an error that names the member.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, CompleteRequestParams,
    CustomRequest, GetPromptRequestParams, InitializeRequestParams, JsonRpcMessage, JsonRpcRequest,
    PaginatedRequestParams, ReadResourceRequestParams, RequestId, SubscribeRequestParams,
    UnsubscribeRequestParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error_data::with_code;
use crate::tool::sent_arguments::SentArguments;

/// Parses a request again after its params were converted. If that fails too, it becomes a [`CustomRequest`],
/// which [`wrong_params`] explains. None: the body is not a request with a known method.
pub(super) fn read_mended(body: &[u8]) -> Option<ClientJsonRpcMessage> {
    let mut message: Map<String, Value> = serde_json::from_slice(body).ok()?;
    // An answer of the client. Read as a request it would get an error that no client waits for.
    if message.contains_key("result") || message.contains_key("error") {
        return None;
    }
    mend_params(&mut message);
    let whole = Value::Object(message);
    if let Ok(read) = serde_json::from_value::<ClientJsonRpcMessage>(whole.clone())
        && !is_custom(&read)
    {
        return Some(read);
    }
    let method = whole.get("method")?.as_str()?;
    if whole.get("jsonrpc")? != "2.0" || !is_known(method) {
        return None;
    }
    let id: RequestId = serde_json::from_value(whole.get("id")?.clone()).ok()?;
    let params = whole.get("params").cloned();
    let request = ClientRequest::CustomRequest(CustomRequest::new(method, params));
    Some(JsonRpcMessage::Request(JsonRpcRequest::new(id, request)))
}

/// The body with converted params. None if nothing had to be converted.
#[must_use]
pub fn mended_body(body: &[u8]) -> Option<Vec<u8>> {
    let mut message: Map<String, Value> = serde_json::from_slice(body).ok()?;
    mend_params(&mut message).then(|| Value::Object(message).to_string().into_bytes())
}

/// Whether a message was parsed as a request with an unknown method.
pub(super) fn is_custom(message: &ClientJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Request(JsonRpcRequest {
            request: ClientRequest::CustomRequest(_),
            ..
        })
    )
}

/// Converts an empty array to an empty object, and so on. Returns whether anything changed.
fn mend_params(message: &mut Map<String, Value>) -> bool {
    let takes_arguments = matches!(
        message.get("method").and_then(Value::as_str),
        Some("tools/call" | "prompts/get")
    );
    let Some(params) = message.get_mut("params") else {
        return false;
    };
    let was_empty_list = params.as_array().is_some_and(Vec::is_empty);
    if was_empty_list {
        *params = Value::Object(Map::new());
    }
    let arguments = params.get_mut("arguments").filter(|_| takes_arguments);
    let Some(arguments) = arguments.filter(|arguments| !arguments.is_object()) else {
        return was_empty_list;
    };
    // Other values stay unchanged, for the error that names them.
    match SentArguments::from_value(arguments.clone()) {
        Some(SentArguments(object)) => {
            *arguments = Value::Object(object);
            true
        }
        None => was_empty_list,
    }
}

type ExplainParams = fn(Value) -> Option<String>;

/// The methods whose params are checked here, and how.
const METHODS: &[(&str, ExplainParams)] = &[
    ("initialize", explain_params::<InitializeRequestParams>),
    ("tools/call", explain_params::<CallToolRequestParams>),
    ("tools/list", explain_params::<PaginatedRequestParams>),
    ("prompts/get", explain_params::<GetPromptRequestParams>),
    ("prompts/list", explain_params::<PaginatedRequestParams>),
    ("resources/list", explain_params::<PaginatedRequestParams>),
    (
        "resources/templates/list",
        explain_params::<PaginatedRequestParams>,
    ),
    (
        "resources/read",
        explain_params::<ReadResourceRequestParams>,
    ),
    (
        "resources/subscribe",
        explain_params::<SubscribeRequestParams>,
    ),
    (
        "resources/unsubscribe",
        explain_params::<UnsubscribeRequestParams>,
    ),
    (
        "completion/complete",
        explain_params::<CompleteRequestParams>,
    ),
    ("ping", explain_params::<Map<String, Value>>),
];

fn is_known(method: &str) -> bool {
    METHODS.iter().any(|(known, _)| *known == method)
}

/// The error for a request with a known method and invalid params. None if the method is unknown.
pub(super) fn wrong_params(request: &CustomRequest) -> Option<ErrorData> {
    let (_, explain) = METHODS.iter().find(|(known, _)| *known == request.method)?;
    let params = request.params.clone().unwrap_or_default();
    let problem = if params.is_object() || params.is_null() {
        explain(params).unwrap_or_else(|| "params: invalid".to_owned())
    } else {
        "params: expected an object".to_owned()
    };
    let message = format!("{}: {problem}", request.method);
    let error = ErrorData::invalid_params(message, None);
    Some(with_code(error, "invalid_params"))
}

/// Names the invalid member. The value is not repeated, because it may be a secret.
fn explain_params<T: DeserializeOwned>(params: Value) -> Option<String> {
    let error = serde_path_to_error::deserialize::<_, T>(params).err()?;
    let path = error.path().to_string();
    let problem = error.into_inner().to_string();
    if let Some(missing) = problem.strip_prefix("missing field ") {
        let missing = missing.split_whitespace().next().unwrap_or_default();
        return Some(format!("params: the member {missing} is missing"));
    }
    // serde names the value in front of "expected" and the type behind it. Only the type is repeated.
    let wanted = problem.rsplit_once("expected ").map(|(_, wanted)| wanted);
    let member = if path == "." {
        "params".to_owned()
    } else {
        format!("params.{path}")
    };
    Some(match wanted {
        Some("a map") => format!("{member}: expected an object"),
        Some(wanted) => format!("{member}: expected {wanted}"),
        None => format!("{member}: invalid value"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, params: &Value) -> ClientRequest {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        match crate::mcp::message::parse_message(body.to_string().as_bytes()) {
            Ok(JsonRpcMessage::Request(request)) => {
                assert_eq!(request.id, RequestId::Number(7));
                request.request
            }
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn params_that_stand_for_an_object_are_accepted() {
        for method in ["ping", "tools/list", "prompts/list", "resources/list"] {
            let request = read(method, &json!([]));
            assert!(
                !matches!(request, ClientRequest::CustomRequest(_)),
                "{method}"
            );
            assert_eq!(request.method(), method);
        }
        for (arguments, count) in [
            (json!([]), 0),
            (json!("{}"), 0),
            (json!(""), 0),
            (json!("{\"a\":1}"), 1),
        ] {
            let params = json!({ "name": "x", "arguments": arguments });
            let ClientRequest::CallToolRequest(call) = read("tools/call", &params) else {
                panic!("{params}");
            };
            assert_eq!(
                call.params.arguments.unwrap_or_default().len(),
                count,
                "{params}"
            );
            let request = read("prompts/get", &params);
            assert!(
                matches!(request, ClientRequest::GetPromptRequest(_)),
                "{params}"
            );
        }
    }

    #[test]
    fn params_of_wrong_type_are_named_in_the_error() {
        for (method, params, member) in [
            (
                "tools/call",
                json!({ "name": "x", "arguments": 3 }),
                "params.arguments",
            ),
            (
                "tools/call",
                json!({ "name": "x", "arguments": [1] }),
                "params.arguments",
            ),
            ("tools/call", json!({ "name": 5 }), "params.name"),
            ("tools/call", json!({}), "`name`"),
            ("tools/call", json!([]), "`name`"),
            ("tools/call", json!(3), "params:"),
            ("tools/list", json!("x"), "params:"),
            ("resources/read", json!({ "uri": ["s3cret"] }), "params.uri"),
            ("ping", json!([1]), "params:"),
        ] {
            let ClientRequest::CustomRequest(request) = read(method, &params) else {
                panic!("{method} {params}");
            };
            let error = wrong_params(&request).unwrap();
            assert_eq!(error.code.0, -32602);
            assert!(
                error.message.contains(member),
                "{params}: {}",
                error.message
            );
            assert!(!error.message.contains("s3cret"), "{}", error.message);
        }
        let unknown = CustomRequest::new("tools/burn", Some(json!(3)));
        assert!(wrong_params(&unknown).is_none());
    }
}
