//! Settings from all layers, and what is said about mistakes.

mod providers;

use std::fs;

use kasm_mcp::config::{Config, SettingMistakes, SettingsSources};

fn valid() -> SettingsSources {
    let mut sources = SettingsSources::default();
    for (name, value) in [
        ("KASM_API_URL", "https://kasm.example.org"),
        ("KASM_API_KEY", "key-of-the-environment"),
        ("KASM_API_SECRET", "secret-of-the-environment"),
        ("KASM_USER_ID", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
        ("MCP_AUTH_TOKEN", "token-of-the-environment"),
    ] {
        sources
            .environment
            .insert(name.to_owned(), value.to_owned());
    }
    sources
}

fn set(mut sources: SettingsSources, name: &str, value: &str) -> SettingsSources {
    sources
        .environment
        .insert(name.to_owned(), value.to_owned());
    sources
}

fn mistakes(sources: &SettingsSources) -> SettingMistakes {
    Config::load_settings(sources).expect_err("the settings are wrong")
}

#[test]
fn settings_have_the_documented_defaults() {
    let config = Config::load_settings(&valid()).unwrap();
    let kasm = config.kasm.unwrap();
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.limits.body_bytes_max, 8 << 20);
    assert_eq!(config.limits.sessions_max, 10_000);
    assert_eq!(config.limits.sessions_per_caller_max, 100);
    assert_eq!(config.limits.session_idle.as_secs(), 1_800);
    assert_eq!(config.limits.calls_per_caller_max, 32);
    assert_eq!(config.limits.tool_timeout.as_secs(), 300);
    assert_eq!(config.limits.drain.as_secs(), 20);
    assert_eq!(kasm.connection.timeout.as_secs(), 30);
    assert_eq!(kasm.connection.request_timeout.as_secs(), 120);
    assert_eq!(kasm.connection.retries, 2);
    assert_eq!(kasm.tools.policy.roots(), ["/home/kasm-user"]);
}

#[test]
fn settings_flag_overrides_environment_overrides_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kasm-mcp.toml");
    fs::write(&file, "mcp_server_port = 1000\nmcp_drain_seconds = 1\nkasm_retries = 5\nkasm_allowed_roots = [\"/a\", \"/b\"]\n").unwrap();
    let mut sources = set(
        set(valid(), "MCP_SERVER_PORT", "2000"),
        "MCP_DRAIN_SECONDS",
        "2",
    );
    sources.file = Some(file);
    let config = Config::load_settings(&sources.with_flag("MCP_SERVER_PORT", Some(3000))).unwrap();
    let kasm = config.kasm.unwrap();
    assert_eq!(config.http.listen.port(), 3000);
    assert_eq!(config.limits.drain.as_secs(), 2);
    assert_eq!(kasm.connection.retries, 5);
    assert_eq!(kasm.tools.policy.roots(), ["/a", "/b"]);
}

#[test]
fn settings_mistakes_are_all_reported_without_secrets() {
    let mut sources = SettingsSources::default();
    for (name, value) in [
        ("KASM_API_URL", "kasm.example.org"),
        ("KASM_USER_ID", "somebody"),
        ("KASM_TLS_INSECURE", "maybe"),
        ("MCP_SERVER_PORT", "99999"),
        ("MCP_AUTH_TOKEN", "short-secret"),
        ("MCP_AUTH_SCOPE", "root"),
        ("MCP_ALLOWED_ORIGINS", "app.example.org"),
        ("KASM_ALLOWED_ROOTS", "relative,/a/../b"),
        ("KASM_RETRIES", "-1"),
        ("LOG_LEVEL", "loud"),
    ] {
        sources = set(sources, name, value);
    }
    let found = mistakes(&sources);
    for name in sources
        .environment
        .keys()
        .map(String::as_str)
        .chain(["KASM_API_KEY", "KASM_API_SECRET"])
    {
        let mistake = found.0.iter().find(|mistake| mistake.variable == name);
        let mistake = mistake.unwrap_or_else(|| panic!("{name} is not reported: {found}"));
        assert!(!mistake.remedy.is_empty());
    }
    assert!(!found.to_string().contains("short-secret"), "{found}");
}

#[test]
fn settings_with_impossible_origin_are_a_mistake() {
    for wrong in [
        "app.example.org",
        "*",
        "chrome-extension://*",
        "chrome-extension://",
        "app://obsidian.md/",
        "file:///",
        "file://localhost",
        "app://a@b",
        "://app",
        "1app://a",
        "app:a",
        "https://user@app.example.org",
        "https://",
    ] {
        let found = mistakes(&set(valid(), "MCP_ALLOWED_ORIGINS", wrong));
        let variables: Vec<_> = found.0.iter().map(|mistake| &mistake.variable).collect();
        assert_eq!(variables, ["MCP_ALLOWED_ORIGINS"], "{wrong}");
    }
    // Clients are given this address, so it is a web address.
    for wrong in ["app://obsidian.md", "null", "file://"] {
        let found = mistakes(&set(valid(), "MCP_PUBLIC_URL", wrong));
        let variables: Vec<_> = found.0.iter().map(|mistake| &mistake.variable).collect();
        assert_eq!(variables, ["MCP_PUBLIC_URL"], "{wrong}");
    }
    let config = Config::load_settings(&set(valid(), "MCP_ALLOWED_ORIGINS", "null")).unwrap();
    let notice = config
        .notices
        .iter()
        .find(|notice| notice.contains("MCP_ALLOWED_ORIGINS"));
    assert!(notice.is_some(), "{:?}", config.notices);
}

#[tokio::test]
async fn settings_without_token_on_public_host_lack_a_credential() {
    let mut sources = valid();
    sources.environment.remove("MCP_AUTH_TOKEN");
    for (host, open) in [
        ("0.0.0.0", true),
        ("::", true),
        ("10.0.0.1", true),
        ("192.168.1.5", true),
        ("127.0.0.1", false),
        ("::1", false),
        ("localhost", false),
        ("127.8.0.1", false),
    ] {
        let config = Config::load_settings(&set(sources.clone(), "MCP_SERVER_HOST", host)).unwrap();
        assert_eq!(config.http.lacks_credential(), open, "{host}");
        let server = crate::support::http_app(&config);
        assert_eq!(server.is_err(), open, "{host}");
    }
}

#[test]
fn settings_read_secrets_from_files() {
    use secrecy::ExposeSecret;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "secret-of-the-file\n").unwrap();
    let path = file.to_str().unwrap();
    let mut sources = valid();
    sources.environment.remove("KASM_API_SECRET");
    let config =
        Config::load_settings(&set(sources.clone(), "KASM_API_SECRET_FILE", path)).unwrap();
    assert_eq!(
        config
            .kasm
            .unwrap()
            .connection
            .api_key_secret
            .expose_secret(),
        "secret-of-the-file"
    );

    let missing = mistakes(&set(
        sources.clone(),
        "KASM_API_SECRET_FILE",
        "/nowhere/secret",
    ));
    assert!(missing.to_string().contains("/nowhere/secret"), "{missing}");
    let both = mistakes(&set(valid(), "KASM_API_SECRET_FILE", path));
    assert!(both.to_string().contains("only one"), "{both}");
    fs::write(&file, "\n").unwrap();
    let empty = mistakes(&set(sources, "KASM_API_SECRET_FILE", path));
    assert!(empty.to_string().contains("empty"), "{empty}");
}

#[test]
fn settings_file_with_mistake_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kasm-mcp.toml");
    let mut sources = valid();
    sources.file = Some(file.clone());
    for (text, word) in [
        ("a = [", "kasm-mcp.toml"),
        ("kasm_api_ulr = 1", "kasm_api_ulr"),
    ] {
        fs::write(&file, text).unwrap();
        let found = mistakes(&sources);
        assert!(found.to_string().contains(word), "{found}");
    }
    fs::remove_file(&file).unwrap();
    assert!(mistakes(&sources).to_string().contains("kasm-mcp.toml"));
}

#[test]
fn settings_with_older_names_work_with_a_notice() {
    let config =
        Config::load_settings(&set(valid(), "ALLOWED_ROOTS", "/srv,/home/kasm-user")).unwrap();
    let kasm = config.kasm.unwrap();
    assert_eq!(kasm.tools.policy.roots(), ["/srv", "/home/kasm-user"]);
    assert!(
        config
            .notices
            .iter()
            .any(|notice| notice.contains("KASM_ALLOWED_ROOTS"))
    );
}

#[test]
fn settings_that_relax_safety_are_noticed_and_secrets_hidden() {
    let sources = set(
        set(valid(), "KASM_TLS_INSECURE", "true"),
        "KASM_API_URL",
        "http://kasm.example.org",
    );
    let config = Config::load_settings(&sources).unwrap();
    assert_eq!(config.notices.len(), 2, "{:?}", config.notices);
    let printed = format!("{config:?}");
    for secret in [
        "key-of-the-environment",
        "secret-of-the-environment",
        "token-of-the-environment",
    ] {
        assert!(!printed.contains(secret));
    }
}

#[test]
fn oauth_settings_without_claim_or_public_url_are_mistakes() {
    let issuers = "https://login.example.org/realms/a";
    let sources = set(valid(), "MCP_OAUTH_ISSUERS", issuers);
    let found = mistakes(&sources);
    for name in ["MCP_OAUTH_USER_CLAIM", "MCP_PUBLIC_URL"] {
        assert!(
            found.0.iter().any(|mistake| mistake.variable == name),
            "{found}"
        );
    }
    let sources = set(sources, "MCP_OAUTH_USER_CLAIM", "email");
    let sources = set(
        sources,
        "MCP_PUBLIC_URL",
        "https://mcp.example.org/kasm/mcp",
    );
    let config = Config::load_settings(&sources).unwrap();
    let oauth = config.http.oauth.unwrap();
    assert_eq!(oauth.resource, "https://mcp.example.org/kasm/mcp");
    assert!(oauth.accepts_audience("https://mcp.example.org/kasm/mcp"));
    assert!(!oauth.accepts_audience("https://mcp.example.org/mcp"));
    for wrong in [
        "http://login.example.org",
        "login.example.org",
        "https://u@login.example.org",
        "https://login.example.org?x=1",
    ] {
        let found = mistakes(&set(sources.clone(), "MCP_OAUTH_ISSUERS", wrong));
        assert!(found.to_string().contains("not a valid issuer"), "{found}");
    }
    for right in [
        "http://127.0.0.1:9000",
        "http://[::1]:9000/a",
        "http://localhost",
    ] {
        Config::load_settings(&set(sources.clone(), "MCP_OAUTH_ISSUERS", right)).unwrap();
    }
}
