//! The HTTP server: who may call it, and by which names.

use std::path::PathBuf;

use super::reader::SettingsReader;
use super::variable::{Variable, without_default};
use super::{HttpConfig, address, is_loopback, metrics, oauth, tokens};
use crate::caller::Realm;
use crate::http::guard::{AllowedHosts, AllowedOrigin, WebOrigin};

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
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
];

/// The HTTP server. `realms` are those of the providers that are on.
pub(super) fn read_http(
    reader: &mut SettingsReader,
    tokens_file: Option<PathBuf>,
    realms: &[Realm],
) -> Option<HttpConfig> {
    let listen = address::read_address(reader);
    let grants = tokens::read_grants(reader);
    let auth_token = tokens::read_token(reader);
    let listen = listen?;
    let ip = listen.ip();
    let public = reader.text_value("MCP_PUBLIC_URL");
    let path_prefix = public.as_deref().map(path_prefix).unwrap_or_default();
    let public_url = public.as_deref().map(without_mcp);
    let oauth = oauth::read_oauth(reader, public_url.as_deref(), realms);
    let public = reader.parsed_value::<WebOrigin>(
        "MCP_PUBLIC_URL",
        public,
        "give the URL that clients use, such as https://mcp.example.org",
    );
    let mut allowed_origins = allowed_origins(reader);
    let mut names: Vec<String> =
        reader.list_value("MCP_ALLOWED_HOSTS", "write host names as mcp.example.org");
    // A server for other machines cannot know its names, and it needs a token. A server on loopback accepts
    // only names of this machine, so a web page cannot reach it by DNS rebinding.
    let open = names.is_empty() && public.is_none() && !is_loopback(ip);
    if let Some(public) = public {
        names.push(public.host_name());
        allowed_origins.push(AllowedOrigin::Web(public));
    }
    let trusted_proxies = reader.list_value(
        "MCP_TRUSTED_PROXIES",
        "write addresses or networks, such as 127.0.0.1 or 172.16.0.0/12",
    );
    let metrics_listen = metrics::metrics_address(reader);
    Some(HttpConfig {
        listen,
        auth_token,
        tokens_file,
        oauth,
        auth_grants: grants?,
        allowed_hosts: if open {
            AllowedHosts::Any
        } else {
            AllowedHosts::with_names(names)
        },
        allowed_origins,
        trusted_proxies,
        metrics_listen,
        path_prefix,
        public_url,
    })
}

fn allowed_origins(reader: &mut SettingsReader) -> Vec<AllowedOrigin> {
    let origins = reader.list_value::<AllowedOrigin>(
        "MCP_ALLOWED_ORIGINS",
        "write origins as clients send them, without a path: https://app.example.org, app://obsidian.md, null",
    );
    if origins.iter().any(AllowedOrigin::is_null) {
        reader.notices.push(
            "MCP_ALLOWED_ORIGINS has null: any web page can send it from a sandboxed frame, so only tokens protect \
             against pages"
                .to_owned(),
        );
    }
    origins
}

/// `https://example.org/kasm` of `https://example.org/kasm/mcp`.
fn without_mcp(public: &str) -> String {
    let url = public.trim_end_matches('/');
    url.strip_suffix("/mcp").unwrap_or(url).to_owned()
}

/// `/kasm` of `https://example.org/kasm/mcp`.
fn path_prefix(public: &str) -> String {
    let path = public
        .parse::<http::Uri>()
        .map(|uri| uri.path().to_owned())
        .unwrap_or_default();
    let path = path.trim_end_matches('/');
    path.strip_suffix("/mcp").unwrap_or(path).to_owned()
}
