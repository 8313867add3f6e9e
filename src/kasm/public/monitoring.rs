//! Statistics and recordings of the released API, and its health check.

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::endpoint;
use super::{PublicApi, config, object_fields};
use crate::kasm::api::MonitoringApi;
use crate::kasm::error::{KasmError, Result};
use crate::kasm::id::{KasmId, UserId};
use crate::kasm::json;
use crate::kasm::model::SessionRecording;

#[async_trait]
impl MonitoringApi for PublicApi {
    async fn frame_stats(&self, user: UserId, kasm_id: KasmId, client: &str) -> Result<Value> {
        let body = object_fields(json!({ "user_id": user, "kasm_id": kasm_id, "client": client }));
        self.call_endpoint(&endpoint::GET_FRAME_STATS, body).await
    }

    async fn bottleneck_stats(&self, user: UserId, kasm_id: KasmId) -> Result<Value> {
        let body = object_fields(json!({ "user_id": user, "kasm_id": kasm_id }));
        self.call_endpoint(&endpoint::GET_BOTTLENECK_STATS, body)
            .await
    }

    async fn fetch_screenshot(
        &self,
        user: UserId,
        kasm_id: KasmId,
        width: u32,
        height: u32,
    ) -> Result<Bytes> {
        let body = json!({ "user_id": user, "kasm_id": kasm_id, "width": width, "height": height });
        self.fetch_picture(&endpoint::GET_KASM_SCREENSHOT, &object_fields(body))
            .await
    }

    async fn list_recordings(
        &self,
        kasm_id: KasmId,
        download_links: bool,
    ) -> Result<Vec<SessionRecording>> {
        let body = object_fields(
            json!({ "target_kasm_id": kasm_id, "preauth_download_link": download_links }),
        );
        let answer = self
            .call_endpoint(&endpoint::GET_SESSION_RECORDINGS, body)
            .await?;
        Ok(json::list_member(&answer, "session_recordings")
            .iter()
            .filter_map(read_recording)
            .collect())
    }

    async fn check_health(&self) -> Result<()> {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/api/__healthcheck",
            self.base.path().trim_end_matches('/')
        ));
        let answer = self.http.get(url).timeout(self.timeout).send().await;
        let answer =
            answer.map_err(|error| KasmError::Unavailable(config::describe_error(&error)))?;
        let status = answer.status();
        // A web server in front of Kasm may answer any path with 200, so the body has to be that of Kasm.
        let ok = answer
            .json::<Value>()
            .await
            .ok()
            .and_then(|v| json::boolean_member(&v, "ok"));
        match ok {
            Some(true) if status.is_success() => Ok(()),
            _ => Err(KasmError::Unavailable(format!(
                "the health check answered HTTP {}",
                status.as_u16()
            ))),
        }
    }
}

fn read_recording(value: &Value) -> Option<SessionRecording> {
    // Length and time stand in an object of their own, which may be missing.
    let details = value
        .get("session_recording_metadata")
        .unwrap_or(&Value::Null);
    Some(SessionRecording {
        recording_id: json::text_member(value, "recording_id")?,
        duration_seconds: json::number_member(details, "duration"),
        timestamp: json::text_member(details, "timestamp"),
        download_url: json::text_member(value, "session_recording_download_url")
            .map(SecretString::from),
    })
}
