//! The operations of Kasm, independent of their transport.
//!
//! The released API is [`super::public`]. A REST API is announced; it will become a second implementation of
//! these traits, without changes above them.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::Value;

use super::error::Result;
use super::id::{ImageId, KasmId, UserId};
use super::model::{
    CreatedSession, ExecRequest, KasmGroup, KasmSession, KasmUser, SessionPermission,
    SessionRecording, SessionRequest, UserFields, UserRef, WorkspaceImage,
};

/// All operations of a Kasm server.
pub trait KasmApi:
    SessionsApi + ImagesApi + UsersApi + MonitoringApi + Debug + Send + Sync + 'static
{
}

impl<T: SessionsApi + ImagesApi + UsersApi + MonitoringApi + Debug + Send + Sync + 'static> KasmApi
    for T
{
}

/// Operations on sessions.
#[async_trait]
pub trait SessionsApi {
    /// Starts a session. Not idempotent: it may exist after a time-out.
    async fn request_session(
        &self,
        user: UserId,
        image: ImageId,
        request: &SessionRequest,
    ) -> Result<CreatedSession>;
    /// The state of a session of `user`.
    ///
    /// # Errors
    /// `NotFound` if it does not exist, or is not the user's.
    async fn session(&self, user: UserId, kasm_id: KasmId) -> Result<KasmSession>;
    /// All sessions of all users.
    async fn sessions(&self) -> Result<Vec<KasmSession>>;
    /// Dispatches a command. Not idempotent, and Kasm does not report its result.
    async fn exec(&self, user: UserId, kasm_id: KasmId, exec: &ExecRequest) -> Result<()>;
    /// Creates a login of the user for the session proxy: a value for the cookie `session_token`.
    async fn session_token(&self, user: UserId) -> Result<SecretString>;
    /// Requests the destruction of a session, which completes later.
    async fn destroy(&self, user: UserId, kasm_id: KasmId) -> Result<()>;
    /// Requests a pause, which completes later.
    async fn pause(&self, user: UserId, kasm_id: KasmId) -> Result<()>;
    /// Requests that a paused or stopped session continues, which completes later.
    async fn resume(&self, user: UserId, kasm_id: KasmId) -> Result<()>;
    /// Moves the expiry forward. False: a usage limit is reached and nothing was moved.
    async fn keepalive(&self, kasm_id: KasmId) -> Result<bool>;
    /// Gives `viewer` access to the session (`r` or `rw`); returns all users with access.
    async fn share(
        &self,
        kasm_id: KasmId,
        viewer: UserId,
        access: &str,
    ) -> Result<Vec<SessionPermission>>;
}

/// Workspaces.
#[async_trait]
pub trait ImagesApi {
    /// All workspace images, the disabled ones included.
    async fn list_images(&self) -> Result<Vec<WorkspaceImage>>;
}

/// Users and their groups.
#[async_trait]
pub trait UsersApi {
    /// All users.
    async fn list_users(&self) -> Result<Vec<KasmUser>>;
    /// One user.
    async fn fetch_user(&self, user: &UserRef) -> Result<KasmUser>;
    /// Creates a user. Not idempotent.
    async fn create_user(&self, fields: &UserFields) -> Result<KasmUser>;
    /// Changes the given fields.
    async fn update_user(&self, user: UserId, fields: &UserFields) -> Result<KasmUser>;
    /// Removes a user; with `force` also when it has sessions.
    async fn delete_user(&self, user: UserId, force: bool) -> Result<()>;
    /// Ends the user's logins.
    async fn logout_user(&self, user: UserId) -> Result<()>;
    /// All groups.
    async fn list_groups(&self) -> Result<Vec<KasmGroup>>;
}

/// Statistics, recordings, health.
#[async_trait]
pub trait MonitoringApi {
    /// Frame statistics of a session, as Kasm returns them. `client` is `none`, `auto`, `all` or an id.
    async fn frame_stats(&self, user: UserId, kasm_id: KasmId, client: &str) -> Result<Value>;
    /// Bottleneck statistics of a session, as Kasm returns them.
    async fn bottleneck_stats(&self, user: UserId, kasm_id: KasmId) -> Result<Value>;
    /// A screenshot as JPEG that fits into `width` by `height`. It may be a minute old.
    ///
    /// # Errors
    /// Also `Unavailable` if Kasm has none yet.
    async fn fetch_screenshot(
        &self,
        user: UserId,
        kasm_id: KasmId,
        width: u32,
        height: u32,
    ) -> Result<Bytes>;
    /// Recordings of a session.
    async fn list_recordings(
        &self,
        kasm_id: KasmId,
        download_links: bool,
    ) -> Result<Vec<SessionRecording>>;
    /// Whether the server answers. Needs no API key.
    async fn check_health(&self) -> Result<()>;
}
