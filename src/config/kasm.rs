//! Kasm: the connection, the user, and the tools.

pub(super) mod tools;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::is_loopback;
use super::reader::SettingsReader;
use super::variable::{Variable, secret_variable, with_default, without_default};
use crate::kasm::UserId;
use crate::kasm::public::KasmConfig;
use crate::providers::kasm::KasmSettings;

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    without_default(
        "KASM_API_URL",
        "https://kasm.example.org",
        "The URL of the Kasm server. Required for Kasm.",
    ),
    secret_variable(
        "KASM_API_KEY",
        "",
        "The API key (Kasm: Settings, Developers, Add API Key). Required for Kasm.",
    ),
    secret_variable(
        "KASM_API_SECRET",
        "",
        "The secret that Kasm shows with the API key. Required for Kasm.",
    ),
    without_default(
        "KASM_USER_ID",
        "",
        "The id of the Kasm user (32 hex digits) whose sessions MCP_AUTH_TOKEN gives access to. Create a user for this server alone. Required for Kasm.",
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
];

/// The settings without which there is no Kasm. One of them is enough to turn Kasm on; then all are needed.
const REQUIRED: [&str; 4] = [
    "KASM_API_URL",
    "KASM_API_KEY",
    "KASM_API_SECRET",
    "KASM_USER_ID",
];

/// A Kasm server, and what its tools may do there.
#[derive(Clone, Debug)]
pub struct KasmBackend {
    /// The connection to the server.
    pub connection: KasmConfig,
    /// The user whose sessions callers without a user of their own may use.
    pub user: String,
    /// How long the workspace list is cached.
    pub image_cache: Duration,
    /// Settings of the tools.
    pub tools: KasmSettings,
}

/// Whether Kasm is wanted.
pub(super) fn is_wanted(reader: &SettingsReader) -> bool {
    REQUIRED.iter().any(|name| reader.is_named(name))
}

/// What to set for it.
pub(super) fn how_to_turn_on() -> String {
    format!("for Kasm, set {}", REQUIRED.join(", "))
}

/// Reads all settings of Kasm. None: it is off, or one of them is invalid.
pub(super) fn read_kasm(reader: &mut SettingsReader) -> Option<KasmBackend> {
    // Read in any case. A mistake in one of these is reported even if Kasm is off.
    let tools = tools::read_tools(reader);
    let image_cache = reader.seconds_value("KASM_IMAGE_CACHE_SECONDS", 0, 3_600);
    if !is_wanted(reader) {
        return None;
    }
    let connection = read_connection(reader);
    let user = reader.required_text(
        "KASM_USER_ID",
        "create a Kasm user for this server and give its id",
    );
    let user = reader.parsed_value::<UserId>(
        "KASM_USER_ID",
        user,
        "give the user's id, 32 hex digits (Kasm: Access Management, Users)",
    );
    Some(KasmBackend {
        connection: connection?,
        user: user?.to_string(),
        image_cache,
        tools: tools?,
    })
}

fn read_connection(reader: &mut SettingsReader) -> Option<KasmConfig> {
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
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_loopback)
}
