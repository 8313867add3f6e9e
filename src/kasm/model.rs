//! The meaning of Kasm's answers, independent of their JSON.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::id::{ImageId, KasmId, UserId};

/// The state of a session. Kasm documents `starting` and `running`; `paused` and `stopped` are handled too;
/// every other word means "in transition".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Being created; not usable yet.
    Starting,
    /// Usable.
    Running,
    /// Memory kept, processes frozen.
    Paused,
    /// Disk kept, processes ended.
    Stopped,
    /// A word that this client does not know: wait on, assume nothing.
    Other(String),
}

impl SessionStatus {
    /// Parses Kasm's word.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "starting" => Self::Starting,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "stopped" => Self::Stopped,
            // The word goes into replies and logs, so its length is bounded.
            other => Self::Other(other.chars().take(64).collect()),
        }
    }

    /// Kasm's word.
    #[must_use]
    pub fn status_word(&self) -> &str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Other(word) => word,
        }
    }

    /// Whether Kasm is destroying the session, by its word (`deleting`, `delete_pending`).
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.has_word(&["delet", "destroy", "terminat"])
    }

    /// Whether Kasm could not bring the session into the state it was to have, by its word.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.has_word(&["error", "fail"])
    }

    fn has_word(&self, parts: &[&str]) -> bool {
        let Self::Other(word) = self else {
            return false;
        };
        // Parts of words, because the words differ between versions of Kasm.
        let word = word.to_ascii_lowercase();
        parts.iter().any(|part| word.contains(part))
    }
}

impl Serialize for SessionStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.status_word())
    }
}

/// A session in an answer of `get_kasm_status` or `get_kasms`.
#[derive(Clone, Debug)]
pub struct KasmSession {
    /// The session's id. Absent in a not-ready status, which does not repeat it.
    pub kasm_id: Option<KasmId>,
    /// The owner. Absent in a not-ready status.
    pub user_id: Option<UserId>,
    /// The owner's name.
    pub username: Option<String>,
    /// The workspace that it was started from.
    pub image_id: Option<ImageId>,
    /// The workspace's name as people see it.
    pub image_name: Option<String>,
    /// Its state.
    pub status: SessionStatus,
    /// The progress of a transition, 0 to 100.
    pub progress: Option<f64>,
    /// Kasm's message about a transition.
    pub message: Option<String>,
    /// The id to join a shared session with.
    pub share_id: Option<String>,
    /// The host it runs on.
    pub hostname: Option<String>,
    /// Cores it may use.
    pub cores: Option<f64>,
    /// Memory it may use.
    pub memory_bytes: Option<u64>,
    /// When it was requested.
    pub created_date: Option<Timestamp>,
    /// When it started.
    pub start_date: Option<Timestamp>,
    /// When Kasm will end it unless it is kept alive.
    pub expiration_date: Option<Timestamp>,
    /// When its expiry was last moved.
    pub keepalive_date: Option<Timestamp>,
    /// Kasm's clock when it answered.
    pub current_time: Option<Timestamp>,
    /// A login link of the owner. A secret: it opens every session of the user.
    pub connect_url: Option<SecretString>,
    /// The address of the session's KasmVNC behind Kasm's proxy.
    pub vnc: Option<ServiceAddress>,
    /// The address for uploads, if the session accepts them.
    pub uploads: Option<ServiceAddress>,
    /// Whether downloads are allowed (`allow_kasm_downloads`). Absent: unknown.
    pub downloads_allowed: Option<bool>,
    /// Whether uploads are allowed (`allow_kasm_uploads`).
    pub uploads_allowed: Option<bool>,
    /// Whether text may leave it by the clipboard (`allow_kasm_clipboard_down`).
    pub clipboard_out_allowed: Option<bool>,
    /// Whether text may enter it by the clipboard (`allow_kasm_clipboard_up`).
    pub clipboard_in_allowed: Option<bool>,
}

/// One service of a session, from its `port_map`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// The port of Kasm's proxy. None: the one of the API.
    pub port: Option<u16>,
    /// The path there, without a slash at its ends.
    pub path: String,
}

/// A command for `exec_command_kasm`, which dispatches it and never reports its result.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// The command line. Kasm splits it into words; no shell sees it.
    pub cmd: String,
    /// Added to the environment of the container. Linux caps each entry at 128 KiB.
    pub environment: Map<String, Value>,
    /// Run as root instead of the session's user.
    pub as_root: bool,
}

/// The answer of `request_kasm`.
#[derive(Clone, Debug)]
pub struct CreatedSession {
    /// The id of the new session.
    pub kasm_id: KasmId,
    /// Its status at once, most often `starting`.
    pub status: SessionStatus,
    /// The id to join it with, if sharing was requested.
    pub share_id: Option<String>,
    /// A login of the owner, for the session proxy.
    pub session_token: Option<SecretString>,
}

/// Options of `request_kasm`.
#[derive(Clone, Debug, Default)]
pub struct SessionRequest {
    /// Make a share id at once.
    pub enable_sharing: bool,
    /// The page that a browser workspace opens.
    pub url: Option<String>,
    /// Environment of the new container.
    pub environment: Map<String, Value>,
    /// Such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Such as `en_US.UTF-8`.
    pub language: Option<String>,
}

/// A workspace that can be started.
#[derive(Clone, Debug)]
pub struct WorkspaceImage {
    /// Its id.
    pub image_id: ImageId,
    /// The Docker name, such as `kasmweb/chromium:1.19.0`.
    pub name: Option<String>,
    /// The name people see.
    pub friendly_name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// `Container`, or a type without shell, files and screen.
    pub image_type: Option<String>,
    /// Cores of a session.
    pub cores: Option<f64>,
    /// Memory of a session.
    pub memory_bytes: Option<u64>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether a host has pulled it.
    pub available: bool,
    /// Whether it is hidden from the user's list.
    pub hidden: bool,
    /// Groupings, such as `Browser`.
    pub categories: Vec<String>,
}

/// A Kasm user.
#[derive(Clone, Debug)]
pub struct KasmUser {
    /// The user's id.
    pub user_id: UserId,
    /// The login name.
    pub username: String,
    /// `local`, or the identity provider.
    pub realm: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Organisation.
    pub organization: Option<String>,
    /// Locked after failed logins.
    pub locked: bool,
    /// Switched off by an administrator.
    pub disabled: bool,
    /// When the account was made.
    pub created: Option<Timestamp>,
    /// When it last started a session.
    pub last_session: Option<Timestamp>,
    /// The groups it is in.
    pub groups: Vec<KasmGroup>,
    /// The ids of its sessions.
    pub kasm_ids: Vec<KasmId>,
}

/// A group of users.
#[derive(Clone, Debug)]
pub struct KasmGroup {
    /// The group's id as Kasm writes it.
    pub group_id: String,
    /// Its name.
    pub name: Option<String>,
}

/// The fields of a user that can be written. Absent means unchanged.
#[derive(Clone, Debug, Default)]
pub struct UserFields {
    /// The login name.
    pub username: Option<String>,
    /// The password. Kasm never gives it back.
    pub password: Option<SecretString>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Organisation.
    pub organization: Option<String>,
    /// Lock or unlock.
    pub locked: Option<bool>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

impl UserFields {
    /// Whether no field is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let texts = [
            &self.username,
            &self.first_name,
            &self.last_name,
            &self.phone,
            &self.organization,
        ];
        texts.iter().all(|text| text.is_none())
            && self.password.is_none()
            && self.locked.is_none()
            && self.disabled.is_none()
    }
}

/// How a user is named in a request.
#[derive(Clone, Debug)]
pub enum UserRef {
    /// By id.
    Id(UserId),
    /// By login name.
    Name(String),
}

/// A recording of a session.
#[derive(Clone, Debug)]
pub struct SessionRecording {
    /// Its id.
    pub recording_id: String,
    /// Its length in seconds.
    pub duration_seconds: Option<f64>,
    /// When it was made, in Kasm's words.
    pub timestamp: Option<String>,
    /// A link that downloads it without a login: a secret. Absent unless it was requested.
    pub download_url: Option<SecretString>,
}

/// The access of a named user to another user's session.
#[derive(Clone, Debug)]
pub struct SessionPermission {
    /// The user.
    pub user_id: Option<UserId>,
    /// The login name.
    pub username: Option<String>,
    /// `r` to watch, `rw` to take part.
    pub access: String,
}
