//! The resources: sessions, their screens, and workspaces.

use std::time::Duration;

use crate::tool::catalogue::{ArgumentValues, Resource, ResourceContent};

/// Tools that change the state of a session.
const OF_SESSION: &[&str] = &[
    "create_kasm_session",
    "destroy_kasm_session",
    "pause_kasm_session",
    "resume_kasm_session",
    "extend_kasm_session",
    "share_kasm_session",
];

pub(super) const RESOURCES: &[Resource] = &[
    Resource {
        uri: "kasm://sessions",
        name: "sessions",
        title: "My sessions",
        about: "The sessions of your Kasm user with their state and expiry.",
        tool: "list_user_sessions",
        shows: ResourceContent::Data,
        fresh: Duration::from_secs(5),
        only: None,
        changed_by: OF_SESSION,
    },
    Resource {
        uri: "kasm://workspaces",
        name: "workspaces",
        title: "Workspaces",
        about: "The workspaces that create_kasm_session can start.",
        tool: "get_available_workspaces",
        shows: ResourceContent::Data,
        fresh: Duration::from_secs(300),
        only: None,
        changed_by: &[],
    },
    Resource {
        uri: "kasm://sessions/{kasm_id}",
        name: "session",
        title: "Session",
        about: "The state of a session and when it expires.",
        tool: "get_session_status",
        shows: ResourceContent::Data,
        fresh: Duration::from_secs(5),
        only: None,
        changed_by: OF_SESSION,
    },
    Resource {
        uri: "kasm://sessions/{kasm_id}/screenshot",
        name: "screenshot",
        title: "Screen",
        about: "The current screen of a running session, as PNG or JPEG.",
        tool: "get_session_screenshot",
        shows: ResourceContent::Picture,
        // The next screenshot may differ, so a client must not keep one.
        fresh: Duration::ZERO,
        only: Some(("operational_status", "running")),
        // Screens change all the time without a call. Clients are notified only of changes that were made
        // through this server.
        changed_by: &[
            "control_desktop",
            "execute_kasm_command",
            "destroy_kasm_session",
            "pause_kasm_session",
            "resume_kasm_session",
        ],
    },
];

pub(super) const VALUES: &[ArgumentValues] = &[
    ArgumentValues {
        argument: "kasm_id",
        tool: "list_user_sessions",
        list: "sessions",
        names: &["kasm_id", "image_name"],
        changed_by: &[
            "create_kasm_session",
            "destroy_kasm_session",
            "pause_kasm_session",
            "resume_kasm_session",
        ],
    },
    ArgumentValues {
        argument: "image_name",
        tool: "get_available_workspaces",
        list: "workspaces",
        names: &["friendly_name", "name", "image_id"],
        changed_by: &[],
    },
];
