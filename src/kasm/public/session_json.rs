//! The JSON of sessions in the released API. A new field is one line here, and one where it is used.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::MapAccess;

use super::ApiAnswer;
use crate::kasm::id::{ImageId, KasmId, UserId};
use crate::kasm::json::{self, FromLooseJson, Lenient, ObjectMember};
use crate::kasm::model::{KasmSession, ServiceAddress, SessionStatus};

/// The answer of `get_kasms`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SessionListJson {
    error_message: Lenient<String>,
    pub(super) current_time: Lenient<Timestamp>,
    pub(super) kasms: Lenient<Vec<SessionJson>>,
}

impl ApiAnswer for SessionListJson {
    fn take_error_message(&mut self) -> Option<String> {
        self.error_message.0.take()
    }
}

/// A `kasm` object, and the answer of `get_kasm_status` around it: while a session is not ready, the answer has
/// the status at the top level.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SessionJson {
    error_message: Lenient<String>,
    pub(super) current_time: Lenient<Timestamp>,
    pub(super) kasm_url: Lenient<String>,
    pub(super) kasm: Lenient<Box<Self>>,
    kasm_id: Lenient<KasmId>,
    user_id: Lenient<UserId>,
    username: Lenient<String>,
    user: ObjectMember<SessionUserJson>,
    image_id: Lenient<ImageId>,
    image: ObjectMember<SessionImageJson>,
    operational_status: Lenient<String>,
    operational_progress: Lenient<f64>,
    operational_message: Lenient<String>,
    share_id: Lenient<String>,
    hostname: Lenient<String>,
    cores: Lenient<f64>,
    memory: Lenient<u64>,
    created_date: Lenient<Timestamp>,
    start_date: Lenient<Timestamp>,
    expiration_date: Lenient<Timestamp>,
    keepalive_date: Lenient<Timestamp>,
    port_map: ObjectMember<ServicesJson>,
    client_settings: ObjectMember<ClientSettingsJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SessionUserJson {
    user_id: Lenient<UserId>,
    username: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SessionImageJson {
    image_id: Lenient<ImageId>,
    name: Lenient<String>,
    friendly_name: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServicesJson {
    vnc: ObjectMember<ServiceJson>,
    uploads: ObjectMember<ServiceJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceJson {
    port: Lenient<u64>,
    path: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientSettingsJson {
    allow_kasm_downloads: Lenient<bool>,
    allow_kasm_uploads: Lenient<bool>,
    allow_kasm_clipboard_down: Lenient<bool>,
    allow_kasm_clipboard_up: Lenient<bool>,
}

impl FromLooseJson for SessionJson {
    fn from_object<'de, A: MapAccess<'de>>(
        object: A,
    ) -> std::result::Result<Option<Self>, A::Error> {
        json::read_object(object)
    }
}

impl ApiAnswer for SessionJson {
    fn take_error_message(&mut self) -> Option<String> {
        self.error_message.0.take()
    }

    fn has_status_word(&self) -> bool {
        let inner = self.kasm.0.as_ref();
        self.operational_status.0.is_some()
            || inner.is_some_and(|kasm| kasm.operational_status.0.is_some())
    }
}

impl SessionJson {
    /// None without a status.
    pub(super) fn into_session(self) -> Option<KasmSession> {
        let status = SessionStatus::from_word(&self.operational_status.0?);
        let user = self.user.0;
        let image = self.image.0;
        Some(KasmSession {
            kasm_id: self.kasm_id.0,
            user_id: self.user_id.0.or(user.user_id.0),
            username: user.username.0.or(self.username.0),
            image_id: self.image_id.0.or(image.image_id.0),
            image_name: image.friendly_name.0.or(image.name.0),
            status,
            progress: self.operational_progress.0,
            message: self.operational_message.0,
            share_id: self.share_id.0,
            hostname: self.hostname.0,
            cores: self.cores.0,
            memory_bytes: self.memory.0,
            created_date: self.created_date.0,
            start_date: self.start_date.0,
            expiration_date: self.expiration_date.0,
            keepalive_date: self.keepalive_date.0,
            // These two stand beside the session in an answer. The caller of this adds them.
            current_time: None,
            connect_url: None,
            vnc: self.port_map.0.vnc.0.into_address(),
            uploads: self.port_map.0.uploads.0.into_address(),
            downloads_allowed: self.client_settings.0.allow_kasm_downloads.0,
            uploads_allowed: self.client_settings.0.allow_kasm_uploads.0,
            clipboard_out_allowed: self.client_settings.0.allow_kasm_clipboard_down.0,
            clipboard_in_allowed: self.client_settings.0.allow_kasm_clipboard_up.0,
        })
    }
}

impl ServiceJson {
    /// None without a path.
    fn into_address(self) -> Option<ServiceAddress> {
        let port = self.port.0.and_then(|port| u16::try_from(port).ok());
        Some(ServiceAddress {
            // Kasm writes 0 for the port of its API.
            port: port.filter(|port| *port != 0),
            path: self.path.0?.trim_matches('/').to_owned(),
        })
    }
}
