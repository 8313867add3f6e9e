//! How series are written for a monitoring system. A series appears with its first count.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::series::{DurationCounts, SeriesTable, TableSeries, WordCounters};

type EncodeResult = Result<(), fmt::Error>;

/// Counters by one label.
#[derive(Debug)]
pub(super) struct ExposedWords {
    pub(super) counters: Arc<WordCounters>,
    pub(super) label: &'static str,
}

/// One member of each series of a table.
#[derive(Debug)]
pub(super) struct ExposedTable<S, M> {
    pub(super) table: Arc<SeriesTable<S>>,
    pub(super) member: fn(&S) -> &M,
    /// The label of the names.
    pub(super) name_label: &'static str,
    /// The label of the words, of a member that has words.
    pub(super) word_label: &'static str,
}

impl<S: TableSeries, M> ExposedTable<S, M> {
    fn members(&self) -> impl Iterator<Item = (&str, &M)> {
        let series = self.table.named_series();
        series.map(|(name, series)| (name, (self.member)(series)))
    }
}

fn encode_count(
    encoder: &mut MetricEncoder<'_>,
    labels: &[(&'static str, &str)],
    count: u64,
) -> EncodeResult {
    let mut series = encoder.encode_family(&labels)?;
    series.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

impl EncodeMetric for ExposedWords {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> EncodeResult {
        for (word, count) in self.counters.counted_words() {
            encode_count(&mut encoder, &[(self.label, word)], count)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.counters.counted_words().next().is_none()
    }
}

impl<S: TableSeries> EncodeMetric for ExposedTable<S, WordCounters> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> EncodeResult {
        for (name, counters) in self.members() {
            for (word, count) in counters.counted_words() {
                let labels = [(self.name_label, name), (self.word_label, word)];
                encode_count(&mut encoder, &labels, count)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        let mut members = self.members();
        members.all(|(_, counters)| counters.counted_words().next().is_none())
    }
}

impl<S: TableSeries> EncodeMetric for ExposedTable<S, AtomicU64> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> EncodeResult {
        for (name, count) in self.members() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                encode_count(&mut encoder, &[(self.name_label, name)], count)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        let mut members = self.members();
        members.all(|(_, count)| count.load(Ordering::Relaxed) == 0)
    }
}

impl<S: TableSeries> EncodeMetric for ExposedTable<S, DurationCounts> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> EncodeResult {
        for (name, durations) in self.members() {
            let (sum, buckets) = durations.sum_and_buckets();
            // From the same reading as the buckets, so that the two agree.
            let count = buckets.iter().map(|(_, count)| count).sum();
            if count > 0 {
                let labels = [(self.name_label, name)];
                let mut series = encoder.encode_family(&labels)?;
                series.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }

    fn is_empty(&self) -> bool {
        let mut members = self.members();
        members.all(|(_, durations)| durations.is_empty())
    }
}
