//! One TLS handshake to inspect a certificate. No request is sent.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
};

/// Time limit for a handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that expires within this time gets a note.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// The result of a handshake.
#[derive(Debug)]
pub(super) enum HandshakeOutcome {
    /// The handshake was completed.
    Done(SeenCertificate),
    /// The handshake failed, or the answer was not TLS: why.
    Failed(String),
    /// No answer was received in time.
    Silent,
    /// The handshake could not be tried: why.
    Unjudged(String),
}

/// The result of inspecting a certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenCertificate {
    /// Its defects.
    pub(super) flaws: Vec<CertificateFlaw>,
    /// When it expires, if that is soon.
    pub(super) ends_soon: Option<String>,
}

/// A defect of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateFlaw {
    /// It expired: when.
    Expired(String),
    /// It is not valid yet: from when.
    NotYet(String),
    /// It is for other names: which.
    OtherNames(Vec<String>),
    /// It is self-signed and not trusted.
    SelfSigned,
    /// No trusted CA signed it.
    UnknownIssuer,
    /// Another defect, in the words of the TLS library.
    Other(String),
}

/// Makes a TLS handshake with `host` over `stream`. `ca_file` is trusted in addition to this machine's CAs.
pub(super) async fn try_handshake(
    stream: TcpStream,
    host: &str,
    ca_file: Option<&Path>,
) -> HandshakeOutcome {
    let witness = match certificate_recorder(ca_file) {
        Ok(witness) => Arc::new(witness),
        Err(why) => return HandshakeOutcome::Unjudged(why),
    };
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return HandshakeOutcome::Unjudged(format!(
            "a certificate cannot be issued for the name `{host}`"
        ));
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = match builder.with_safe_default_protocol_versions() {
        Ok(builder) => builder,
        Err(error) => return HandshakeOutcome::Unjudged(error.to_string()),
    };
    // The connection is closed after the handshake, so a certificate that is accepted wrongly gets no data.
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connect = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match tokio::time::timeout(PATIENCE, connect).await {
        Err(_) => HandshakeOutcome::Silent,
        Ok(Ok(_)) => HandshakeOutcome::Done(witness.seen_certificate()),
        Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            HandshakeOutcome::Failed("the connection was closed".to_owned())
        }
        Ok(Err(error)) => HandshakeOutcome::Failed(error.to_string()),
    }
}

/// Records a certificate's defects and accepts it: no request follows the handshake.
#[derive(Debug)]
struct CertificateRecorder {
    judge: Verifier,
    // The TLS library has only a shared reference to the verifier, so the result is stored behind a lock.
    seen: Mutex<SeenCertificate>,
}

fn certificate_recorder(ca_file: Option<&Path>) -> Result<CertificateRecorder, String> {
    let mut trusted = Vec::new();
    if let Some(path) = ca_file {
        let told = |why: String| format!("KASM_TLS_CA_FILE {}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            trusted.push(certificate.map_err(|error| told(error.to_string()))?);
        }
        if trusted.is_empty() {
            return Err(told("it contains no certificate".to_owned()));
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let judge = if trusted.is_empty() {
        Verifier::new(provider)
    } else {
        Verifier::new_with_extra_roots(trusted, provider)
    };
    Ok(CertificateRecorder {
        judge: judge.map_err(|error| error.to_string())?,
        seen: Mutex::default(),
    })
}

impl CertificateRecorder {
    fn seen_certificate(&self) -> SeenCertificate {
        let seen = self.seen.lock();
        seen.clone()
    }
}

impl ServerCertVerifier for CertificateRecorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = |time| {
            let judge = &self.judge;
            judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time)
        };
        let mut flaws = Vec::new();
        if let Err(error) = at(now) {
            flaws.push(flaw_of_error(error, end_entity));
        }
        // The verifier checks names last, so another defect hides a wrong name.
        let named = ParsedCertificate::try_from(end_entity)
            .and_then(|parsed| verify_server_name(&parsed, server_name));
        if let Err(error) = named {
            let flaw = flaw_of_error(error, end_entity);
            if !flaws.contains(&flaw) {
                flaws.push(flaw);
            }
        }
        // The verifier is asked again as if it were two weeks later.
        let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
        let ends_soon = match at(soon).map_err(|error| flaw_of_error(error, end_entity)) {
            Err(CertificateFlaw::Expired(when)) if flaws.is_empty() => Some(when),
            Ok(_) | Err(_) => None,
        };
        let mut seen = self.seen.lock();
        *seen = SeenCertificate { flaws, ends_soon };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other errors are reported in the library's words"
)]
fn flaw_of_error(error: Error, end_entity: &CertificateDer<'_>) -> CertificateFlaw {
    let Error::InvalidCertificate(error) = error else {
        return CertificateFlaw::Other(error.to_string());
    };
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            CertificateFlaw::Expired(calendar_day(not_after))
        }
        CertificateError::Expired => CertificateFlaw::Expired("some time ago".to_owned()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            CertificateFlaw::NotYet(calendar_day(not_before))
        }
        CertificateError::NotValidYet => {
            CertificateFlaw::NotYet("some time in the future".to_owned())
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            CertificateFlaw::OtherNames(presented.iter().map(|name| bare_name(name)).collect())
        }
        CertificateError::NotValidForName => CertificateFlaw::OtherNames(Vec::new()),
        // A self-signed certificate names itself as its issuer.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let parsed = webpki::EndEntityCert::try_from(end_entity);
            if parsed.is_ok_and(|it| it.issuer() == it.subject()) {
                CertificateFlaw::SelfSigned
            } else {
                CertificateFlaw::UnknownIssuer
            }
        }
        other => CertificateFlaw::Other(other.to_string()),
    }
}

/// Returns `a.example` for `DnsName("a.example")`, the TLS library's form.
fn bare_name(name: &str) -> String {
    let inside = name.split_once('(').map_or(name, |(_, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"').to_owned()
}

/// A time in readable form.
fn calendar_day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| format!("second {seconds}"), |t| t.to_string())
}
