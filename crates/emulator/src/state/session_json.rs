//! A session as the endpoints show it.

use serde_json::{Map, Value, json};

use super::State;
use super::session::Session;
use crate::answer::object;
use crate::date;
use crate::id::Id;
use crate::profile::OwnerField;

/// Services of a container in its port map.
pub(crate) const SERVICES: [&str; 4] = ["vnc", "audio", "audio_input", "uploads"];
/// Services a viewer gets.
pub(crate) const VIEWER_SERVICES: [&str; 2] = ["vnc", "audio"];

impl State {
    /// The `kasm` object of a status answer.
    pub(crate) fn session_json(&self, session: &Session) -> Map<String, Value> {
        let mut kasm = self.identity_json(session);
        kasm.extend(self.host_json(session, &SERVICES));
        kasm.extend(dates_json(session));
        kasm.insert("client_settings".into(), self.client_settings());
        let name = self.username(session.user_id);
        kasm.insert("username".into(), Value::from(name));
        kasm
    }

    /// An element of a session list: the owner is where the profile says.
    pub(crate) fn listed_json(&self, session: &Session) -> Value {
        let mut kasm = self.session_json(session);
        if self.profile.owner_field == OwnerField::User {
            let name = self.username(session.user_id);
            kasm.remove("username");
            kasm.insert("user".into(), json!({"username": name}));
        }
        kasm.insert(
            "server".into(),
            json!({
                "port": self.proxy_port(),
                "hostname": "127.0.0.1",
                "zone_name": "default",
                "provider": "Docker",
            }),
        );
        Value::Object(kasm)
    }

    /// The `kasm` object a viewer gets.
    pub(crate) fn joined_json(&self, session: &Session) -> Value {
        let mut kasm = self.identity_json(session);
        kasm.extend(self.host_json(session, &VIEWER_SERVICES));
        kasm.extend(dates_json(session));
        kasm.insert("client_settings".into(), self.client_settings());
        let name = self.username(session.user_id);
        kasm.insert("user".into(), json!({"username": name}));
        Value::Object(kasm)
    }

    /// The link a browser opens, which contains a login.
    pub(crate) fn connect_url(kind: &str, target: &str, user_id: Id, token: &str) -> String {
        format!("/#/connect/{kind}/{target}/{user_id}/{token}")
    }

    fn identity_json(&self, session: &Session) -> Map<String, Value> {
        let image = self.image(session.image_id);
        let (cores, memory) = image.map_or((0.0, 0), |i| (i.cores, i.memory));
        object(json!({
            "kasm_id": session.id.to_string(),
            "user_id": session.user_id.to_string(),
            "image_id": session.image_id.to_string(),
            "operational_status": session.status(&self.profile),
            "image": image.map(super::image::Image::brief_json),
            "cores": cores,
            "memory": memory,
            "gpus": 0,
            "share_id": session.share_id,
            "token": "",
            "view_only_token": "",
            "is_persistent_profile": session.persistent_profile_mode.is_some(),
            "persistent_profile_mode": session.persistent_profile_mode,
            "point_of_presence": null,
            "is_standby": false,
            "queued_tasks": [],
            "staging_config_id": null,
            "cast_config_id": null,
        }))
    }

    /// Where it runs. Before the first start there is no such place.
    fn host_json(&self, session: &Session, services: &[&str]) -> Map<String, Value> {
        if session.started.is_none() {
            return object(json!({
                "container_id": null, "container_ip": null, "host": null, "hostname": null,
                "port": null, "port_map": {}, "server_id": null, "zone_name": null,
            }));
        }
        let port_map: Map<String, Value> = if self.is_container(session) {
            services
                .iter()
                .map(|name| ((*name).to_owned(), self.service_json(session.id, name)))
                .collect()
        } else {
            Map::from_iter([("vnc".to_owned(), self.service_json(session.id, "vnc"))])
        };
        object(json!({
            "container_id": session.container_id,
            "container_ip": "172.18.0.4",
            "host": "127.0.0.1",
            "hostname": "127.0.0.1",
            "port": self.proxy_port(),
            "port_map": port_map,
            "server_id": session.server_id.to_string(),
            "zone_name": "default",
            "docker_network": "kasm_default_network",
        }))
    }

    fn service_json(&self, kasm_id: Id, service: &str) -> Value {
        let path = format!("{}/{}/{service}", self.profile.proxy_path, kasm_id.dashed());
        json!({"port": self.proxy_port(), "path": path})
    }

    pub(crate) fn proxy_port(&self) -> u16 {
        self.profile.proxy_port.unwrap_or(self.port)
    }

    fn client_settings(&self) -> Value {
        let profile = &self.profile;
        json!({
            "allow_kasm_audio": true,
            "allow_kasm_uploads": profile.uploads_allowed,
            "allow_kasm_downloads": profile.downloads_allowed,
            "allow_kasm_clipboard_up": profile.clipboard_up_allowed,
            "allow_kasm_clipboard_down": profile.clipboard_down_allowed,
            "allow_kasm_clipboard_seamless": true,
            "allow_kasm_microphone": false,
            "allow_kasm_sharing": profile.sharing_allowed,
            "allow_persistent_profile": true,
            "allow_point_of_presence": false,
            "kasm_audio_default_on": false,
            "lock_sharing_video_mode": true,
            "enable_webp": false,
            "idle_disconnect": 20.0,
        })
    }
}

/// Missing dates come as null here and as text there.
fn dates_json(session: &Session) -> Map<String, Value> {
    object(json!({
        "created_date": date::plain(session.created),
        "start_date": date::or_none_text(session.started),
        "keepalive_date": date::or_null(session.kept_alive),
        "expiration_date": date::plain(session.expiration),
    }))
}
