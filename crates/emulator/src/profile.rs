//! What a test can turn. Each knob is something that differs between Kasm
//! versions, between installations, or that nobody has documented; the default
//! is what was last observed on a live server.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::DesktopFault;
use crate::record::KeyboardLayout;

/// How `get_kasm_status` describes a session that is not running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotReadyShape {
    /// The `kasm` object is there and its status word is not `running`.
    #[default]
    Kasm,
    /// No `kasm` object; status word, progress and message at the top.
    Progress,
    /// As [`Self::Progress`], with an `error_message` beside it.
    ProgressAndError,
}

/// Where `get_kasms` names the owner of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerField {
    /// In `user.username`.
    #[default]
    User,
    /// In `username`.
    TopLevel,
}

/// What the token in the answer of `request_kasm` is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestToken {
    /// It works as the session cookie.
    #[default]
    Cookie,
    /// It is there, but only a `session_jwt` works as the session cookie.
    Refused,
    /// The answer has no token.
    Missing,
}

/// What `get_kasm_screenshot` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScreenshotMode {
    /// The picture taken when the session started, then at most one a minute,
    /// unless somebody is watching.
    #[default]
    Stale,
    /// The screen as it is.
    Fresh,
    /// Nothing unless somebody is watching.
    None,
}

/// How a desktop knows its viewers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DesktopSecurity {
    /// VNC authentication, and the password is empty.
    #[default]
    EmptyPassword,
    /// VNC authentication with a password that nobody knows.
    OtherPassword,
    /// Not at all.
    None,
}

/// How `current_time` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2026-09-10 12:52:49.000000`.
    #[default]
    Plain,
    /// `2026-09-10T12:52:49.000000Z`.
    Iso,
}

/// A path prefix under which endpoint names answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    /// `/api/public/`.
    Public,
    /// `/api/admin/`.
    Admin,
    /// `/api/`.
    Ui,
}

/// Every knob. Change it with [`crate::Builder::profile`] before the start or
/// with [`crate::Emulator::configure`] while the server runs.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Status of a refusal for want of a permission: 403, or 401.
    pub refusal_status: u16,
    /// Status for an unknown, disabled or expired key: 401, or 403.
    pub bad_key_status: u16,
    /// Status of a business failure: 200, or any 4xx.
    pub failure_status: u16,
    /// Whether the licence includes the developer API.
    pub licensed: bool,
    /// Wait before each call is looked at.
    pub latency: Duration,
    /// How long a session is `starting`.
    pub start_time: Duration,
    /// How long pausing, stopping and destroying take.
    pub transition_time: Duration,
    /// How far ahead `keepalive` moves the expiry.
    pub keepalive_expiration: Duration,
    /// A fixed life-time, which `keepalive` does not extend.
    pub session_time_limit: Option<Duration>,
    /// Whether `keepalive` answers that a usage limit is reached.
    pub usage_reached: bool,
    /// How a session that is not running is described.
    pub not_ready_shape: NotReadyShape,
    /// The status word of a starting session.
    pub transitional_word: String,
    /// The status word of a session being paused, stopped or destroyed; by
    /// default one word for each.
    pub leaving_word: Option<String>,
    /// Whether each status call voids the tokens handed out before.
    pub status_invalidates_tokens: bool,
    /// Life-time of a session token.
    pub token_lifetime: Duration,
    /// What the token of `request_kasm` is good for.
    pub request_token: RequestToken,
    /// Whether a call about a session is refused when it names another user than the owner. Kasm does not
    /// document it.
    pub owners_checked: bool,
    /// Where a session list names the owner.
    pub owner_field: OwnerField,
    /// How `current_time` is written.
    pub time_style: TimeStyle,
    /// What screenshots show.
    pub screenshot: ScreenshotMode,
    /// Width and height of each desktop in pixels.
    pub desktop_size: (u16, u16),
    /// How a desktop knows its viewers.
    pub desktop_security: DesktopSecurity,
    /// What is wrong with the desktops.
    pub desktop_fault: Option<DesktopFault>,
    /// Whether the text cursor of a desktop comes and goes.
    pub cursor_blinks: bool,
    /// Whether something on a desktop moves by itself.
    pub desktop_animated: bool,
    /// How long keys and clicks are on their way to a desktop. What is, is lost
    /// when its connection closes; an update request waits for it.
    pub input_time: Duration,
    /// Whether characters that the keyboard lacks come out wrong when too many
    /// different ones come faster than this one after the other.
    pub key_pace: Option<Duration>,
    /// The layout of the keyboards.
    pub keyboard_layout: KeyboardLayout,
    /// Whether a program on the desktops uses a keyboard device of its own whenever a client has typed a
    /// character, as a running xdotool does.
    pub other_keyboard_busy: bool,
    /// Whether the upload service runs. It is in the port map all the same.
    pub uploads_run: bool,
    /// Status named in the text of failed frame statistics: 503, or 502.
    pub frame_stats_status: u16,
    /// Port in port maps; by default the port this server listens on.
    pub proxy_port: Option<u16>,
    /// First segment of the paths in port maps.
    pub proxy_path: String,
    /// Group setting: files may leave the session.
    pub downloads_allowed: bool,
    /// Group setting: files may enter the session.
    pub uploads_allowed: bool,
    /// Group setting: text may leave by the clipboard.
    pub clipboard_down_allowed: bool,
    /// Group setting: text may enter by the clipboard.
    pub clipboard_up_allowed: bool,
    /// Group setting: sessions may be shared.
    pub sharing_allowed: bool,
    /// Group setting: sessions may be paused.
    pub pause_allowed: bool,
    /// Group setting: sessions may be stopped.
    pub stop_allowed: bool,
    /// Group setting: sessions one user may have at once.
    pub sessions_per_user: Option<usize>,
    /// Sessions the hosts have room for.
    pub capacity: Option<usize>,
    /// Whether passwords must have 8 characters of 4 kinds.
    pub password_rule: bool,
    /// Status of the session plane for cookies it does not accept: 401, or 403.
    pub plane_refusal_status: u16,
    /// Status of the session plane for a transfer that a group setting forbids:
    /// 403, or 401.
    pub plane_policy_status: u16,
    /// Whether commands reach the network. Read when a container starts, which
    /// is at its first command; it takes confinement to close it.
    pub egress: bool,
    /// Whether containers have `curl`. Read when a container starts.
    pub curl: bool,
    /// Whether containers have `wget`. Read when a container starts.
    pub wget: bool,
    /// Room in the home of a container, in bytes; what is written beyond it
    /// fails with `ENOSPC`. Read when a container starts, which with this is at
    /// the first look at its disk. The home then lives as long as its processes,
    /// and it takes confinement.
    pub disk_bytes: Option<u64>,
    /// Wait before each read of a file from, and each write of a chunk to, the
    /// disk of a container. What commands read and write is not slowed.
    pub disk_delay: Duration,
    /// Bytes per second of these reads and writes.
    pub disk_rate: Option<u64>,
    /// Commands are accepted and then come to nothing.
    pub exec_fails: bool,
    /// Names that answer on one mount only.
    pub mounts: BTreeMap<String, Mount>,
    /// Names that need other permissions than the usual ones.
    pub permissions: BTreeMap<String, Vec<String>>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            refusal_status: 403,
            bad_key_status: 401,
            failure_status: 200,
            licensed: true,
            latency: Duration::ZERO,
            start_time: Duration::from_millis(50),
            transition_time: Duration::from_millis(20),
            keepalive_expiration: Duration::from_secs(3600),
            session_time_limit: None,
            usage_reached: false,
            not_ready_shape: NotReadyShape::default(),
            transitional_word: "starting".to_owned(),
            leaving_word: None,
            status_invalidates_tokens: false,
            token_lifetime: Duration::from_secs(12 * 3600),
            request_token: RequestToken::default(),
            owners_checked: true,
            owner_field: OwnerField::default(),
            time_style: TimeStyle::default(),
            screenshot: ScreenshotMode::default(),
            desktop_size: (1280, 720),
            desktop_security: DesktopSecurity::default(),
            desktop_fault: None,
            cursor_blinks: false,
            desktop_animated: false,
            input_time: Duration::from_millis(10),
            key_pace: None,
            keyboard_layout: KeyboardLayout::default(),
            other_keyboard_busy: false,
            uploads_run: true,
            frame_stats_status: 503,
            proxy_port: None,
            proxy_path: "desktop".to_owned(),
            downloads_allowed: true,
            uploads_allowed: true,
            clipboard_down_allowed: true,
            clipboard_up_allowed: true,
            sharing_allowed: true,
            pause_allowed: true,
            stop_allowed: true,
            sessions_per_user: None,
            capacity: None,
            password_rule: false,
            plane_refusal_status: 401,
            plane_policy_status: 403,
            egress: true,
            curl: true,
            wget: true,
            disk_bytes: None,
            disk_delay: Duration::ZERO,
            disk_rate: None,
            exec_fails: false,
            mounts: BTreeMap::new(),
            permissions: BTreeMap::new(),
        }
    }
}
