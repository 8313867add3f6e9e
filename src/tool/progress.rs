//! Where a tool reports progress. Does nothing if the caller did not ask for it.

use std::fmt;

use futures::future::BoxFuture;

/// One progress report. `done` only grows.
#[derive(Clone, Debug)]
pub struct Report {
    /// The progress so far.
    pub done: f64,
    /// The total, if known.
    pub total: Option<f64>,
    /// The current step, in words.
    pub message: String,
}

type Sink = Box<dyn Fn(Report) -> BoxFuture<'static, ()> + Send + Sync>;

/// Receives reports.
#[derive(Default)]
pub struct Progress(Option<Sink>);

impl Progress {
    /// No reports are wanted.
    #[must_use]
    pub fn ignored() -> Self {
        Self(None)
    }

    /// Sends reports to `sink`.
    pub fn to(sink: impl Fn(Report) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(sink)))
    }

    /// Whether reports are wanted.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Reports progress.
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
