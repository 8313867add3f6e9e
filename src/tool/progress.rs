//! Where a tool reports progress. Does nothing if the caller did not ask for it.

use std::fmt;

use futures::future::BoxFuture;

/// One progress report. `done` only grows.
#[derive(Clone, Debug)]
pub struct ProgressReport {
    /// The progress so far.
    pub done: f64,
    /// The total, if known.
    pub total: Option<f64>,
    /// The current step, in words.
    pub message: String,
}

type ProgressSink = Box<dyn Fn(ProgressReport) -> BoxFuture<'static, ()> + Send + Sync>;

/// Receives reports.
#[derive(Default)]
pub struct ProgressReporter(Option<ProgressSink>);

impl ProgressReporter {
    /// No reports are wanted.
    #[must_use]
    pub fn without_listener() -> Self {
        Self(None)
    }

    /// Sends reports to `sink`.
    pub fn to_sink(
        sink: impl Fn(ProgressReport) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Box::new(sink)))
    }

    /// Whether reports are wanted.
    #[must_use]
    pub fn has_listener(&self) -> bool {
        self.0.is_some()
    }

    /// Reports progress.
    pub async fn send_report(&self, report: ProgressReport) {
        if let Some(sink) = &self.0 {
            sink(report).await;
        }
    }
}

impl fmt::Debug for ProgressReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}
