//! Converts texts to a valid [`Config`]. Collects all errors instead of stopping at the first.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use super::{Config, HttpConfig, LogConfig, LogFormat};
use super::{limits, oauth, tokens};
use crate::caller::Grants;
use crate::http::guard::{AllowedHosts, AllowedOrigin, WebOrigin};
use crate::kasm::UserId;
use crate::kasm::public::KasmConfig;
use crate::policy::Policy;
use crate::providers::REALMS;
use crate::providers::kasm::{CommandLimits, DesktopLimits, FileLimits, KasmSettings};

/// Tokens shorter than this can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

pub(super) fn read_config(sources: &SettingsSources) -> Result<Config, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    let policy = read_policy(&mut reader);
    let commands = read_command_limits(&mut reader);
    let files = read_file_limits(&mut reader);
    let desktops = read_desktop_limits(&mut reader);
    let lease_max = reader.seconds_value("KASM_LEASE_MAX_MINUTES", 1, 525_600) * 60;
    let state_dir = reader.text_value("MCP_STATE_DIR");
    let link_lifetime = reader.seconds_value("KASM_FILE_LINK_SECONDS", 1, 86_400);
    let audit = super::audit::audit_settings(&mut reader);
    let kasm = read_kasm(&mut reader);
    let kasm_user = reader.required_text(
        "KASM_USER_ID",
        "create a Kasm user for this server and give its id",
    );
    let kasm_user = reader.parsed_value::<UserId>(
        "KASM_USER_ID",
        kasm_user,
        "give the user's id, 32 hex digits (Kasm: Access Management, Users)",
    );
    let image_cache = reader.seconds_value("KASM_IMAGE_CACHE_SECONDS", 0, 3_600);
    // An invalid id is a mistake already; the tokens file is checked all the same.
    let usual_user = kasm_user.map(|user| user.to_string());
    let tokens_file = tokens::checked_tokens_file(&mut reader, usual_user.as_deref());
    let http = read_http(&mut reader, tokens_file);
    let limits = limits::read_limits(&mut reader);
    let log = read_log(&mut reader);
    // All parts are read before this decision, so one start reports the mistakes of all parts.
    match (kasm, kasm_user, http, limits, log, policy) {
        (Some(kasm), Some(kasm_user), Some(http), Some(limits), Some(log), Some(policy))
            if reader.mistakes.is_empty() =>
        {
            Ok(Config {
                kasm,
                kasm_user: kasm_user.to_string(),
                image_cache,
                tools: KasmSettings {
                    policy,
                    commands,
                    files,
                    desktops,
                    lease_max,
                },
                state_dir: state_dir.map(PathBuf::from),
                link_lifetime,
                audit,
                http,
                limits,
                log,
                notices: reader.notices,
            })
        }
        _ => Err(SettingMistakes(reader.mistakes)),
    }
}

fn read_kasm(reader: &mut SettingsReader) -> Option<KasmConfig> {
    const URL_REMEDY: &str = "give the URL of the Kasm server, such as https://kasm.example.org";
    let url = reader.required_text("KASM_API_URL", URL_REMEDY);
    let url = reader.parsed_value::<reqwest::Url>("KASM_API_URL", url, URL_REMEDY);
    // The URL is logged at the start, so it must not hold credentials.
    if let Some(url) = &url
        && (!matches!(url.scheme(), "http" | "https")
            || url.host().is_none()
            || !url.username().is_empty())
    {
        reader.add_mistake(
            "KASM_API_URL",
            format!("`{url}` is not an http or https URL"),
            URL_REMEDY,
        );
    }
    let api_key = reader.required_text(
        "KASM_API_KEY",
        "create an API key in Kasm: Settings, Developers",
    );
    let api_key_secret = reader.required_text(
        "KASM_API_SECRET",
        "give the secret that Kasm showed with the API key",
    );
    let tls_insecure = reader.boolean_value("KASM_TLS_INSECURE");
    if tls_insecure {
        reader.notices.push(
            "KASM_TLS_INSECURE is on: an attacker in the network can read the API key".to_owned(),
        );
    }
    if url
        .as_ref()
        .is_some_and(|url| url.scheme() == "http" && !is_local(url))
    {
        reader
            .notices
            .push("KASM_API_URL is http: the API key is sent unencrypted".to_owned());
    }
    let timeout = reader.seconds_value("KASM_TIMEOUT_SECONDS", 1, 600);
    let request_timeout = reader.seconds_value("KASM_REQUEST_TIMEOUT_SECONDS", 1, 600);
    let retries = reader.number_value("KASM_RETRIES", 0, 10);
    Some(KasmConfig {
        url: url?,
        api_key: SecretString::from(api_key?),
        api_key_secret: SecretString::from(api_key_secret?),
        tls_ca_file: reader.text_value("KASM_TLS_CA_FILE").map(PathBuf::from),
        tls_insecure,
        timeout,
        request_timeout,
        retries: u32::try_from(retries).unwrap_or(0),
    })
}

fn is_local(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(super::is_loopback)
}

/// The address to listen on, even if other settings are invalid.
pub(super) fn read_listen(sources: &SettingsSources) -> Result<SocketAddr, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // Unreadable secrets do not matter here.
    reader.mistakes.clear();
    match read_address(&mut reader) {
        Some(listen) if reader.mistakes.is_empty() => Ok(listen),
        _ => Err(SettingMistakes(reader.mistakes)),
    }
}

pub(super) fn read_address(reader: &mut SettingsReader) -> Option<SocketAddr> {
    let host = reader.text_value("MCP_SERVER_HOST");
    // The setting is an IP address, but `localhost` is often written.
    let host = host.map(|host| host.replace("localhost", "127.0.0.1"));
    let ip = reader.parsed_value::<IpAddr>(
        "MCP_SERVER_HOST",
        host,
        "give an IP address, such as 127.0.0.1 or 0.0.0.0",
    );
    let port = reader.number_value("MCP_SERVER_PORT", 0, 65_535);
    Some(SocketAddr::new(ip?, u16::try_from(port).unwrap_or(0)))
}

fn read_http(reader: &mut SettingsReader, tokens_file: Option<PathBuf>) -> Option<HttpConfig> {
    let listen = read_address(reader);
    let grants = read_grants(reader);
    let auth_token = reader.text_value("MCP_AUTH_TOKEN").map(SecretString::from);
    let weak = |token: &SecretString| {
        let token = token.expose_secret();
        token.chars().count() < TOKEN_CHARS_MIN || !token.bytes().all(|b| b.is_ascii_graphic())
    };
    if auth_token.as_ref().is_some_and(weak) {
        reader.add_mistake(
            "MCP_AUTH_TOKEN",
            format!("the token has fewer than {TOKEN_CHARS_MIN} characters, or characters that are invalid in a \
                header"),
            "create a random one: openssl rand -hex 32",
        );
    }
    let listen = listen?;
    let ip = listen.ip();
    let public = reader.text_value("MCP_PUBLIC_URL");
    let path_prefix = public.as_deref().map(path_prefix).unwrap_or_default();
    let public_url = public.as_deref().map(without_mcp);
    let oauth = oauth::read_oauth(reader, public_url.as_deref());
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
    let open = names.is_empty() && public.is_none() && !super::is_loopback(ip);
    if let Some(public) = public {
        names.push(public.host_name());
        allowed_origins.push(AllowedOrigin::Web(public));
    }
    let trusted_proxies = reader.list_value(
        "MCP_TRUSTED_PROXIES",
        "write addresses or networks, such as 127.0.0.1 or 172.16.0.0/12",
    );
    let metrics_listen = reader.text_value("MCP_METRICS_LISTEN");
    let metrics_listen = reader.parsed_value(
        "MCP_METRICS_LISTEN",
        metrics_listen,
        "write an address and a port, such as 127.0.0.1:9464",
    );
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

fn read_grants(reader: &mut SettingsReader) -> Option<Grants> {
    const SCOPE: &str = "MCP_AUTH_SCOPE";
    let text = reader.text_value(SCOPE).unwrap_or_default();
    let grants = Grants::from_names(&text, REALMS);
    grants
        .map_err(|unknown| {
            let problem = format!("`{text}` is not a valid value");
            reader.add_mistake(SCOPE, problem, &unknown.to_string());
        })
        .ok()
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

fn read_log(reader: &mut SettingsReader) -> Option<LogConfig> {
    let level = reader.text_value("LOG_LEVEL");
    let level = reader.parsed_value("LOG_LEVEL", level, "use error, warn, info, debug or trace");
    let format = match reader.text_value("LOG_FORMAT").as_deref() {
        Some("json") => LogFormat::Json,
        Some("journal") => LogFormat::Journal,
        Some("text") | None => LogFormat::Text,
        Some(other) => {
            reader.add_mistake(
                "LOG_FORMAT",
                format!("`{other}` is not a log format"),
                "use text, journal or json",
            );
            LogFormat::Text
        }
    };
    let otlp_endpoint = reader.text_value("MCP_OTLP_ENDPOINT");
    // Otherwise missing traces would be noticed only when they are needed.
    if otlp_endpoint.is_some() && !cfg!(feature = "otlp") {
        reader.add_mistake(
            "MCP_OTLP_ENDPOINT",
            "this binary was built without the feature otlp".to_owned(),
            "omit it, or build with `--features otlp`",
        );
    }
    let otlp_endpoint = reader.parsed_value::<reqwest::Url>(
        "MCP_OTLP_ENDPOINT",
        otlp_endpoint,
        "give the URL of a collector that receives OTLP over HTTP, such as http://127.0.0.1:4318",
    );
    Some(LogConfig {
        level: level?,
        format,
        otlp_endpoint: otlp_endpoint.map(|url| url.to_string()),
    })
}

fn read_command_limits(reader: &mut SettingsReader) -> CommandLimits {
    CommandLimits {
        allow_root: reader.boolean_value("KASM_ALLOW_ROOT"),
        time_max: reader.seconds_value("KASM_COMMAND_MAX_SECONDS", 1, 86_400),
        wait: reader.seconds_value("KASM_COMMAND_WAIT_SECONDS", 0, 3_600),
        // A call has to answer before its own time limit, so it stops waiting a tenth earlier.
        wait_max: reader
            .seconds_value("MCP_TOOL_TIMEOUT_SECONDS", 1, 86_400)
            .mul_f64(0.9),
        output_bytes: usize::try_from(reader.number_value(
            "KASM_COMMAND_OUTPUT_BYTES",
            1_024,
            1 << 24,
        ))
        .unwrap_or(1_024),
        keep_bytes: reader.number_value("KASM_COMMAND_KEEP_BYTES", 1_024, 1 << 30),
    }
}

fn read_file_limits(reader: &mut SettingsReader) -> FileLimits {
    FileLimits {
        read_bytes: reader.number_value("KASM_FILE_READ_BYTES", 1_024, 1 << 26),
        edit_bytes: reader.number_value("KASM_FILE_EDIT_BYTES", 1_024, 1 << 26),
        link_bytes: reader.number_value("KASM_FILE_LINK_BYTES", 1_024, 1 << 40),
    }
}

fn read_desktop_limits(reader: &mut SettingsReader) -> DesktopLimits {
    DesktopLimits {
        actions_max: usize::try_from(reader.number_value("KASM_DESKTOP_MAX_ACTIONS", 1, 1_000))
            .unwrap_or(1),
        picture_pixels: u32::try_from(reader.number_value("KASM_SCREENSHOT_PIXELS", 64, 16_384))
            .unwrap_or(64),
        picture_bytes: usize::try_from(reader.number_value(
            "KASM_SCREENSHOT_BYTES",
            16_384,
            1 << 26,
        ))
        .unwrap_or(16_384),
    }
}

/// The rules of the file, if one is named, for the roots.
fn read_policy(reader: &mut SettingsReader) -> Option<Policy> {
    const FILE: &str = "KASM_POLICY_FILE";
    const ROOTS: &str = "KASM_ALLOWED_ROOTS";
    let roots: Vec<String> = reader.list_value(ROOTS, "write absolute paths");
    for root in &roots {
        if !root.starts_with('/') || root.split('/').any(|part| part == "..") {
            let problem = format!("`{root}` is not an absolute path");
            let remedy = "write absolute paths without `..`, such as /home/kasm-user";
            reader.add_mistake(ROOTS, problem, remedy);
            return None;
        }
    }
    let policy = match reader.text_value(FILE).map(std::fs::read_to_string) {
        None => Policy::built_in(),
        Some(Ok(text)) => Policy::from_rules_text(&text),
        Some(Err(error)) => {
            reader.add_mistake(FILE, error.to_string(), "name a file that can be read");
            return None;
        }
    };
    match policy.and_then(|policy| policy.with_roots(&roots)) {
        Ok(policy) => Some(policy),
        Err(error) => {
            let remedy = "correct the rules; `kasm-mcp policy check` explains decisions";
            reader.add_mistake(FILE, error.to_string(), remedy);
            None
        }
    }
}
