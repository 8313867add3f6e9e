//! The clients.

use super::{ClientEntry, LinkFormat, TemplateFormat, TestedWith};

const BY_CLAUDE_CODE: TestedWith = TestedWith::Run("Claude Code, with a scripted model");
const BY_CLINE: TestedWith = TestedWith::Run("the Cline CLI, with a scripted model");

/// The clients, in the order of the documents.
pub const CLIENTS: &[ClientEntry] = &[
    ClientEntry {
        id: "cline",
        name: "Cline",
        place: "cline_mcp_settings.json (MCP Servers, Configure; for the CLI in ~/.cline/data/settings)",
        format: TemplateFormat::Json,
        template: include_str!("templates/cline.json"),
        note: "Without `type`, Cline uses HTTP+SSE. `timeout` is in seconds. Its default of 60 is too short for the \
            start of some desktops.",
        link: None,
        tested: BY_CLINE,
    },
    ClientEntry {
        id: "cline-sse",
        name: "Cline, HTTP+SSE",
        place: "cline_mcp_settings.json",
        format: TemplateFormat::Json,
        template: include_str!("templates/cline_sse.json"),
        note: "The older transport, for a Cline or a proxy that does not support Streamable HTTP.",
        link: None,
        tested: BY_CLINE,
    },
    ClientEntry {
        id: "cline-http-sse",
        name: "Cline, with `transport`",
        place: "cline_mcp_settings.json",
        format: TemplateFormat::Json,
        template: include_str!("templates/cline_http_sse.json"),
        note: "An entry from older guides. Cline does not know `\"transport\": \"http+sse\"`, so it uses HTTP+SSE \
            at the URL as it is; the root and `/mcp` answer that too. Cline rejects `\"type\": \"http+sse\"`.",
        link: None,
        tested: BY_CLINE,
    },
    ClientEntry {
        id: "claude-code",
        name: "Claude Code",
        place: "a shell",
        format: TemplateFormat::Shell,
        template: include_str!("templates/claude_code.sh"),
        note: "Add `--scope user` for all projects. A `timeout` in the entry, or MCP_TOOL_TIMEOUT, limits calls; \
            both are in milliseconds.",
        link: None,
        tested: BY_CLAUDE_CODE,
    },
    ClientEntry {
        id: "claude-code-project",
        name: "Claude Code, for a project",
        place: ".mcp.json in the project",
        format: TemplateFormat::Json,
        template: include_str!("templates/claude_code_project.json"),
        note: "The file is meant to be shared, so the token comes from the environment variable KASM_MCP_TOKEN. \
            Claude Code asks once whether it may use the server.",
        link: None,
        tested: BY_CLAUDE_CODE,
    },
    ClientEntry {
        id: "claude",
        name: "Claude (web, Desktop, mobile): connector",
        place: "Customize, Connectors, Add custom connector",
        format: TemplateFormat::Text,
        template: include_str!("templates/claude_connector.txt"),
        note: "Anthropic's cloud connects, not your machine, so the URL must be https and reachable from the \
            internet. There is no field for a token, so the server needs OAuth (MCP_OAUTH_ISSUERS); the callbacks \
            are https://claude.ai/api/mcp/auth_callback and https://claude.com/api/mcp/auth_callback. For a server \
            on your machine, see claude-desktop.",
        link: None,
        tested: TestedWith::Parsed("it needs an account and a public server"),
    },
    ClientEntry {
        id: "claude-desktop",
        name: "Claude Desktop: a program on this machine",
        place: "claude_desktop_config.json (Settings, Developer, Edit Config)",
        format: TemplateFormat::Json,
        template: include_str!("templates/claude_desktop.json"),
        note: "The client starts `kasm-mcp stdio` itself, without a server and without a token. The path must be \
            absolute, because the client does not use your shell's search path. Remote servers do not belong in \
            this file.",
        link: None,
        tested: TestedWith::Run(
            "the Python SDK, which starts the program with these arguments and variables",
        ),
    },
    ClientEntry {
        id: "cursor",
        name: "Cursor",
        place: "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
        format: TemplateFormat::Json,
        template: include_str!("templates/cursor.json"),
        note: "In a file that others can read, write `Bearer ${env:KASM_MCP_TOKEN}`. If the server announces OAuth, \
            Cursor ignores the headers and signs in. `connect` also prints a link that installs the server with \
            one click; it uses that variable for the token.",
        link: Some(LinkFormat::Cursor),
        tested: TestedWith::Parsed("it is a desktop program with an account"),
    },
    ClientEntry {
        id: "vs-code",
        name: "VS Code (Copilot)",
        place: ".vscode/mcp.json, or `MCP: Open User Configuration`",
        format: TemplateFormat::Json,
        template: include_str!("templates/vs_code.json"),
        note: "VS Code asks for the token once and stores it. A request can have at most 128 tools. `connect` also \
            prints a link that installs the server with one click; VS Code then asks for the token.",
        link: Some(LinkFormat::VsCode),
        tested: TestedWith::Parsed("it is a desktop program with an account"),
    },
    ClientEntry {
        id: "zed",
        name: "Zed",
        place: "settings.json (`zed: open settings`)",
        format: TemplateFormat::Json,
        template: include_str!("templates/zed.json"),
        note: "There is no `type`. Without the header, Zed signs in with OAuth.",
        link: None,
        tested: TestedWith::Parsed("it is a desktop program"),
    },
    ClientEntry {
        id: "continue",
        name: "Continue",
        place: ".continue/mcpServers/kasm.yaml, or the same `mcpServers` in config.yaml",
        format: TemplateFormat::Yaml,
        template: include_str!("templates/continue.yaml"),
        note: "`type` is `streamable-http` here. Reload the configuration after a restart of the server.",
        link: None,
        tested: TestedWith::Run("the Continue CLI, with a scripted model"),
    },
    ClientEntry {
        id: "gemini-cli",
        name: "Gemini CLI",
        place: "~/.gemini/settings.json, or .gemini/settings.json in a project",
        format: TemplateFormat::Json,
        template: include_str!("templates/gemini.json"),
        note: "Use `httpUrl`, because `url` means HTTP+SSE. `timeout` is in milliseconds. The folder must be trusted.",
        link: None,
        tested: TestedWith::Run("Gemini CLI, with a scripted model"),
    },
    ClientEntry {
        id: "codex",
        name: "Codex (CLI and IDE)",
        place: "~/.codex/config.toml",
        format: TemplateFormat::Toml,
        template: include_str!("templates/codex.toml"),
        note: "The token comes from the environment variable KASM_MCP_TOKEN. Codex supports only Streamable HTTP, \
            and `url` means that.",
        link: None,
        tested: TestedWith::Run("Codex: `codex app-server`, which calls a tool without a model"),
    },
    ClientEntry {
        id: "langchain",
        name: "LangChain, LangGraph",
        place: "a program, with the package langchain-mcp-adapters",
        format: TemplateFormat::Python,
        template: include_str!("templates/langchain.py"),
        note: "`transport` is required. Each call opens its own session; `client.session(\"kasm\")` keeps one open.",
        link: None,
        tested: TestedWith::Run("langchain-mcp-adapters"),
    },
    ClientEntry {
        id: "openai-agents",
        name: "OpenAI Agents SDK",
        place: "a program, with the package openai-agents",
        format: TemplateFormat::Python,
        template: include_str!("templates/openai_agents.py"),
        note: "The default of `client_session_timeout_seconds`, 5, is too short for the start of a desktop.",
        link: None,
        tested: TestedWith::Run("openai-agents"),
    },
    ClientEntry {
        id: "openai-responses",
        name: "OpenAI Responses API",
        place: "a program, with the package openai",
        format: TemplateFormat::Python,
        template: include_str!("templates/openai_responses.py"),
        note: "OpenAI's cloud connects, so the URL must be https and reachable from the internet. Here only tools \
            that change nothing are allowed; for others, omit `allowed_tools` and require approval.",
        link: None,
        tested: TestedWith::Run(
            "openai, against a stand-in of the API that lists the tools at that address",
        ),
    },
    ClientEntry {
        id: "chatgpt",
        name: "ChatGPT: developer mode",
        place: "Settings, Apps, Advanced settings, Developer mode, Create",
        format: TemplateFormat::Text,
        template: include_str!("templates/chatgpt.txt"),
        note: "OpenAI's cloud connects, by https only. There is no field for a token, so the server needs OAuth \
            (MCP_OAUTH_ISSUERS). Without OAuth, see chatgpt-action.",
        link: None,
        tested: TestedWith::Parsed("it needs an account and a public server"),
    },
    ClientEntry {
        id: "chatgpt-action",
        name: "ChatGPT: action of a GPT",
        place: "a shell; then paste the file into the action's schema, with the API key as Bearer",
        format: TemplateFormat::Shell,
        template: include_str!("templates/chatgpt_action.sh"),
        note: "Actions wait 45 s and read 100,000 characters: set `wait_seconds` below 40, and take screenshots \
            over MCP. `kasm-mcp openapi --url https://HOST` writes the file without a server.",
        link: None,
        tested: TestedWith::Run("curl; the action itself needs an account"),
    },
    ClientEntry {
        id: "rest",
        name: "AutoGPT, your own agent loop: plain HTTP",
        place: "a program in Python, without packages",
        format: TemplateFormat::Python,
        template: include_str!("templates/rest.py"),
        note: "`format` is `mcp`, `openai`, `openai-responses`, `gemini` or `anthropic`: the list can be used \
            unchanged as `tools` in a request to that API.",
        link: None,
        tested: TestedWith::Run("Python"),
    },
    ClientEntry {
        id: "python",
        name: "Python without an MCP library",
        place: "a program, without packages",
        format: TemplateFormat::Python,
        template: include_str!("templates/python.py"),
        note: "Bare JSON-RPC: no handshake is needed. httpx and requests work like urllib.",
        link: None,
        tested: TestedWith::Run("Python"),
    },
    ClientEntry {
        id: "curl",
        name: "curl",
        place: "a shell",
        format: TemplateFormat::Shell,
        template: include_str!("templates/curl.sh"),
        note: "Bare JSON-RPC, for any program that can POST.",
        link: None,
        tested: TestedWith::Run("curl"),
    },
    ClientEntry {
        id: "curl-rest",
        name: "curl, plain HTTP",
        place: "a shell",
        format: TemplateFormat::Shell,
        template: include_str!("templates/curl_rest.sh"),
        note: "The JSON body holds the arguments.",
        link: None,
        tested: TestedWith::Run("curl"),
    },
];
