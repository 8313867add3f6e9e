//! Which session, which service, and what of it a request is for.

use axum::http::Uri;

use crate::id::Id;

/// A request target under the proxy's path.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kasm_id: Option<Id>,
    pub(crate) service: String,
    /// What the service behind the proxy is asked for.
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Target {
    /// Takes a target apart; nothing if the proxy's path is another one.
    pub(crate) fn read(uri: &Uri, proxy_path: &str) -> Option<Self> {
        let path = uri.path().strip_prefix('/')?;
        let path = path.strip_prefix(proxy_path.trim_matches('/'))?;
        let path = path.strip_prefix('/')?;
        let (kasm_id, path) = path.split_once('/').unwrap_or((path, ""));
        let end = path.find('/').unwrap_or(path.len());
        let (service, path) = path.split_at(end);
        Some(Self {
            kasm_id: Id::parse(kasm_id),
            service: service.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The length of the target as the service behind the proxy sees it.
    pub(super) fn length(&self) -> usize {
        self.path.len() + self.query.as_ref().map_or(0, |query| query.len() + 1)
    }

    /// Whether it leads upwards, written out or percent-encoded.
    pub(super) fn climbs(&self) -> bool {
        let query = self.query.as_deref().unwrap_or_default();
        [self.path.as_str(), query].into_iter().any(|text| {
            let decoded = percent_decoded(text, b'/');
            decoded.windows(3).any(|w| w == b"../")
        })
    }

    /// The path in bytes. An encoded slash is no slash, and whatever follows
    /// a percent sign without two digits is lost.
    pub(super) fn decoded(&self) -> Vec<u8> {
        percent_decoded(&self.path, b'_')
    }
}

fn percent_decoded(text: &str, slash: u8) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            break;
        };
        match u8::try_from(high * 16 + low).unwrap_or(b'_') {
            0 => break,
            b'/' => decoded.push(slash),
            byte => decoded.push(byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn target(uri: &str) -> Target {
        Target::read(&uri.parse().unwrap(), "desktop").unwrap()
    }

    #[test]
    fn proxy_target_is_split_into_its_parts() {
        let it = target("/desktop/01234567-89ab-cdef-0123-456789abcdef/vnc/a%20b%2Fc%C3%BC%4?x=1");
        assert!(it.kasm_id.is_some());
        assert_eq!((it.service.as_str(), it.length()), ("vnc", 22));
        assert_eq!(it.decoded(), "/a b_cü".as_bytes());
        assert_eq!(target("/desktop/x/vnc").path, "/");
        assert!(Target::read(&"/other/x/vnc".parse().unwrap(), "desktop").is_none());
    }

    #[test]
    fn proxy_target_that_climbs_is_found_in_any_spelling() {
        for path in ["../x", "%2e%2E/x", "%2e.%2fx", "x?y=../", "a../x"] {
            assert!(target(&format!("/desktop/x/vnc/{path}")).climbs(), "{path}");
        }
        for path in ["..", "a..b", "x?y=..", "..%"] {
            assert!(
                !target(&format!("/desktop/x/vnc/{path}")).climbs(),
                "{path}"
            );
        }
    }
}
