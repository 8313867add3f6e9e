//! API keys. A key belongs to the server, not to a user, and starts with no
//! permission.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use crate::record::KeySpec;

/// Opens everything.
const GLOBAL_ADMIN: &str = "Global Admin";

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    secret: String,
    permissions: BTreeSet<String>,
    pub(crate) read_only: bool,
    expires: Option<SystemTime>,
    enabled: bool,
}

impl ApiKey {
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission) || self.permissions.contains(GLOBAL_ADMIN)
    }
}

/// All keys by name. Shared, so that a call can keep the key it came with.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, Arc<ApiKey>>);

impl Keys {
    pub(crate) fn add(&mut self, name: String, secret: String, spec: KeySpec) {
        let key = ApiKey {
            secret,
            permissions: spec.permissions,
            read_only: spec.read_only,
            expires: spec.expires,
            enabled: spec.enabled,
        };
        self.0.insert(name, Arc::new(key));
    }

    /// The key, if it is known, the secret is right, and it is in force.
    pub(crate) fn check(&self, name: &str, secret: &str) -> Option<Arc<ApiKey>> {
        let key = self.0.get(name)?;
        let live = key.enabled && key.expires.is_none_or(|end| SystemTime::now() < end);
        (live && key.secret == secret).then(|| Arc::clone(key))
    }

    pub(crate) fn grant(&mut self, name: &str, permission: &str) {
        if let Some(key) = self.0.get_mut(name) {
            Arc::make_mut(key).permissions.insert(permission.to_owned());
        }
    }

    pub(crate) fn revoke(&mut self, name: &str, permission: &str) {
        if let Some(key) = self.0.get_mut(name) {
            Arc::make_mut(key).permissions.remove(permission);
        }
    }
}
