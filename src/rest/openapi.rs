//! The tools as an OpenAPI 3.1 document, within the limits of ChatGPT Actions.

use serde_json::{Map, Value, json};

use super::{status_of, tool_path};
use crate::tool::provider::ProviderDescription;
use crate::tool::{ErrorType, ToolInfo};

/// The most characters of a description that ChatGPT reads.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// The statuses of failed calls: status, name of the response, its description, and whether a request that
/// leads to no call can have it, which is then a problem. The reply form has those of [`status_of`].
const FAILURES: &[(u16, &str, &str, bool)] = &[
    (400, "BadRequest", "The arguments are wrong.", true),
    (401, "Unauthorized", "The token is missing or wrong.", true),
    (
        403,
        "Forbidden",
        "A rule forbids it, or a permission is missing.",
        true,
    ),
    (
        404,
        "NotFound",
        "It does not exist, or belongs to another caller.",
        true,
    ),
    (408, "TooSlow", "The body came too slowly.", true),
    (
        409,
        "Conflict",
        "It is not in a state that allows this.",
        false,
    ),
    (413, "TooLarge", "The body is too large.", true),
    (415, "NotJson", "The body is not declared as JSON.", true),
    (429, "TooMany", "Too many calls.", true),
    (500, "Internal", "A defect of this server.", true),
    (
        501,
        "Unsupported",
        "It cannot be done on this server or session.",
        false,
    ),
    (
        502,
        "Upstream",
        "The system behind the tool refused, or answered strangely.",
        false,
    ),
    (
        503,
        "Unavailable",
        "The system behind the tool cannot be reached or has no capacity.",
        true,
    ),
    (
        504,
        "Timeout",
        "It took too long. It may have had its effect.",
        false,
    ),
];

/// What the document says of the server itself.
#[derive(Clone, Copy, Debug)]
pub struct ApiDescription<'a> {
    /// The URL before `/api`.
    pub server: &'a str,
    /// Whether callers need a token.
    pub needs_token: bool,
    /// The systems behind the server.
    pub providers: &'a [&'a ProviderDescription],
}

impl ApiDescription<'_> {
    /// Describes `tools`.
    pub fn openapi_document<'a>(&self, tools: impl Iterator<Item = &'a ToolInfo>) -> Value {
        let summaries = self.providers.iter().map(|provider| provider.summary);
        let summaries: Vec<_> = summaries.collect();
        let paths = tools.map(|tool| {
            (
                tool_path(&tool.name),
                json!({ "post": tool_operation(tool) }),
            )
        });
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "kasm-mcp",
                "version": env!("CARGO_PKG_VERSION"),
                "description": summaries.join(" "),
            },
            "servers": [{ "url": self.server }],
            "paths": paths.collect::<Map<_, _>>(),
            "components": { "schemas": shared_schemas(), "responses": shared_responses() },
        });
        if self.needs_token {
            document["security"] = json!([{ "token": [] }]);
            document["components"]["securitySchemes"] =
                json!({ "token": { "type": "http", "scheme": "bearer" } });
        }
        document
    }
}

fn tool_operation(tool: &ToolInfo) -> Value {
    // By characters: a cut at a number of bytes could fall inside of one.
    let about: String = tool.about.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let needs_some = tool.input_schema.contains_key("required");
    json!({
        "operationId": *tool.name,
        "summary": *tool.title,
        "description": about,
        "tags": [*tool.toolset],
        // ChatGPT asks its user before each consequential operation, and offers "always allow" for others.
        "x-openai-isConsequential": !tool.effect.is_read_only(),
        "requestBody": {
            "required": needs_some,
            "content": { "application/json": { "schema": *tool.input_schema } },
        },
        "responses": tool_outcomes(tool),
    })
}

fn tool_outcomes(tool: &ToolInfo) -> Map<String, Value> {
    let data = tool
        .output_schema
        .get("properties")
        .and_then(|form| form.get("data"));
    let success = json!({
        "description": "Success.",
        "content": { "application/json": { "schema": {
            "type": "object",
            "properties": {
                "success": { "type": "boolean", "enum": [true] },
                "data": data.cloned().unwrap_or_else(|| json!({})),
                "message": { "type": "string" },
                "image": schema_reference("schemas", "Image"),
                "more_images": { "type": "array", "items": schema_reference("schemas", "Image") },
            },
            "required": ["success", "data", "message"],
        } } },
    });
    let failures = FAILURES
        .iter()
        .map(|(status, name, ..)| (status.to_string(), schema_reference("responses", name)));
    let success = ("200".to_owned(), success);
    std::iter::once(success).chain(failures).collect()
}

fn schema_reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn shared_schemas() -> Value {
    json!({
        "Failure": {
            "type": "object",
            "description": "A failed call: what happened, the kind of failure, and the next step.",
            "properties": {
                "success": { "type": "boolean", "enum": [false] },
                "error": { "type": "string" },
                "error_type": { "type": "string" },
                "code": { "type": "string" },
                "hint": { "type": "string" },
            },
            "required": ["success", "error", "error_type", "code", "hint"],
        },
        "Image": {
            "type": "object",
            "description": "The picture, if the tool returns one.",
            "properties": {
                "media_type": { "type": "string" },
                "data": { "type": "string", "contentEncoding": "base64" },
            },
            "required": ["media_type", "data"],
        },
        "Problem": {
            "type": "object",
            "description": "A request that was refused before the call (RFC 9457).",
            "properties": {
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "code": { "type": "string" },
            },
            "required": ["title", "status", "detail", "code"],
        },
    })
}

fn shared_responses() -> Map<String, Value> {
    let response = |&(status, name, about, problem): &(u16, &str, &str, bool)| {
        let mut kinds = ErrorType::ALL.iter();
        // Derived from the mapping that answers use, so the document cannot name another form than they have.
        let failure = kinds.any(|kind| status_of(*kind).as_u16() == status);
        let mut content = Map::new();
        for (is_used, kind, schema) in [
            (failure, "application/json", "Failure"),
            (problem, "application/problem+json", "Problem"),
        ] {
            if is_used {
                let schema = json!({ "schema": schema_reference("schemas", schema) });
                content.insert(kind.to_owned(), schema);
            }
        }
        let mut response = json!({ "description": about, "content": content });
        let header = match status {
            401 => Some((
                "WWW-Authenticate",
                "How to authenticate (RFC 6750).",
                "string",
            )),
            429 => Some((
                "Retry-After",
                "Seconds until a retry makes sense, if known.",
                "integer",
            )),
            _ => None,
        };
        if let Some((header, about, kind)) = header {
            response["headers"] =
                json!({ header: { "description": about, "schema": { "type": kind } } });
        }
        (name.to_owned(), response)
    };
    FAILURES.iter().map(response).collect()
}
