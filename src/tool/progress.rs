//! Where a tool tells how far it is. A no-op for callers who did not ask.

use std::fmt;

use futures::future::BoxFuture;

/// One report. `done` only grows.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much is done.
    pub done: f64,
    /// Of how much, if that is known.
    pub total: Option<f64>,
    /// What is going on.
    pub message: String,
}

type Sink = Box<dyn Fn(Report) -> BoxFuture<'static, ()> + Send + Sync>;

/// The receiving end of reports.
#[derive(Default)]
pub struct Progress(Option<Sink>);

impl Progress {
    /// Nobody listens.
    #[must_use]
    pub fn ignored() -> Self {
        Self(None)
    }

    /// Reports go to `sink`.
    pub fn to(sink: impl Fn(Report) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(sink)))
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells how far it is.
    pub async fn report(&self, report: Report) {
        if let Some(sink) = &self.0 {
            sink(report).await;
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}
