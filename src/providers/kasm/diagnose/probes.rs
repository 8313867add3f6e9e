//! The endpoints that are probed, and requests to them that change nothing.

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};

use crate::kasm::model::{ExecRequest, SessionRequest, UserFields, UserRef};
use crate::kasm::{Id, ImageId, Kasm, KasmError, KasmId, UserId};

const AUTH: &str = "Users Auth Session";
const USER: &str = "User";
const SESSIONS_MODIFY: &str = "Sessions Modify";
const ACT: &[&str] = &[AUTH, USER];
const ACT_ON_SESSION: &[&str] = &[AUTH, USER, SESSIONS_MODIFY];

/// An endpoint, its permissions, and the tools that use it.
pub(super) struct EndpointProbe {
    pub endpoint: &'static str,
    pub permissions: &'static [&'static str],
    pub tools: &'static [&'static str],
}

const fn endpoint_probe(
    endpoint: &'static str,
    permissions: &'static [&'static str],
    tools: &'static [&'static str],
) -> EndpointProbe {
    EndpointProbe {
        endpoint,
        permissions,
        tools,
    }
}

const USERS: &[&str] = &["get_kasm_users", "get_kasm_user"];
pub(super) const COMMANDS: &[&str] = &[
    "execute_kasm_command",
    "get_command_output",
    "stop_command",
    "read_kasm_file",
    "write_kasm_file",
    "edit_kasm_file",
    "list_kasm_files",
    "link_kasm_file",
];

pub(super) static PROBES: [EndpointProbe; 18] = [
    endpoint_probe(
        "get_images",
        &["Images View"],
        &["get_available_workspaces", "create_kasm_session"],
    ),
    endpoint_probe(
        "get_kasms",
        &["Sessions View"],
        &["list_user_sessions", "list_all_sessions"],
    ),
    endpoint_probe(
        "get_kasm_status",
        ACT,
        &["get_session_status", "and every tool that takes a kasm_id"],
    ),
    endpoint_probe("request_kasm", ACT, &["create_kasm_session"]),
    endpoint_probe("keepalive", ACT, &["extend_kasm_session"]),
    endpoint_probe(
        "destroy_kasm",
        &["Sessions Delete"],
        &["destroy_kasm_session"],
    ),
    endpoint_probe("pause_kasm", ACT_ON_SESSION, &["pause_kasm_session"]),
    endpoint_probe("resume_kasm", ACT_ON_SESSION, &["resume_kasm_session"]),
    endpoint_probe("exec_command_kasm", ACT_ON_SESSION, COMMANDS),
    endpoint_probe(
        "set_session_permissions",
        &[SESSIONS_MODIFY],
        &["share_kasm_session"],
    ),
    endpoint_probe(
        "logout_user",
        &[AUTH],
        &[
            "logout_kasm_user",
            "control_desktop",
            "get_session_screenshot",
        ],
    ),
    endpoint_probe("get_users", &["Users View"], USERS),
    endpoint_probe("create_user", &["Users Create"], &["create_kasm_user"]),
    endpoint_probe("update_user", &["Users Modify"], &["update_kasm_user"]),
    endpoint_probe(
        "delete_user",
        &["Users Delete", "Users Modify"],
        &["delete_kasm_user"],
    ),
    endpoint_probe(
        "get_kasm_frame_stats",
        &["Sessions View"],
        &["get_session_frame_stats"],
    ),
    endpoint_probe(
        "get_kasm_bottleneck_stats",
        &["Sessions View"],
        &["get_session_bottleneck_stats"],
    ),
    endpoint_probe(
        "get_session_recordings",
        &["Session Recordings View"],
        &["get_session_recordings"],
    ),
];

pub(super) type ProbeFuture<'a> = BoxFuture<'a, Result<(), KasmError>>;

/// Calls a probe's endpoint in a way that changes nothing. The id `nobody` does not exist.
pub(super) fn call_probe<'a>(
    kasm: &'a Kasm,
    user: UserId,
    nobody: UnknownIds,
    endpoint: &str,
) -> ProbeFuture<'a> {
    let wire = kasm.api();
    let UnknownIds {
        session,
        image,
        other,
    } = nobody;
    match endpoint {
        "get_images" => wire.list_images().map_ok(drop).boxed(),
        "get_kasms" => wire.sessions().map_ok(drop).boxed(),
        "get_kasm_status" => wire.session(user, session).map_ok(drop).boxed(),
        // The image does not exist, so Kasm refuses the request after it has checked the permissions.
        "request_kasm" => async move {
            let request = SessionRequest::default();
            wire.request_session(user, image, &request).await.map(drop)
        }
        .boxed(),
        "keepalive" => wire.keepalive(session).map_ok(drop).boxed(),
        "destroy_kasm" => wire.destroy(user, session),
        "pause_kasm" => wire.pause(user, session),
        "resume_kasm" => wire.resume(user, session),
        "exec_command_kasm" => async move {
            let exec = ExecRequest {
                cmd: "true".to_owned(),
                ..ExecRequest::default()
            };
            wire.exec(user, session, &exec).await
        }
        .boxed(),
        "set_session_permissions" => wire.share(session, other, "r").map_ok(drop).boxed(),
        "logout_user" => wire.logout_user(other),
        "get_users" => wire.list_users().map_ok(drop).boxed(),
        "create_user" => taken_name(kasm, user).boxed(),
        "update_user" => async move {
            let fields = UserFields::default();
            wire.update_user(other, &fields).await.map(drop)
        }
        .boxed(),
        "delete_user" => wire.delete_user(other, false),
        "get_kasm_frame_stats" => wire.frame_stats(user, session, "none").map_ok(drop).boxed(),
        "get_kasm_bottleneck_stats" => wire.bottleneck_stats(user, session).map_ok(drop).boxed(),
        // Only `get_session_recordings` is left.
        _ => wire.list_recordings(session, false).map_ok(drop).boxed(),
    }
}

/// Requests a new user with a name that is taken and without required fields, so Kasm cannot create it.
async fn taken_name(kasm: &Kasm, user: UserId) -> Result<(), KasmError> {
    let own = kasm.api().fetch_user(&UserRef::Id(user)).await;
    // Without the permission to read users, no name is known to be taken.
    let Ok(own) = own else {
        return Err(KasmError::Unavailable(
            "it cannot be checked without the permission Users View".to_owned(),
        ));
    };
    let fields = UserFields {
        username: Some(own.username),
        ..UserFields::default()
    };
    kasm.api().create_user(&fields).await.map(drop)
}

/// Ids that do not exist.
#[derive(Clone, Copy)]
pub(super) struct UnknownIds {
    session: KasmId,
    image: ImageId,
    other: UserId,
}

impl UnknownIds {
    pub(super) fn random() -> Self {
        Self {
            // Random ids are so long that one that exists is not hit by chance.
            session: Id::random(),
            image: Id::random(),
            other: Id::random(),
        }
    }
}
