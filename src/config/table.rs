//! The one table of settings. `.env.example`, the README table and the reading of values all come
//! from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The environment variable. In the TOML file the same name in lower case.
    pub name: &'static str,
    /// The default. Empty: none.
    pub default: &'static str,
    /// Whether the value is secret. `NAME_FILE` can then name a file that holds it.
    pub secret: bool,
    /// The description.
    // `.env.example` has a setting active if this text ends with `Required.`.
    pub about: &'static str,
    /// An example for `.env.example`, where there is no default.
    pub example: &'static str,
}

const fn with_default(name: &'static str, default: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default,
        secret: false,
        about,
        example: "",
    }
}

const fn without_default(
    name: &'static str,
    example: &'static str,
    about: &'static str,
) -> Variable {
    Variable {
        name,
        default: "",
        secret: false,
        about,
        example,
    }
}

const fn secret_variable(
    name: &'static str,
    example: &'static str,
    about: &'static str,
) -> Variable {
    Variable {
        name,
        default: "",
        secret: true,
        about,
        example,
    }
}

/// All settings, in the order of the documents.
pub const VARIABLES: &[Variable] = &[
    without_default(
        "KASM_API_URL",
        "https://kasm.example.org",
        "The URL of the Kasm server. Required.",
    ),
    secret_variable(
        "KASM_API_KEY",
        "",
        "The API key (Kasm: Settings, Developers, Add API Key). Required.",
    ),
    secret_variable(
        "KASM_API_SECRET",
        "",
        "The secret that Kasm shows with the API key. Required.",
    ),
    without_default(
        "KASM_USER_ID",
        "",
        "The id of the Kasm user (32 hex digits) whose sessions MCP_AUTH_TOKEN gives access to. Create a user for this server alone. Required.",
    ),
    without_default(
        "KASM_TLS_CA_FILE",
        "",
        "A PEM file with the CA that signed Kasm's certificate. Needed if no public CA signed it.",
    ),
    with_default(
        "KASM_TLS_INSECURE",
        "false",
        "Accept any certificate from Kasm. For tests only.",
    ),
    with_default(
        "KASM_TIMEOUT_SECONDS",
        "30",
        "Time limit for one call to the Kasm API.",
    ),
    with_default(
        "KASM_REQUEST_TIMEOUT_SECONDS",
        "120",
        "Time limit for Kasm to accept a request for a new session.",
    ),
    with_default(
        "KASM_RETRIES",
        "2",
        "How many times to retry a read when Kasm does not answer.",
    ),
    with_default(
        "KASM_IMAGE_CACHE_SECONDS",
        "30",
        "How long to cache the list of workspaces, which is used to resolve workspace names.",
    ),
    with_default(
        "KASM_ALLOWED_ROOTS",
        "/home/kasm-user",
        "Folders in a session, separated by commas. Commands may start only in these, and tools may read and write only files below them.",
    ),
    without_default(
        "KASM_POLICY_FILE",
        "/etc/kasm-mcp/policy.toml",
        "A file with command rules, which are added to the built-in rules (docs/policy.md).",
    ),
    with_default(
        "KASM_ALLOW_ROOT",
        "false",
        "Allow a command to run as root in a session if the call asks for it.",
    ),
    with_default(
        "KASM_COMMAND_MAX_SECONDS",
        "3600",
        "The longest time that one command may run.",
    ),
    with_default(
        "KASM_COMMAND_WAIT_SECONDS",
        "30",
        "How long a call waits for its command if the call sets no time. The command continues after that.",
    ),
    with_default(
        "KASM_COMMAND_OUTPUT_BYTES",
        "65536",
        "The most of standard output, and of standard error, that one reply contains.",
    ),
    with_default(
        "KASM_COMMAND_KEEP_BYTES",
        "10485760",
        "The most of standard output, and of standard error, that is kept in the session.",
    ),
    with_default(
        "KASM_FILE_READ_BYTES",
        "262144",
        "The most of a file that one reply contains.",
    ),
    with_default(
        "KASM_FILE_EDIT_BYTES",
        "4194304",
        "The largest file that edit_kasm_file edits.",
    ),
    with_default(
        "KASM_FILE_LINK_BYTES",
        "1073741824",
        "The largest file that can be sent through `/files/` and file links.",
    ),
    with_default(
        "KASM_FILE_LINK_SECONDS",
        "600",
        "How long a file link is valid.",
    ),
    with_default(
        "KASM_DESKTOP_MAX_ACTIONS",
        "24",
        "The most actions in one call of control_desktop.",
    ),
    with_default(
        "KASM_SCREENSHOT_PIXELS",
        "1280",
        "The longer side of a screenshot, unless a call asks for another size.",
    ),
    with_default(
        "KASM_SCREENSHOT_BYTES",
        "524288",
        "The largest screenshot. A larger one is sent as JPEG with lower quality.",
    ),
    with_default(
        "KASM_LEASE_MAX_MINUTES",
        "1440",
        "The longest lease that a new session can be given.",
    ),
    with_default(
        "MCP_SERVER_HOST",
        "0.0.0.0",
        "The address to listen on. With 127.0.0.1, only this machine can connect.",
    ),
    with_default("MCP_SERVER_PORT", "8080", "The port to listen on."),
    secret_variable(
        "MCP_AUTH_TOKEN",
        "",
        "The token that clients send as `Authorization: Bearer`. It needs at least 16 characters; 32 random bytes are better. If no credential is set and other machines can connect, the server creates a token and shows it once.",
    ),
    with_default(
        "MCP_AUTH_SCOPE",
        "kasm:admin",
        "The scope of MCP_AUTH_TOKEN: kasm:read, kasm:use or kasm:admin. Each scope includes those before it.",
    ),
    without_default(
        "MCP_TOKENS_FILE",
        "/etc/kasm-mcp/tokens.toml",
        "A file with the tokens of several callers (`kasm-mcp token new`; docs/security.md). The server reads it again when it changes. Default: tokens.toml in MCP_STATE_DIR, if it exists.",
    ),
    without_default(
        "MCP_OAUTH_ISSUERS",
        "https://login.example.org/realms/kasm",
        "The issuer identifiers of the authorization servers whose access tokens are accepted, separated by commas (docs/security.md). Each must equal the `iss` claim exactly. Needs MCP_PUBLIC_URL and MCP_OAUTH_USER_CLAIM.",
    ),
    without_default(
        "MCP_OAUTH_USER_CLAIM",
        "preferred_username",
        "The claim of an access token that names the Kasm user, by username or id. Choose a claim that users cannot change themselves.",
    ),
    without_default(
        "MCP_OAUTH_AUDIENCE",
        "https://mcp.example.org/mcp",
        "The audiences that are accepted in access tokens, separated by commas. Default: MCP_PUBLIC_URL, alone or with the path of an entry point such as /mcp.",
    ),
    with_default(
        "MCP_OAUTH_CLOCK_SKEW_SECONDS",
        "30",
        "The largest accepted clock difference to an authorization server.",
    ),
    without_default(
        "MCP_PUBLIC_URL",
        "https://mcp.example.org",
        "The URL that clients use. Its host and its origin are allowed automatically.",
    ),
    without_default(
        "MCP_ALLOWED_HOSTS",
        "mcp.example.org",
        "Host names that are accepted in requests, separated by commas. Default: any name if clients need a token, otherwise only the names of this machine.",
    ),
    without_default(
        "MCP_ALLOWED_ORIGINS",
        "https://app.example.org",
        "Origins that may call this server, separated by commas: those of web pages, and those of programs with a browser inside, such as `app://obsidian.md`, `chrome-extension://<id>`, `vscode-webview://<id>`, `file://` or `null`, which are compared exactly. Most clients send no Origin.",
    ),
    without_default(
        "MCP_TRUSTED_PROXIES",
        "127.0.0.1, 172.16.0.0/12",
        "Addresses of the reverse proxies in front of this server, separated by commas. `X-Forwarded-For` and `Forwarded` are used only if one of these addresses sent them.",
    ),
    with_default(
        "MCP_RATE_PER_ADDRESS",
        "1200/200",
        "Requests per address (IPv6: per /64 network), counted before authentication: per minute/burst.",
    ),
    with_default(
        "MCP_RATE_FAILED_AUTH",
        "10/10",
        "Failed authentications per address: per minute/burst. Above this limit, an address is accepted only for callers that it recently authenticated, until the limit recovers.",
    ),
    with_default(
        "MCP_RATE_PER_CALLER",
        "600/60",
        "Requests per caller, unless the caller's token sets its own rate: per minute/burst.",
    ),
    with_default(
        "MCP_RATE_COSTLY_TOOLS",
        "30/10",
        "Calls per caller of tools that start a session or change a user: per minute/burst.",
    ),
    with_default("MCP_MAX_BODY_BYTES", "8388608", "The largest request body."),
    with_default(
        "MCP_MAX_SESSIONS",
        "10000",
        "The most MCP sessions (of MCP revisions before 2026-07-28).",
    ),
    with_default(
        "MCP_MAX_SESSIONS_PER_CALLER",
        "100",
        "The most MCP sessions per caller. A new one closes the least recently used one.",
    ),
    with_default(
        "MCP_SESSION_IDLE_SECONDS",
        "1800",
        "How long an MCP session is kept without a request.",
    ),
    with_default(
        "MCP_MAX_CALLS_PER_CALLER",
        "32",
        "The most concurrent tool calls per caller.",
    ),
    with_default(
        "MCP_MAX_TRANSFERS",
        "16",
        "The most concurrent file transfers through `/files/`. An upload takes up to 20 MB of memory.",
    ),
    with_default(
        "MCP_TOOL_TIMEOUT_SECONDS",
        "300",
        "Time limit for one tool call.",
    ),
    with_default(
        "MCP_CONFIRM_TIMEOUT_SECONDS",
        "120",
        "How long a tool waits for a person to approve its call, within the time limit of the call. Without an answer, the call is refused.",
    ),
    with_default(
        "MCP_HEADER_TIMEOUT_SECONDS",
        "60",
        "Time limit for receiving the headers of a request. An idle connection is closed after this time too.",
    ),
    with_default(
        "MCP_BODY_TIMEOUT_SECONDS",
        "30",
        "Time limit for receiving a request body. One second is added for each 8 KiB received.",
    ),
    with_default(
        "MCP_MAX_HEADER_BYTES",
        "65536",
        "The largest size of all headers of a request, at least 8192. A request may have 100 headers.",
    ),
    with_default("MCP_MAX_CONNECTIONS", "20000", "The most open connections."),
    with_default(
        "MCP_MAX_CONNECTIONS_PER_ADDRESS",
        "1000",
        "The most open connections per address. Does not apply to MCP_TRUSTED_PROXIES.",
    ),
    with_default(
        "MCP_MAX_STREAMS",
        "10000",
        "The most open notification streams (GET /mcp, /sse and subscriptions/listen).",
    ),
    with_default(
        "MCP_MAX_STREAMS_PER_CALLER",
        "200",
        "The most open notification streams per caller.",
    ),
    with_default(
        "MCP_DRAIN_SECONDS",
        "20",
        "How long running calls may take to finish after a stop signal.",
    ),
    with_default(
        "MCP_STATE_DIR",
        "/var/lib/kasm-mcp",
        "A folder for data that must survive a restart: leases of sessions, tokens, and the audit log. It is used if it exists. Each server needs its own.",
    ),
    without_default(
        "MCP_AUDIT_FILE",
        "/var/log/kasm-mcp/audit.jsonl",
        "The audit log of tool calls (docs/security.md), or `off`. Default: audit.jsonl in MCP_STATE_DIR, if that folder exists.",
    ),
    with_default(
        "MCP_AUDIT_FILE_BYTES",
        "104857600",
        "The size at which a file of the audit log is closed and the next one is started.",
    ),
    with_default(
        "MCP_AUDIT_FILES",
        "0",
        "How many full files of the audit log are kept. 0 keeps all.",
    ),
    with_default(
        "MCP_AUDIT_FAIL_OPEN",
        "false",
        "Run calls that change something even if the audit log cannot be written. Otherwise these calls are refused.",
    ),
    without_default(
        "MCP_METRICS_LISTEN",
        "127.0.0.1:9464",
        "The address and port that serve `/metrics` without a token (docs/monitoring.md). Only the monitoring system should be able to connect to it.",
    ),
    with_default(
        "LOG_LEVEL",
        "info",
        "The log level: error, warn, info, debug or trace. Logs go to stderr.",
    ),
    with_default(
        "LOG_FORMAT",
        "text",
        "The log format: text, json, or journal (for systemd: without the time, with the level as a number).",
    ),
    without_default(
        "MCP_OTLP_ENDPOINT",
        "http://127.0.0.1:4318",
        "A collector that receives traces as OTLP over HTTP. Needs a binary that was built with `--features otlp`.",
    ),
];
