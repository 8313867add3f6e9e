//! The environment every process of a container starts with.

use std::collections::BTreeMap;

use super::State;
use super::session::Session;
use crate::container::HOME;

impl State {
    /// Kasm's own part, then what was asked for when the session was.
    pub(crate) fn container_environment(&self, session: &Session) -> BTreeMap<String, String> {
        let own = [
            ("DISPLAY", ":1"),
            ("HOME", HOME),
            ("HOSTNAME", "kasm"),
            ("LANG", "C.UTF-8"),
            ("SHELL", "/bin/bash"),
            ("USER", "kasm-user"),
            ("VNC_RESOLUTION", "1280x720"),
            ("KASM_API_HOST", "emulated-kasm.invalid"),
            ("KASM_API_PORT", "443"),
            ("KASM_API_JWT", session.container_jwt.as_str()),
            ("KASM_USER_NAME", self.username(session.user_id)),
            ("VNC_PW", session.vnc_password.as_str()),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut environment: BTreeMap<String, String> = own.into_iter().map(owned).collect();
        environment.insert("KASM_ID".to_owned(), session.id.to_string());
        environment.insert("KASM_USER".to_owned(), session.user_id.to_string());
        environment.extend(session.environment.clone());
        environment
    }
}
