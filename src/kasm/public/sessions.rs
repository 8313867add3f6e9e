//! Session endpoints of the released API.

use async_trait::async_trait;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};

use super::endpoint;
use super::session_json::{SessionJson, SessionListJson};
use super::{PublicApi, object_fields};
use crate::kasm::api::SessionsApi;
use crate::kasm::error::{KasmError, Result};
use crate::kasm::id::{ImageId, KasmId, UserId};
use crate::kasm::json;
use crate::kasm::model::{
    CreatedSession, ExecRequest, KasmSession, SessionPermission, SessionRequest, SessionStatus,
};

#[async_trait]
impl SessionsApi for PublicApi {
    async fn request_session(
        &self,
        user: UserId,
        image: ImageId,
        request: &SessionRequest,
    ) -> Result<CreatedSession> {
        let mut body = object_fields(json!({
            "user_id": user, "image_id": image, "enable_sharing": request.enable_sharing,
        }));
        let mut optional = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.clone().into());
            }
        };
        optional("kasm_url", &request.url);
        optional("client_timezone", &request.timezone);
        optional("client_language", &request.language);
        if !request.environment.is_empty() {
            body.insert(
                "environment".to_owned(),
                Value::Object(request.environment.clone()),
            );
        }
        let answer = self.call_endpoint(&endpoint::REQUEST_KASM, body).await?;
        let kasm_id = json::id_member(&answer, "kasm_id").ok_or(KasmError::Protocol {
            endpoint: endpoint::REQUEST_KASM.name,
            detail: "no kasm_id in the answer".to_owned(),
        })?;
        // An id alone means that the session exists, whatever its state.
        let word = json::text_member(&answer, "status").unwrap_or_else(|| "starting".to_owned());
        Ok(CreatedSession {
            kasm_id,
            status: SessionStatus::from_word(&word),
            share_id: json::text_member(&answer, "share_id"),
            session_token: json::text_member(&answer, "session_token").map(SecretString::from),
        })
    }

    async fn session(&self, user: UserId, kasm_id: KasmId) -> Result<KasmSession> {
        let which = UserSessionFields {
            user_id: user,
            kasm_id,
        };
        let mut told: SessionJson = match self.call_for(&endpoint::GET_KASM_STATUS, &which).await {
            // An answer with only a message means that the user has no such session.
            Err(KasmError::Rejected { .. }) => return Err(KasmError::NotFound { what: "session" }),
            other => other?,
        };
        let current_time = told.current_time.0;
        let connect_url = told.kasm_url.0.take().map(SecretString::from);
        let inner = told.kasm.0.take();
        // A session that is ready is inside; the status of one that is not stands at the top level.
        let session = inner
            .and_then(|kasm| kasm.into_session())
            .or_else(|| told.into_session())
            .ok_or(KasmError::Protocol {
                endpoint: endpoint::GET_KASM_STATUS.name,
                detail: "no operational_status in the answer".to_owned(),
            })?;
        Ok(KasmSession {
            current_time,
            connect_url,
            ..session
        })
    }

    async fn sessions(&self) -> Result<Vec<KasmSession>> {
        let all: SessionListJson = self.call_for(&endpoint::GET_KASMS, &EmptyAnswer {}).await?;
        let now = all.current_time.0;
        let sessions = all.kasms.0.unwrap_or_default().into_iter();
        Ok(sessions
            .filter_map(SessionJson::into_session)
            .map(|session| KasmSession {
                current_time: now,
                ..session
            })
            .collect())
    }

    async fn exec(&self, user: UserId, kasm_id: KasmId, exec: &ExecRequest) -> Result<()> {
        let mut config = object_fields(json!({ "cmd": exec.cmd }));
        config.insert("environment".to_owned(), exec.environment.clone().into());
        if exec.as_root {
            // Without this member the command runs as the session's user.
            config.insert("user".to_owned(), "root".into());
        }
        let body =
            object_fields(json!({ "user_id": user, "kasm_id": kasm_id, "exec_config": config }));
        self.call_endpoint(&endpoint::EXEC_COMMAND_KASM, body)
            .await
            .map(drop)
    }

    async fn session_token(&self, user: UserId) -> Result<SecretString> {
        let body = object_fields(json!({ "target_user": { "user_id": user } }));
        let answer = self
            .call_endpoint(&endpoint::CREATE_SESSION_TOKEN, body)
            .await?;
        let token = answer.get("session_token").unwrap_or(&Value::Null);
        // The proxy takes the JWT for its cookie; versions without one may take the plain token.
        let jwt = json::text_member(token, "session_jwt")
            .or_else(|| json::text_member(token, "session_token"));
        jwt.map(SecretString::from).ok_or(KasmError::Protocol {
            endpoint: endpoint::CREATE_SESSION_TOKEN.name,
            detail: "no session_jwt in the answer".to_owned(),
        })
    }

    async fn destroy(&self, user: UserId, kasm_id: KasmId) -> Result<()> {
        let body = object_fields(json!({ "user_id": user, "kasm_id": kasm_id }));
        self.call_endpoint(&endpoint::DESTROY_KASM, body)
            .await
            .map(drop)
    }

    async fn pause(&self, user: UserId, kasm_id: KasmId) -> Result<()> {
        let body = object_fields(json!({ "user_id": user, "kasm_id": kasm_id }));
        self.call_endpoint(&endpoint::PAUSE_KASM, body)
            .await
            .map(drop)
    }

    async fn resume(&self, user: UserId, kasm_id: KasmId) -> Result<()> {
        let body = object_fields(json!({ "user_id": user, "kasm_id": kasm_id }));
        self.call_endpoint(&endpoint::RESUME_KASM, body)
            .await
            .map(drop)
    }

    async fn keepalive(&self, kasm_id: KasmId) -> Result<bool> {
        let body = object_fields(json!({ "kasm_id": kasm_id }));
        let answer = self.call_endpoint(&endpoint::KEEPALIVE, body).await?;
        Ok(!json::boolean_member(&answer, "usage_reached").unwrap_or(false))
    }

    async fn share(
        &self,
        kasm_id: KasmId,
        viewer: UserId,
        access: &str,
    ) -> Result<Vec<SessionPermission>> {
        let body = object_fields(json!({ "target_session_permissions": {
            "kasm_id": kasm_id, "session_permissions": [{ "user_id": viewer, "access": access }],
        }}));
        let answer = self
            .call_endpoint(&endpoint::SET_SESSION_PERMISSIONS, body)
            .await?;
        let entries = json::list_member(&answer, "session_permissions").iter();
        Ok(entries
            .filter_map(|entry| {
                Some(SessionPermission {
                    user_id: json::id_member(entry, "user_id"),
                    username: json::text_member(entry, "username"),
                    access: json::text_member(entry, "access")?,
                })
            })
            .collect())
    }
}

#[derive(Serialize)]
struct UserSessionFields {
    user_id: UserId,
    kasm_id: KasmId,
}

#[derive(Serialize)]
struct EmptyAnswer {}
