//! The one table of settings. `.env.example`, the README table and the reading of values all come
//! from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The environment variable. In the TOML file the same name in lower case.
    pub name: &'static str,
    /// What applies when it is not set. Empty: nothing.
    pub default: &'static str,
    /// Whether its value must never be shown. `NAME_FILE` then names a file that holds it.
    pub secret: bool,
    /// What it is for.
    pub about: &'static str,
    /// An example for `.env.example`, where there is no default.
    pub example: &'static str,
}

const fn plain(name: &'static str, default: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default,
        secret: false,
        about,
        example: "",
    }
}

const fn given(name: &'static str, example: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        default: "",
        secret: false,
        about,
        example,
    }
}

const fn secret(name: &'static str, example: &'static str, about: &'static str) -> Variable {
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
    given(
        "KASM_API_URL",
        "https://kasm.example.org",
        "The Kasm server. Required.",
    ),
    secret(
        "KASM_API_KEY",
        "",
        "The API key (Kasm: Settings, Developers, Add API Key). Required.",
    ),
    secret(
        "KASM_API_SECRET",
        "",
        "The secret shown with the key. Required.",
    ),
    given(
        "KASM_USER_ID",
        "",
        "The Kasm user whose sessions the token may touch: its id, 32 hex digits. Make one just for this server. Required.",
    ),
    given(
        "KASM_TLS_CA_FILE",
        "",
        "A PEM file with the CA of Kasm's certificate, if no public one signed it.",
    ),
    plain(
        "KASM_TLS_INSECURE",
        "false",
        "Accept any certificate of Kasm. Only for a test.",
    ),
    plain(
        "KASM_TIMEOUT_SECONDS",
        "30",
        "How long an ordinary call to Kasm may take.",
    ),
    plain(
        "KASM_REQUEST_TIMEOUT_SECONDS",
        "120",
        "How long Kasm may take to accept a new session.",
    ),
    plain(
        "KASM_RETRIES",
        "2",
        "How often a read is repeated when Kasm does not answer.",
    ),
    plain(
        "KASM_IMAGE_CACHE_SECONDS",
        "30",
        "How long the workspace list is kept for finding names.",
    ),
    plain(
        "KASM_ALLOWED_ROOTS",
        "/home/kasm-user",
        "Directories inside a workspace that commands may start in and files may be touched in, separated by commas.",
    ),
    given(
        "KASM_POLICY_FILE",
        "/etc/kasm-mcp/policy.toml",
        "A file with rules for commands, added to the built-in ones (docs/policy.md).",
    ),
    plain(
        "KASM_ALLOW_ROOT",
        "false",
        "Let commands run as root inside a workspace when they ask for it.",
    ),
    plain(
        "KASM_COMMAND_MAX_SECONDS",
        "3600",
        "How long one command may run.",
    ),
    plain(
        "KASM_COMMAND_WAIT_SECONDS",
        "30",
        "How long a call waits for a command unless it says otherwise. The command goes on.",
    ),
    plain(
        "KASM_COMMAND_OUTPUT_BYTES",
        "65536",
        "How much of standard output, and of standard error, is in one reply.",
    ),
    plain(
        "KASM_COMMAND_KEEP_BYTES",
        "10485760",
        "How much of standard output, and of standard error, is kept in the workspace.",
    ),
    plain(
        "KASM_FILE_READ_BYTES",
        "262144",
        "How much of a file is in one reply.",
    ),
    plain(
        "KASM_FILE_EDIT_BYTES",
        "4194304",
        "The largest file that edit_kasm_file changes.",
    ),
    plain(
        "KASM_FILE_LINK_BYTES",
        "1073741824",
        "The largest file that goes through `/files/` and its links.",
    ),
    plain(
        "KASM_FILE_LINK_SECONDS",
        "600",
        "How long a link to a file is good.",
    ),
    plain(
        "KASM_DESKTOP_MAX_ACTIONS",
        "24",
        "Actions in one call of control_desktop.",
    ),
    plain(
        "KASM_SCREENSHOT_PIXELS",
        "1280",
        "The longer side of a picture of a screen, unless a call asks for another size.",
    ),
    plain(
        "KASM_SCREENSHOT_BYTES",
        "524288",
        "How large such a picture may be. Larger ones become JPEG, of lower quality.",
    ),
    plain(
        "KASM_LEASE_MAX_MINUTES",
        "1440",
        "The longest lease that a session may be created with.",
    ),
    plain(
        "MCP_SERVER_HOST",
        "0.0.0.0",
        "The address to listen on. 127.0.0.1 serves this machine only.",
    ),
    plain("MCP_SERVER_PORT", "8080", "The port to listen on."),
    secret(
        "MCP_AUTH_TOKEN",
        "",
        "The token that clients send as `Authorization: Bearer`. At least 16 characters, better 32 random bytes. Without any token, a server that others can reach makes one and shows it once.",
    ),
    plain(
        "MCP_AUTH_SCOPE",
        "kasm:admin",
        "How much the token may do: kasm:read, kasm:use or kasm:admin; each includes the ones before it.",
    ),
    given(
        "MCP_TOKENS_FILE",
        "/etc/kasm-mcp/tokens.toml",
        "A file of tokens for several callers (`kasm-mcp token new`; docs/security.md). Read again when it changes. Default: tokens.toml in MCP_STATE_DIR, if it is there.",
    ),
    given(
        "MCP_OAUTH_ISSUERS",
        "https://login.example.org/realms/kasm",
        "Authorization servers whose access tokens are accepted, exactly as they name themselves, separated by commas (docs/security.md). Needs MCP_PUBLIC_URL and MCP_OAUTH_USER_CLAIM.",
    ),
    given(
        "MCP_OAUTH_USER_CLAIM",
        "preferred_username",
        "The claim of access tokens that names the Kasm user, by username or id. Take one that users cannot choose themselves.",
    ),
    given(
        "MCP_OAUTH_AUDIENCE",
        "https://mcp.example.org/mcp",
        "The audience that access tokens must be for; several separated by commas. Default: MCP_PUBLIC_URL, alone or with the path of an entry point such as /mcp.",
    ),
    plain(
        "MCP_OAUTH_CLOCK_SKEW_SECONDS",
        "30",
        "How far the clock of an authorization server may be off.",
    ),
    given(
        "MCP_PUBLIC_URL",
        "https://mcp.example.org",
        "The URL that clients use. Its host and origin are then allowed.",
    ),
    given(
        "MCP_ALLOWED_HOSTS",
        "mcp.example.org",
        "Host names that requests may be addressed to, separated by commas. Default: any with a token, this machine's without.",
    ),
    given(
        "MCP_ALLOWED_ORIGINS",
        "https://app.example.org",
        "Origins of web pages that may call, separated by commas. Programs send none.",
    ),
    given(
        "MCP_TRUSTED_PROXIES",
        "127.0.0.1, 172.16.0.0/12",
        "Addresses of the proxies in front, separated by commas. Only these are believed when `X-Forwarded-For` or `Forwarded` says whom a request is from.",
    ),
    plain(
        "MCP_RATE_PER_ADDRESS",
        "1200/200",
        "Requests from one address (IPv6: one /64), whoever asks: how many a minute, and how many at once.",
    ),
    plain(
        "MCP_RATE_FAILED_AUTH",
        "10/10",
        "Wrong tokens from one address, likewise. Then only callers known from there get in, for as long as it lasts.",
    ),
    plain(
        "MCP_RATE_PER_CALLER",
        "600/60",
        "Requests of one caller whose token names no rate, likewise.",
    ),
    plain(
        "MCP_RATE_COSTLY_TOOLS",
        "30/10",
        "Calls of one caller that start a session or change a user, likewise.",
    ),
    plain("MCP_MAX_BODY_BYTES", "8388608", "The largest request body."),
    plain(
        "MCP_MAX_SESSIONS",
        "10000",
        "Sessions of MCP revisions before 2026-07-28, in all.",
    ),
    plain(
        "MCP_MAX_SESSIONS_PER_CALLER",
        "100",
        "The same, of one caller. Beyond it the longest unused one ends.",
    ),
    plain(
        "MCP_SESSION_IDLE_SECONDS",
        "1800",
        "How long an unused MCP session is kept.",
    ),
    plain(
        "MCP_MAX_CALLS_PER_CALLER",
        "32",
        "Tool calls of one caller at a time.",
    ),
    plain(
        "MCP_MAX_TRANSFERS",
        "16",
        "Files on their way through `/files/` at a time. An upload takes up to 20 MB of memory.",
    ),
    plain(
        "MCP_TOOL_TIMEOUT_SECONDS",
        "300",
        "How long one tool call may take.",
    ),
    plain(
        "MCP_CONFIRM_TIMEOUT_SECONDS",
        "120",
        "How long a person may take to answer when a tool asks for consent, within the time of a tool call. No answer is a no.",
    ),
    plain(
        "MCP_HEADER_TIMEOUT_SECONDS",
        "60",
        "How long a client may take to send its headers, or keep an idle connection.",
    ),
    plain(
        "MCP_BODY_TIMEOUT_SECONDS",
        "30",
        "How long a request's body may be waited for, and a second more for each 8 KiB that came.",
    ),
    plain(
        "MCP_MAX_HEADER_BYTES",
        "65536",
        "The headers of a request, all together; at least 8192. There may be 100.",
    ),
    plain("MCP_MAX_CONNECTIONS", "20000", "Open connections."),
    plain(
        "MCP_MAX_CONNECTIONS_PER_ADDRESS",
        "1000",
        "The same, of one address that is no trusted proxy's.",
    ),
    plain(
        "MCP_MAX_STREAMS",
        "10000",
        "Open event streams that wait for what belongs to no call, in all.",
    ),
    plain(
        "MCP_MAX_STREAMS_PER_CALLER",
        "200",
        "The same, of one caller.",
    ),
    plain(
        "MCP_DRAIN_SECONDS",
        "20",
        "How long calls may finish after a stop signal.",
    ),
    plain(
        "MCP_STATE_DIR",
        "/var/lib/kasm-mcp",
        "A directory for what must outlive a restart: the leases of sessions, tokens, the record of calls. Used if it exists; each server needs its own.",
    ),
    given(
        "MCP_AUDIT_FILE",
        "/var/log/kasm-mcp/audit.jsonl",
        "The record of tool calls (docs/security.md), or `off`. Default: audit.jsonl in MCP_STATE_DIR, if that exists.",
    ),
    plain(
        "MCP_AUDIT_FILE_BYTES",
        "104857600",
        "How large a file of the record becomes before the next one is begun.",
    ),
    plain(
        "MCP_AUDIT_FILES",
        "0",
        "How many full files of the record are kept. 0: all.",
    ),
    plain(
        "MCP_AUDIT_FAIL_OPEN",
        "false",
        "Let calls that change something go on when the record cannot be written. They are refused otherwise.",
    ),
    given(
        "MCP_METRICS_LISTEN",
        "127.0.0.1:9464",
        "Where to serve `/metrics` without a token (docs/monitoring.md): an address that only the monitoring reaches.",
    ),
    plain(
        "LOG_LEVEL",
        "info",
        "error, warn, info, debug or trace. Logs go to stderr.",
    ),
    plain(
        "LOG_FORMAT",
        "text",
        "text, journal (for systemd: no time, the level as a number) or json.",
    ),
    given(
        "MCP_OTLP_ENDPOINT",
        "http://127.0.0.1:4318",
        "A collector that takes traces as OTLP over HTTP. Only in a program built with `--features otlp`.",
    ),
];
