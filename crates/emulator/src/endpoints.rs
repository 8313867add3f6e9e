//! The one list of endpoint names, each with the permissions it needs and
//! whether a read-only key may call it. A name that is not here does not exist.

mod exec;
mod groups;
mod images;
mod infrastructure;
mod lifecycle;
mod logins;
mod recordings;
mod sessions;
mod sharing;
mod users;
mod views;

use crate::answer::Outcome;
use crate::call::Call;
use crate::state::State;

/// Whether a call changes anything, as a read-only key sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [&'static str],
    pub(crate) effect: Effect,
    pub(crate) run: fn(&mut State, &Call<'_>) -> Outcome,
}

/// The endpoint of this name.
pub(crate) fn find(name: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|e| e.name == name)
}

/// Every permission some endpoint asks for.
pub(crate) fn permissions() -> impl Iterator<Item = &'static str> {
    let named = ENDPOINTS.iter().flat_map(|e| e.needs.iter().copied());
    named.chain([users::MODIFY_ADMIN, groups::MODIFY_SYSTEM])
}

type Run = fn(&mut State, &Call<'_>) -> Outcome;

const fn read(name: &'static str, needs: &'static [&'static str], run: Run) -> Endpoint {
    Endpoint {
        name,
        needs,
        effect: Effect::Read,
        run,
    }
}

const fn write(name: &'static str, needs: &'static [&'static str], run: Run) -> Endpoint {
    Endpoint {
        name,
        needs,
        effect: Effect::Write,
        run,
    }
}

/// To act for a user.
const ACT: &[&str] = &["User", "Users Auth Session"];
/// To act for a user on a session.
const ACT_ON_SESSION: &[&str] = &["User", "Users Auth Session", "Sessions Modify"];
const LOGINS: &[&str] = &["Users Auth Session"];
const SESSIONS_VIEW: &[&str] = &["Sessions View"];
const SESSIONS_MODIFY: &[&str] = &["Sessions Modify"];
const SESSIONS_DELETE: &[&str] = &["Sessions Delete"];
const RECORDINGS: &[&str] = &["Session Recordings View"];
const IMAGES_VIEW: &[&str] = &["Images View"];
const USERS_VIEW: &[&str] = &["Users View"];
const USERS_MODIFY: &[&str] = &["Users Modify"];
const GROUPS_VIEW: &[&str] = &["Groups View"];
const GROUPS_MODIFY: &[&str] = &["Groups Modify"];

/// The list.
static ENDPOINTS: &[Endpoint] = &[
    write("request_kasm", ACT, sessions::request_kasm),
    read("get_kasm_status", ACT, sessions::get_kasm_status),
    write("join_kasm", ACT, sessions::join_kasm),
    read("get_kasms", SESSIONS_VIEW, sessions::get_kasms),
    read("get_user_kasms", SESSIONS_VIEW, sessions::get_user_kasms),
    write("destroy_kasm", SESSIONS_DELETE, lifecycle::destroy_kasm),
    write("keepalive", ACT, lifecycle::keepalive),
    write("stop_kasm", ACT_ON_SESSION, lifecycle::stop_kasm),
    write("pause_kasm", ACT_ON_SESSION, lifecycle::pause_kasm),
    write("resume_kasm", ACT_ON_SESSION, lifecycle::resume_kasm),
    write("exec_command_kasm", ACT_ON_SESSION, exec::exec_command_kasm),
    read(
        "get_kasm_screenshot",
        RECORDINGS,
        views::get_kasm_screenshot,
    ),
    read(
        "get_kasm_frame_stats",
        SESSIONS_VIEW,
        views::get_kasm_frame_stats,
    ),
    read(
        "get_kasm_bottleneck_stats",
        SESSIONS_VIEW,
        views::get_kasm_bottleneck_stats,
    ),
    read(
        "get_session_recordings",
        RECORDINGS,
        recordings::get_session_recordings,
    ),
    read(
        "get_sessions_recordings",
        RECORDINGS,
        recordings::get_sessions_recordings,
    ),
    read(
        "get_session_permissions",
        SESSIONS_VIEW,
        sharing::get_session_permissions,
    ),
    write(
        "set_session_permissions",
        SESSIONS_MODIFY,
        sharing::set_session_permissions,
    ),
    write(
        "set_all_session_permissions",
        SESSIONS_MODIFY,
        sharing::set_all_session_permissions,
    ),
    write(
        "delete_session_permissions",
        SESSIONS_MODIFY,
        sharing::delete_session_permissions,
    ),
    write(
        "delete_all_session_permissions",
        SESSIONS_MODIFY,
        sharing::delete_all_session_permissions,
    ),
    read("get_images", IMAGES_VIEW, images::get_images),
    read("get_image", IMAGES_VIEW, images::get_image),
    write("create_image", &["Images Create"], images::create_image),
    write("update_image", &["Images Modify"], images::update_image),
    write("delete_image", &["Images Delete"], images::delete_image),
    read("get_users", USERS_VIEW, users::get_users),
    read("get_user", USERS_VIEW, users::get_user),
    write("create_user", &["Users Create"], users::create_user),
    write("update_user", USERS_MODIFY, users::update_user),
    write(
        "delete_user",
        &["Users Delete", "Users Modify"],
        users::delete_user,
    ),
    read("get_attributes", USERS_VIEW, users::get_attributes),
    write(
        "update_user_attributes",
        &["Servers Modify", "Users Modify"],
        users::update_user_attributes,
    ),
    write("logout_user", LOGINS, logins::logout_user),
    write("get_login", LOGINS, logins::get_login),
    write("create_session_token", LOGINS, logins::create_session_token),
    read("get_session_token", LOGINS, logins::get_session_token),
    read("get_session_tokens", LOGINS, logins::get_session_tokens),
    write("update_session_token", LOGINS, logins::update_session_token),
    write("delete_session_token", LOGINS, logins::delete_session_token),
    write(
        "delete_session_tokens",
        LOGINS,
        logins::delete_session_tokens,
    ),
    read("get_groups", GROUPS_VIEW, groups::get_groups),
    write("create_group", &["Groups Create"], groups::create_group),
    write("update_group", GROUPS_MODIFY, groups::update_group),
    write("delete_group", &["Groups Delete"], groups::delete_group),
    read("get_users_group", GROUPS_VIEW, groups::get_users_group),
    write("add_user_group", GROUPS_MODIFY, groups::add_user_group),
    write(
        "remove_user_group",
        GROUPS_MODIFY,
        groups::remove_user_group,
    ),
    read("get_images_group", GROUPS_VIEW, groups::get_images_group),
    write("add_images_group", GROUPS_MODIFY, groups::add_images_group),
    write(
        "remove_images_group",
        GROUPS_MODIFY,
        groups::remove_images_group,
    ),
    read("get_zones", &["Zones View"], infrastructure::get_zones),
    read("get_agents", &["Agents View"], infrastructure::get_agents),
    read(
        "get_agent_report",
        &["Reports View"],
        infrastructure::get_agent_report,
    ),
    read(
        "get_servers",
        &["Servers View"],
        infrastructure::get_servers,
    ),
    read(
        "get_licenses",
        &["Licenses View"],
        infrastructure::get_licenses,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ENDPOINTS;

    #[test]
    fn endpoint_names_are_unique_and_have_permissions() {
        let names: BTreeSet<_> = ENDPOINTS.iter().map(|e| e.name).collect();
        assert_eq!(names.len(), ENDPOINTS.len());
        assert!(ENDPOINTS.iter().all(|e| !e.needs.is_empty()));
    }
}
