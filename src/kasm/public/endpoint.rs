//! The endpoints of the released API: name, mount, permissions, and whether they may be retried.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
pub(super) const PUBLIC: &str = "/api/public";
pub(super) const API: &str = "/api";
pub(super) const ADMIN: &str = "/api/admin";

const ACT_FOR_USER: &str = "Users Auth Session and User";
const MANAGE_USERS: &str = "Users Modify (and Users Modify Admin if the user is an administrator)";

/// One endpoint.
#[derive(Debug)]
pub(super) struct ApiEndpoint {
    /// The last segment of the path.
    pub(super) name: &'static str,
    /// The path before the name, as Kasm documents it.
    pub(super) mount: &'static str,
    /// The permissions that an API key needs for it.
    pub(super) needs: &'static str,
    /// Whether it may be retried if it is unknown whether the request arrived.
    pub(super) idempotent: bool,
    /// May take longer than an ordinary call.
    pub(super) slow: bool,
    /// A status word beside an `error_message` means "not ready".
    pub(super) status_beside_error: bool,
}

impl ApiEndpoint {
    const fn reading(name: &'static str, needs: &'static str) -> Self {
        Self {
            name,
            mount: PUBLIC,
            needs,
            idempotent: true,
            slow: false,
            status_beside_error: false,
        }
    }

    const fn changing(name: &'static str, needs: &'static str) -> Self {
        Self {
            idempotent: false,
            ..Self::reading(name, needs)
        }
    }

    /// The mount to try if the endpoint is not found on `mount`.
    pub(super) fn other_mount(&self, mount: &str) -> &'static str {
        // Kasm does not document which mount a name answers on. Names for users were seen at `/api`, names
        // for administrators at `/api/admin`.
        match (mount, self.mount) {
            (API | ADMIN, _) => PUBLIC,
            _ if self.needs.starts_with(ACT_FOR_USER) => API,
            _ => ADMIN,
        }
    }
}

pub(super) static REQUEST_KASM: ApiEndpoint = ApiEndpoint {
    slow: true,
    ..ApiEndpoint::changing("request_kasm", ACT_FOR_USER)
};
pub(super) static GET_KASM_STATUS: ApiEndpoint = ApiEndpoint {
    status_beside_error: true,
    ..ApiEndpoint::reading("get_kasm_status", ACT_FOR_USER)
};
pub(super) static GET_KASMS: ApiEndpoint = ApiEndpoint::reading("get_kasms", "Sessions View");
pub(super) static DESTROY_KASM: ApiEndpoint = ApiEndpoint::changing(
    "destroy_kasm",
    "Sessions Delete, Users Auth Session and User",
);
pub(super) static PAUSE_KASM: ApiEndpoint = ApiEndpoint::changing(
    "pause_kasm",
    "Users Auth Session and User, Sessions Modify, and the group setting allow_kasm_pause",
);
pub(super) static RESUME_KASM: ApiEndpoint = ApiEndpoint::changing(
    "resume_kasm",
    "Users Auth Session and User, Sessions Modify",
);
pub(super) static KEEPALIVE: ApiEndpoint = ApiEndpoint::changing("keepalive", ACT_FOR_USER);
pub(super) static EXEC_COMMAND_KASM: ApiEndpoint = ApiEndpoint::changing(
    "exec_command_kasm",
    "Users Auth Session and User, Sessions Modify",
);
pub(super) static CREATE_SESSION_TOKEN: ApiEndpoint =
    ApiEndpoint::reading("create_session_token", "Users Auth Session");
pub(super) static SET_SESSION_PERMISSIONS: ApiEndpoint =
    ApiEndpoint::changing("set_session_permissions", "Sessions Modify");
pub(super) static GET_IMAGES: ApiEndpoint = ApiEndpoint::reading("get_images", "Images View");
pub(super) static GET_USERS: ApiEndpoint = ApiEndpoint::reading("get_users", "Users View");
pub(super) static GET_USER: ApiEndpoint = ApiEndpoint::reading("get_user", "Users View");
pub(super) static CREATE_USER: ApiEndpoint = ApiEndpoint::changing("create_user", "Users Create");
pub(super) static UPDATE_USER: ApiEndpoint = ApiEndpoint::changing("update_user", MANAGE_USERS);
pub(super) static DELETE_USER: ApiEndpoint = ApiEndpoint::changing(
    "delete_user",
    "Users Delete and Users Modify (and Users Modify Admin if the user is an administrator)",
);
pub(super) static LOGOUT_USER: ApiEndpoint =
    ApiEndpoint::changing("logout_user", "Users Auth Session");
pub(super) static GET_GROUPS: ApiEndpoint = ApiEndpoint::reading("get_groups", "Groups View");
pub(super) static GET_FRAME_STATS: ApiEndpoint = ApiEndpoint::reading(
    "get_kasm_frame_stats",
    "Sessions View (Kasm does not document it)",
);
pub(super) static GET_BOTTLENECK_STATS: ApiEndpoint = ApiEndpoint::reading(
    "get_kasm_bottleneck_stats",
    "Sessions View (Kasm does not document it)",
);
pub(super) static GET_KASM_SCREENSHOT: ApiEndpoint =
    ApiEndpoint::reading("get_kasm_screenshot", "Session Recordings View");
pub(super) static GET_SESSION_RECORDINGS: ApiEndpoint =
    ApiEndpoint::reading("get_session_recordings", "Session Recordings View");

/// The address of an endpoint.
#[derive(Debug)]
pub(super) struct EndpointAddress {
    pub(super) mount: &'static str,
    pub(super) url: reqwest::Url,
}

/// The mount on which an endpoint was found, for the life of the process.
#[derive(Debug)]
pub(super) struct EndpointMounts {
    base: reqwest::Url,
    // Its keys are the names in this file, so it cannot grow.
    known: Mutex<HashMap<&'static str, Arc<EndpointAddress>>>,
}

impl EndpointMounts {
    /// The mounts of the server at `base`.
    pub(super) fn new(base: reqwest::Url) -> Self {
        Self {
            base,
            known: Mutex::default(),
        }
    }

    pub(super) fn address_of(&self, endpoint: &'static ApiEndpoint) -> Arc<EndpointAddress> {
        let address = || self.build_address(endpoint.mount, endpoint);
        self.lock_known()
            .entry(endpoint.name)
            .or_insert_with(address)
            .clone()
    }

    /// The mount to try if the endpoint is not at `address`.
    pub(super) fn other_than(
        &self,
        address: &EndpointAddress,
        endpoint: &ApiEndpoint,
    ) -> Arc<EndpointAddress> {
        self.build_address(endpoint.other_mount(address.mount), endpoint)
    }

    pub(super) fn remember_address(
        &self,
        endpoint: &'static ApiEndpoint,
        address: Arc<EndpointAddress>,
    ) {
        self.lock_known().insert(endpoint.name, address);
    }

    fn build_address(&self, mount: &'static str, endpoint: &ApiEndpoint) -> Arc<EndpointAddress> {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}{mount}/{}", endpoint.name));
        Arc::new(EndpointAddress { mount, url })
    }

    fn lock_known(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<EndpointAddress>>> {
        self.known.lock()
    }
}
