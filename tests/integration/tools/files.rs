//! Files of a session: content in and out, names, refusals, and links for bytes.

mod content;
mod links;
mod refusals;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::exec;
use crate::support::{TestServer, confinement};

pub const HOME: &str = "/home/kasm-user";

/// A server whose sessions have files. None: the test is skipped.
pub async fn server(settings: &[(&str, &str)]) -> Option<TestServer> {
    if confinement::skips_test() {
        return None;
    }
    Some(exec::server(settings).await)
}

/// Bytes that look random, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub fn unbase64(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    BASE64.decode(text.as_bytes()).unwrap()
}

impl TestServer {
    pub async fn write_text(&self, kasm_id: &str, path: &str, content: &str) -> Value {
        let args = json!({ "kasm_id": kasm_id, "file_path": path, "content": content });
        self.ok("write_kasm_file", args).await
    }

    /// A whole file, read in as many calls as it takes.
    pub async fn read_whole(&self, kasm_id: &str, path: &str) -> Vec<u8> {
        let (mut bytes, mut offset) = (Vec::new(), 0);
        loop {
            let args = json!({ "kasm_id": kasm_id, "file_path": path, "offset": offset, "encoding": "base64" });
            let data = self.ok("read_kasm_file", args).await;
            bytes.extend(unbase64(&data["content"]));
            match data["next_offset"].as_u64() {
                Some(next) => offset = next,
                None => return bytes,
            }
        }
    }
}
