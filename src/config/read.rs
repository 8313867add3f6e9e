//! From texts to a valid [`Config`]. Collects mistakes instead of stopping at the first.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::source::{RENAMED, Sources};
use super::table::VARIABLES;
use super::{Config, HttpConfig, Limits, LogConfig};
use crate::caller::Scope;
use crate::http::guard::{AllowedHosts, Origin};
use crate::kasm::UserId;
use crate::kasm::public::KasmConfig;

/// Tokens shorter than this can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// One mistake in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub variable: String,
    /// What is wrong, with the value unless it is secret.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Every mistake there is.
#[derive(Clone, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the settings have {} mistake(s):", self.0.len())?;
        for Mistake {
            variable,
            problem,
            remedy,
        } in &self.0
        {
            writeln!(f, "  {variable}: {problem}\n    -> {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

pub(super) fn config(sources: &Sources) -> Result<Config, Mistakes> {
    let mut reader = Reader::new(sources)?;
    let allowed_roots = roots(&mut reader);
    let kasm = kasm(&mut reader);
    let kasm_user = reader.required(
        "KASM_USER_ID",
        "create a Kasm user for this server and give its id",
    );
    let kasm_user = reader.parsed::<UserId>(
        "KASM_USER_ID",
        kasm_user,
        "give the user's id, 32 hex digits (Kasm: Access Management, Users)",
    );
    let image_cache = reader.seconds("KASM_IMAGE_CACHE_SECONDS", 0, 3_600);
    let http = http(&mut reader);
    let limits = limits(&mut reader);
    let log = log(&mut reader);
    match (kasm, kasm_user, http, log) {
        (Some(kasm), Some(kasm_user), Some(http), Some(log)) if reader.mistakes.is_empty() => {
            Ok(Config {
                kasm,
                kasm_user: kasm_user.to_string(),
                image_cache,
                allowed_roots,
                http,
                limits,
                log,
                notices: reader.notices,
            })
        }
        _ => Err(Mistakes(reader.mistakes)),
    }
}

fn kasm(reader: &mut Reader) -> Option<KasmConfig> {
    const URL_REMEDY: &str =
        "give the address of the Kasm server, such as https://kasm.example.org";
    let url = reader.required("KASM_API_URL", URL_REMEDY);
    let url = reader.parsed::<reqwest::Url>("KASM_API_URL", url, URL_REMEDY);
    if let Some(url) = &url
        && (!matches!(url.scheme(), "http" | "https")
            || url.host().is_none()
            || !url.username().is_empty())
    {
        reader.mistake(
            "KASM_API_URL",
            format!("`{url}` is not an http or https address"),
            URL_REMEDY,
        );
    }
    let api_key = reader.required(
        "KASM_API_KEY",
        "make an API key in Kasm: Settings, Developers",
    );
    let api_key_secret = reader.required(
        "KASM_API_SECRET",
        "give the secret that Kasm showed with the API key",
    );
    let tls_insecure = reader.boolean("KASM_TLS_INSECURE");
    if tls_insecure {
        reader.notices.push(
            "KASM_TLS_INSECURE is on: anybody on the way to Kasm can read the API key".to_owned(),
        );
    }
    if url
        .as_ref()
        .is_some_and(|url| url.scheme() == "http" && !is_local(url))
    {
        reader
            .notices
            .push("KASM_API_URL is http: the API key travels unprotected".to_owned());
    }
    let timeout = reader.seconds("KASM_TIMEOUT_SECONDS", 1, 600);
    let request_timeout = reader.seconds("KASM_REQUEST_TIMEOUT_SECONDS", 1, 600);
    let retries = reader.number("KASM_RETRIES", 0, 10);
    Some(KasmConfig {
        url: url?,
        api_key: SecretString::from(api_key?),
        api_key_secret: SecretString::from(api_key_secret?),
        tls_ca_file: reader.text("KASM_TLS_CA_FILE").map(PathBuf::from),
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

fn http(reader: &mut Reader) -> Option<HttpConfig> {
    let host = reader.text("MCP_SERVER_HOST");
    let host = host.map(|host| {
        if host == "localhost" {
            "127.0.0.1".to_owned()
        } else {
            host
        }
    });
    let ip = reader.parsed::<IpAddr>(
        "MCP_SERVER_HOST",
        host,
        "give an IP address, such as 127.0.0.1 or 0.0.0.0",
    );
    let port = reader.number("MCP_SERVER_PORT", 0, 65_535);
    let scope = reader.text("MCP_AUTH_SCOPE");
    let scope = reader.parsed::<Scope>(
        "MCP_AUTH_SCOPE",
        scope,
        "use kasm:read, kasm:use or kasm:admin",
    );
    let auth_token = reader.text("MCP_AUTH_TOKEN").map(SecretString::from);
    let weak = |token: &SecretString| {
        let token = token.expose_secret();
        token.chars().count() < TOKEN_CHARS_MIN || !token.bytes().all(|b| b.is_ascii_graphic())
    };
    if auth_token.as_ref().is_some_and(weak) {
        reader.mistake(
            "MCP_AUTH_TOKEN",
            format!("the token has fewer than {TOKEN_CHARS_MIN} characters, or some that cannot be in a header"),
            "make a random one: openssl rand -hex 32",
        );
    }
    let ip = ip?;
    if auth_token.is_none() && !super::is_loopback(ip) {
        reader.mistake(
            "MCP_AUTH_TOKEN",
            format!("not set, and {ip} can be reached from other machines"),
            "set a token (openssl rand -hex 32), or MCP_SERVER_HOST=127.0.0.1 to serve this machine only",
        );
    }
    let public = reader.text("MCP_PUBLIC_URL");
    let path_prefix = public.as_deref().map(path_prefix).unwrap_or_default();
    let public = reader.parsed::<Origin>(
        "MCP_PUBLIC_URL",
        public,
        "give the URL that clients use, such as https://mcp.example.org",
    );
    let mut allowed_origins = reader.list::<Origin>(
        "MCP_ALLOWED_ORIGINS",
        "write origins as https://app.example.org",
    );
    let mut names: Vec<String> =
        reader.list("MCP_ALLOWED_HOSTS", "write host names as mcp.example.org");
    let open = names.is_empty() && public.is_none() && !super::is_loopback(ip);
    if let Some(public) = public {
        names.push(public.host().to_owned());
        allowed_origins.push(public);
    }
    Some(HttpConfig {
        listen: SocketAddr::new(ip, u16::try_from(port).unwrap_or(0)),
        auth_token,
        auth_scope: scope?,
        allowed_hosts: if open {
            AllowedHosts::Any
        } else {
            AllowedHosts::named(names)
        },
        allowed_origins,
        path_prefix,
    })
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

fn limits(reader: &mut Reader) -> Limits {
    let count = |reader: &mut Reader, name: &str, max: u64| {
        usize::try_from(reader.number(name, 1, max)).unwrap_or(1)
    };
    Limits {
        body_bytes_max: count(reader, "MCP_MAX_BODY_BYTES", 1 << 30),
        sessions_max: count(reader, "MCP_MAX_SESSIONS", 10_000_000),
        sessions_per_caller_max: count(reader, "MCP_MAX_SESSIONS_PER_CALLER", 10_000_000),
        session_idle: reader.seconds("MCP_SESSION_IDLE_SECONDS", 1, 604_800),
        calls_per_caller_max: count(reader, "MCP_MAX_CALLS_PER_CALLER", 100_000),
        tool_timeout: reader.seconds("MCP_TOOL_TIMEOUT_SECONDS", 1, 86_400),
        header_timeout: reader.seconds("MCP_HEADER_TIMEOUT_SECONDS", 1, 3_600),
        connections_max: count(reader, "MCP_MAX_CONNECTIONS", 10_000_000),
        drain: reader.seconds("MCP_DRAIN_SECONDS", 0, 3_600),
    }
}

fn log(reader: &mut Reader) -> Option<LogConfig> {
    let level = reader.text("LOG_LEVEL");
    let level = reader.parsed("LOG_LEVEL", level, "use error, warn, info, debug or trace");
    let json = match reader.text("LOG_FORMAT").as_deref() {
        Some("json") => true,
        Some("text") | None => false,
        Some(other) => {
            reader.mistake(
                "LOG_FORMAT",
                format!("`{other}` is no format"),
                "use text or json",
            );
            false
        }
    };
    Some(LogConfig {
        level: level?,
        json,
    })
}

fn roots(reader: &mut Reader) -> Vec<String> {
    let roots: Vec<String> = reader.list("KASM_ALLOWED_ROOTS", "write absolute paths");
    for root in &roots {
        if !root.starts_with('/') || root.split('/').any(|part| part == "..") {
            let problem = format!("`{root}` is not an absolute path");
            reader.mistake(
                "KASM_ALLOWED_ROOTS",
                problem,
                "write absolute paths without `..`, such as /home/kasm-user",
            );
        }
    }
    roots
}

struct Reader {
    values: HashMap<String, String>,
    mistakes: Vec<Mistake>,
    notices: Vec<String>,
}

impl Reader {
    fn new(sources: &Sources) -> Result<Self, Mistakes> {
        let values = sources.merged().map_err(|error| {
            Mistakes(vec![Mistake {
                variable: sources
                    .file
                    .as_ref()
                    .map_or("settings".to_owned(), |file| file.display().to_string()),
                problem: error.to_string(),
                remedy: "write TOML with the variables in lower case as keys: kasm_api_url = \"…\""
                    .to_owned(),
            }])
        })?;
        let mut reader = Self {
            values,
            mistakes: Vec::new(),
            notices: Vec::new(),
        };
        reader.follow_renames();
        reader.refuse_unknown();
        reader.read_secret_files();
        Ok(reader)
    }

    fn follow_renames(&mut self) {
        for (old, new) in RENAMED {
            if let Some(value) = self.values.remove(&old.to_lowercase()) {
                self.notices.push(format!("{old} is now called {new}"));
                self.values.insert(new.to_lowercase(), value);
            }
        }
    }

    /// Only the TOML file can have unknown keys; the environment is filtered by the table.
    fn refuse_unknown(&mut self) {
        let known = |key: &str| {
            let name = key.to_uppercase();
            VARIABLES
                .iter()
                .any(|v| v.name == name || (v.secret && name.strip_suffix("_FILE") == Some(v.name)))
        };
        let unknown: Vec<String> = self
            .values
            .keys()
            .filter(|key| !known(key))
            .cloned()
            .collect();
        for key in unknown {
            self.mistake(
                &key,
                "there is no such setting".to_owned(),
                "`kasm-mcp settings` lists all",
            );
        }
    }

    fn read_secret_files(&mut self) {
        for variable in VARIABLES.iter().filter(|variable| variable.secret) {
            let key = variable.name.to_lowercase();
            let Some(path) = self.values.remove(&format!("{key}_file")) else {
                continue;
            };
            if self.values.contains_key(&key) {
                let both = format!("set together with {}_FILE", variable.name);
                self.mistake(variable.name, both, "set only one of the two");
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(text) if !text.trim().is_empty() => {
                    self.values.insert(key, text.trim().to_owned());
                }
                Ok(_) => self.mistake(
                    variable.name,
                    format!("the file {path} is empty"),
                    "write the secret into it",
                ),
                Err(error) => {
                    let problem = format!("cannot read the file {path}: {error}");
                    self.mistake(variable.name, problem, "check the path and its permissions");
                }
            }
        }
    }

    fn mistake(&mut self, variable: &str, problem: String, remedy: &str) {
        self.mistakes.push(Mistake {
            variable: variable.to_owned(),
            problem,
            remedy: remedy.to_owned(),
        });
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(&name.to_lowercase())?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn required(&mut self, name: &str, remedy: &str) -> Option<String> {
        let value = self.text(name);
        if value.is_none() && !self.mistakes.iter().any(|mistake| mistake.variable == name) {
            self.mistake(name, "not set".to_owned(), remedy);
        }
        value
    }

    fn parsed<T: FromStr>(&mut self, name: &str, text: Option<String>, remedy: &str) -> Option<T> {
        let text = text?;
        let value = text.parse().ok();
        if value.is_none() {
            self.mistake(name, format!("`{text}` cannot be understood"), remedy);
        }
        value
    }

    fn boolean(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            Some("true" | "1" | "yes" | "on") => true,
            Some("false" | "0" | "no" | "off") | None => false,
            Some(other) => {
                self.mistake(
                    name,
                    format!("`{other}` is neither true nor false"),
                    "write true or false",
                );
                false
            }
        }
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> u64 {
        let text = self.text(name).unwrap_or_default();
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => number,
            _ => {
                let remedy = format!("write a whole number from {min} to {max}");
                self.mistake(name, format!("`{text}` is out of range"), &remedy);
                min
            }
        }
    }

    fn seconds(&mut self, name: &str, min: u64, max: u64) -> Duration {
        Duration::from_secs(self.number(name, min, max))
    }

    fn list<T: FromStr>(&mut self, name: &str, remedy: &str) -> Vec<T> {
        let text = self.text(name).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        parts
            .into_iter()
            .filter_map(|part| self.parsed(name, Some(part), remedy))
            .collect()
    }
}
