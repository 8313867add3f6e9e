//! Where a request comes from, as the log tells it.

use kasm_emulator::Emulator;

use crate::support::kasm::until;
use crate::support::program::Program;

/// The line of the log about a request that says of itself that it was passed on for 203.0.113.5.
async fn line(settings: &[(&str, &str)]) -> String {
    let emulator = Emulator::builder().start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let settings = [settings, &[("LOG_LEVEL", "debug")]].concat();
    let program = Program::start(&emulator, directory.path(), "log", &settings).await;
    let health = program.http.get(format!("{}/health", program.base));
    let request = health
        .header("x-forwarded-for", "198.51.100.1, 203.0.113.5")
        .header("x-request-id", "of-this-test");
    request.send().await.unwrap();
    let log = || std::fs::read_to_string(directory.path().join("log")).unwrap();
    let find = |log: &str| {
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains("of-this-test") && line.contains("/health"));
        line.map(str::to_owned)
    };
    until("the request is logged", || find(&log()).is_some()).await;
    find(&log()).unwrap()
}

#[tokio::test]
async fn log_takes_forwarded_address_from_trusted_proxy_only() {
    let untrusted = line(&[]).await;
    assert!(untrusted.contains("client=127.0.0.1"), "{untrusted}");
    let trusted = line(&[("MCP_TRUSTED_PROXIES", "192.0.2.0/24, 127.0.0.0/8")]).await;
    assert!(trusted.contains("client=203.0.113.5"), "{trusted}");
}
