//! What is wrong with Kasm's certificate has a name.

use std::io::Write as _;
use std::sync::Arc;

use kasm_emulator::Emulator;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{OF_KASM, check};

const LOCAL: &[&str] = &["127.0.0.1"];

fn file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

/// A server that shakes hands with this certificate and says nothing. Returns its URL.
async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> String {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
        }
    });
    url
}

/// A server whose certificate a private authority signed; and that authority.
async fn signed(certificate: CertificateParams) -> (String, NamedTempFile) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "Test authority");
    let ca = file(&authority.self_signed(&authority_key).unwrap().pem());
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    (server(certificate.der().clone(), &key).await, ca)
}

/// The row of TLS fails with these words, and what follows is not tried.
async fn fails(emulator: &Emulator, url: &str, ca: Option<&NamedTempFile>, words: &[&str]) {
    let ca = ca.map(|ca| ca.path().to_str().unwrap()).unwrap_or_default();
    let settings = [("KASM_API_URL", url), ("KASM_TLS_CA_FILE", ca)];
    let said = check(emulator, &settings, &[]).await;
    said.has("kasm tls", "fail", words);
    said.skips(&OF_KASM);
    said.fails_only(&["kasm tls"]);
    assert!(emulator.requests().is_empty(), "no key was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_untrusted_certificate_fails_kasm_tls() {
    let emulator = Emulator::builder().tls(true).start().await.unwrap();
    let unknown = ["issuer of the certificate is unknown", "KASM_TLS_CA_FILE"];
    fails(&emulator, emulator.url(), None, &unknown).await;
    let (_, another) = signed(params(LOCAL)).await;
    fails(&emulator, emulator.url(), Some(&another), &unknown).await;

    let key = KeyPair::generate().unwrap();
    let own = params(LOCAL).self_signed(&key).unwrap();
    let url = server(own.der().clone(), &key).await;
    fails(&emulator, &url, None, &["self-signed", "KASM_TLS_CA_FILE"]).await;
    // As the remedy says: the certificate itself can be trusted.
    let pem = file(&own.pem());
    let settings = [
        ("KASM_API_URL", url.as_str()),
        ("KASM_TLS_CA_FILE", pem.path().to_str().unwrap()),
    ];
    let said = check(&emulator, &settings, &[]).await;
    said.has("kasm tls", "ok", &["trusted for 127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_invalid_certificate_fails_kasm_tls() {
    let emulator = Emulator::builder().start().await.unwrap();
    let mut old = params(LOCAL);
    old.not_before = date_time_ymd(2020, 1, 1);
    old.not_after = date_time_ymd(2021, 2, 3);
    let (url, ca) = signed(old).await;
    fails(
        &emulator,
        &url,
        Some(&ca),
        &["expired on 2021-02-03", "renew"],
    )
    .await;

    let mut early = params(LOCAL);
    early.not_before = date_time_ymd(2999, 1, 1);
    early.not_after = date_time_ymd(2999, 2, 3);
    let (url, ca) = signed(early).await;
    fails(
        &emulator,
        &url,
        Some(&ca),
        &["not valid before 2999-01-01", "clock"],
    )
    .await;

    let (url, ca) = signed(params(&["kasm.example.org", "10.1.2.3"])).await;
    let words = [
        "not for 127.0.0.1",
        "for: kasm.example.org, 10.1.2.3",
        "KASM_API_URL",
    ];
    fails(&emulator, &url, Some(&ca), &words).await;
    // Both flaws are told at once.
    fails(&emulator, &url, None, &["is unknown", "kasm.example.org"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_certificate_ending_soon_is_a_note() {
    let emulator = Emulator::builder().start().await.unwrap();
    let mut soon = params(LOCAL);
    soon.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(86_400)).into();
    let (url, ca) = signed(soon).await;
    let settings = [
        ("KASM_API_URL", url.as_str()),
        ("KASM_TLS_CA_FILE", ca.path().to_str().unwrap()),
    ];
    let said = check(&emulator, &settings, &[]).await;
    said.has("kasm tls", "note", &["is trusted, but expires on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_http_and_https_mixed_up_fails_kasm_tls() {
    let plain = Emulator::builder().start().await.unwrap();
    let url = plain.url().replace("http://", "https://");
    fails(
        &plain,
        &url,
        None,
        &["speaks plain HTTP", "the URL has the scheme https"],
    )
    .await;
    let tls = Emulator::builder().tls(true).start().await.unwrap();
    let url = tls.url().replace("https://", "http://");
    fails(
        &tls,
        &url,
        None,
        &["speaks TLS", "write https:// in KASM_API_URL"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_accepts_trusted_or_ignored_certificate() {
    let emulator = Emulator::builder().tls(true).start().await.unwrap();
    let ca = file(emulator.ca_pem().unwrap());
    let path = ca.path().to_str().unwrap();
    let said = check(&emulator, &[("KASM_TLS_CA_FILE", path)], &[]).await;
    said.has("kasm tls", "ok", &["trusted for 127.0.0.1"]);
    said.has("api key", "ok", &[]);
    said.fails_only(&[]);
    let said = check(&emulator, &[("KASM_TLS_INSECURE", "true")], &[]).await;
    said.has(
        "kasm tls",
        "note",
        &["KASM_TLS_INSECURE accepts this", "unknown"],
    );
    said.fails_only(&[]);
    let useless = file("no certificate\n");
    for path in [useless.path().to_str().unwrap(), "/nonexistent/ca.pem"] {
        let said = check(&emulator, &[("KASM_TLS_CA_FILE", path)], &[]).await;
        said.has("kasm tls", "fail", &[path, "KASM_TLS_CA_FILE"]);
    }
}
