//! The tools as the function definitions of model APIs.

use serde_json::{Value, json};

use crate::tool::ToolInfo;

/// The API that defines the form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionDialect {
    /// `tools/list` of MCP.
    #[default]
    Mcp,
    /// OpenAI's Chat Completions, and the many compatible APIs.
    OpenAi,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Gemini's `generateContent`.
    Gemini,
    /// Anthropic's Messages.
    Anthropic,
}

impl FunctionDialect {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Mcp,
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::Gemini,
        Self::Anthropic,
    ];

    /// The name in requests.
    #[must_use]
    pub fn dialect_name(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Anthropic => "anthropic",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.dialect_name() == name)
    }

    /// The value for the member `tools` in a request to that API.
    pub fn define_tools<'a>(self, tools: impl Iterator<Item = &'a ToolInfo>) -> Value {
        let definitions: Vec<_> = tools.map(|tool| self.define_tool(tool)).collect();
        match self {
            Self::Mcp | Self::OpenAi | Self::OpenAiResponses | Self::Anthropic => {
                definitions.into()
            }
            // One tool of this API is a list of functions.
            Self::Gemini => json!([{ "functionDeclarations": definitions }]),
        }
    }

    fn define_tool(self, tool: &ToolInfo) -> Value {
        let schema = &*tool.input_schema;
        match self {
            // These members are those of `tools/list`, so a client can use one parser for both.
            Self::Mcp => json!({
                "name": *tool.name,
                "title": *tool.title,
                "description": *tool.about,
                "inputSchema": schema,
                "outputSchema": *tool.output_schema,
                "annotations": {
                    "title": *tool.title,
                    "readOnlyHint": tool.effect.is_read_only(),
                    "destructiveHint": tool.effect.is_destructive(),
                    "idempotentHint": tool.effect.is_idempotent(),
                    "openWorldHint": tool.open_world,
                },
            }),
            Self::OpenAi => json!({
                "type": "function",
                "function": { "name": *tool.name, "description": *tool.about, "parameters": schema },
            }),
            // This API's default is strict, which makes every argument required.
            Self::OpenAiResponses => json!({
                "type": "function",
                "name": *tool.name,
                "description": *tool.about,
                "parameters": schema,
                "strict": false,
            }),
            // `parameters` would be in another schema language.
            Self::Gemini => json!({
                "name": *tool.name, "description": *tool.about, "parametersJsonSchema": schema,
            }),
            Self::Anthropic => json!({
                "name": *tool.name, "description": *tool.about, "input_schema": schema,
            }),
        }
    }
}
