//! Declaring metrics: what is registered and what the documents list come from one line each.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::exposed_series::{ExposedTable, ExposedWords};
use super::series::{DurationCounts, SeriesTable, TableSeries, WordCounters};

/// One metric, for the documents.
#[derive(Clone, Debug)]
pub struct MetricInfo {
    /// Its name as it is exposed, without what its kind adds.
    pub name: &'static str,
    /// counter, gauge, histogram or info.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it means.
    pub help: &'static str,
}

/// A table whose members are declared as metrics, and the label of its names.
pub(super) struct DeclaredTable<S> {
    pub(super) table: Arc<SeriesTable<S>>,
    pub(super) label: &'static str,
}

impl<S: TableSeries> DeclaredTable<S> {
    pub(super) fn with_places(label: &'static str, names_max: usize) -> Self {
        Self {
            table: Arc::new(SeriesTable::with_places(names_max)),
            label,
        }
    }

    fn expose<M>(&self, word_label: &'static str, member: fn(&S) -> &M) -> ExposedTable<S, M> {
        ExposedTable {
            table: self.table.clone(),
            member,
            name_label: self.label,
            word_label,
        }
    }
}

/// All metrics that were declared so far.
#[derive(Default)]
pub(super) struct MetricDeclarations {
    pub(super) registry: Registry,
    pub(super) list: Vec<MetricInfo>,
}

impl MetricDeclarations {
    pub(super) fn declare_counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        // Clones share one number: the registry reads it, and the caller counts on the other.
        let counter = Counter::default();
        self.add_metric("counter", name, &[], help, counter.clone());
        counter
    }

    /// Counters by a word, which is the value of the only label.
    pub(super) fn declare_words(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
    ) -> Arc<WordCounters> {
        let counters = Arc::<WordCounters>::default();
        let exposed = ExposedWords {
            counters: counters.clone(),
            label,
        };
        self.add_metric("counter", name, &[label], help, exposed);
        counters
    }

    /// Counters by the name of a table and a word.
    pub(super) fn declare_word_table<S: TableSeries>(
        &mut self,
        (name, help): (&'static str, &'static str),
        table: &DeclaredTable<S>,
        word_label: &'static str,
        member: fn(&S) -> &WordCounters,
    ) {
        let labels = [table.label, word_label];
        let exposed = table.expose(word_label, member);
        self.add_metric("counter", name, &labels, help, exposed);
    }

    /// Counters by the name of a table.
    pub(super) fn declare_count_table<S: TableSeries>(
        &mut self,
        (name, help): (&'static str, &'static str),
        table: &DeclaredTable<S>,
        member: fn(&S) -> &AtomicU64,
    ) {
        let exposed = table.expose("", member);
        self.add_metric("counter", name, &[table.label], help, exposed);
    }

    /// Durations by the name of a table.
    pub(super) fn declare_duration_table<S: TableSeries>(
        &mut self,
        (name, help): (&'static str, &'static str),
        table: &DeclaredTable<S>,
        member: fn(&S) -> &DurationCounts,
    ) {
        let exposed = table.expose("", member);
        self.add_metric("histogram", name, &[table.label], help, exposed);
    }

    pub(super) fn declare_gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add_gauge(name, help, gauge.clone());
        gauge
    }

    /// A gauge of another type of number.
    pub(super) fn add_gauge(&mut self, name: &'static str, help: &'static str, gauge: impl Metric) {
        self.add_metric("gauge", name, &[], help, gauge);
    }

    /// A text that does not change.
    pub(super) fn add_info(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        text: &'static str,
    ) {
        self.add_metric("info", name, &[label], help, Info::new([(label, text)]));
    }

    fn add_metric(
        &mut self,
        kind: &'static str,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
        metric: impl Metric,
    ) {
        // The library puts a unit behind the name by itself.
        match name.strip_suffix("_seconds") {
            Some(bare) => self
                .registry
                .register_with_unit(bare, help, Unit::Seconds, metric),
            None => self.registry.register(name, help, metric),
        }
        // The same call fills the list of the documents, so the two cannot differ.
        self.list.push(MetricInfo {
            name,
            kind,
            labels: labels.to_vec(),
            help,
        });
    }
}
