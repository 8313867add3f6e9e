//! The check whether Kasm can be reached, for `/health`.

use std::fmt;

use futures::future::BoxFuture;

type UpstreamProbe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Checks whether Kasm can be reached, without naming it: the HTTP surface knows no provider.
pub struct HealthProbe {
    upstream: UpstreamProbe,
}

impl HealthProbe {
    /// `upstream` fails with a reason that is safe to show.
    pub fn new(
        upstream: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            upstream: Box::new(upstream),
        }
    }

    pub(super) async fn ask_upstream(&self) -> Result<(), String> {
        (self.upstream)().await
    }
}

impl fmt::Debug for HealthProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HealthProbe")
    }
}
