//! A small authorization server: discovery, keys, and tokens as a test wants them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

/// Where the metadata is.
pub const RFC_8414: &str = "/.well-known/oauth-authorization-server";
pub const OPENID: &str = "/.well-known/openid-configuration";

/// A running issuer, gone with the runtime.
pub struct Issuer {
    pub url: String,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    url: String,
    metadata_at: &'static str,
    named: Option<String>,
    keys: Vec<Value>,
    down: bool,
    asked: Vec<String>,
}

/// A private key with its name.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl Key {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others are of the RSA kind here"
    )]
    pub fn new(kid: &str, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            _ => {
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                // PKCS #1 is what PKCS #8 wraps in 26 bytes.
                EncodingKey::from_rsa_der(&der.as_ref()[26..])
            }
        };
        Self {
            kid: kid.to_owned(),
            algorithm,
            key,
        }
    }

    pub fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as("at+jwt", claims)
    }

    pub fn sign_as(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        header.typ = Some(typ.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

impl Issuer {
    /// An issuer with these keys, whose metadata is at a place of its own.
    pub async fn start(path: &str, metadata_at: &'static str, keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Inner {
            url: url.clone(),
            metadata_at,
            named: None,
            keys: keys.iter().map(|key| key.public()).collect(),
            down: false,
            asked: Vec::new(),
        }));
        let routes = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock()
    }

    pub fn publish(&self, keys: &[&Key]) {
        self.state().keys = keys.iter().map(|key| key.public()).collect();
    }

    /// The name that its metadata has.
    pub fn name_itself(&self, name: &str) {
        self.state().named = Some(name.to_owned());
    }

    pub fn go_down(&self) {
        self.state().down = true;
    }

    /// How often it was asked for its keys.
    pub fn key_fetches(&self) -> usize {
        self.state()
            .asked
            .iter()
            .filter(|path| *path == "/keys")
            .count()
    }

    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The claims of a good token for `resource`.
    pub fn claims(&self, resource: &str, scope: &str, user: &str) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        json!({
            "iss": self.url, "sub": "alice", "aud": resource, "exp": now + 300, "iat": now, "client_id": "client",
            "scope": scope, "kasm": user,
        })
    }
}

async fn answer(State(state): State<Arc<Mutex<Inner>>>, request: Request) -> Response {
    let mut inner = state.lock();
    let path = request.uri().path().to_owned();
    inner.asked.push(path.clone());
    if inner.down {
        return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let origin = inner.url.split('/').take(3).collect::<Vec<_>>().join("/");
    if path == "/keys" {
        return Json(json!({ "keys": inner.keys })).into_response();
    }
    if path == inner.metadata_at {
        let named = inner.named.clone().unwrap_or_else(|| inner.url.clone());
        return Json(json!({ "issuer": named, "jwks_uri": format!("{origin}/keys") }))
            .into_response();
    }
    http::StatusCode::NOT_FOUND.into_response()
}
