//! Declaring metrics: what is registered and what the documents list come from one line each.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Upper bounds in seconds: from an answer out of memory to a call that waits for a command.
const SECONDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// One metric, for the documents.
#[derive(Clone, Copy, Debug)]
pub struct MetricInfo {
    /// Its name as it is exposed, without what its kind adds.
    pub name: &'static str,
    /// counter, gauge, histogram or info.
    pub kind: &'static str,
    /// Its labels, separated by commas.
    pub labels: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// A set of labels whose names are on record.
pub(super) trait MetricLabels:
    Clone + Debug + Eq + Hash + EncodeLabelSet + Send + Sync + 'static
{
    const NAMES: &'static str;
}

/// Makes histograms with the bounds of this program.
#[derive(Clone, Debug)]
pub(super) struct NewTimer;

impl MetricConstructor<Histogram> for NewTimer {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

pub(super) type CounterFamily<L> = Family<L, Counter>;
pub(super) type TimerFamily<L> = Family<L, Histogram, NewTimer>;

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
        self.add_metric("counter", name, "", help, counter.clone());
        counter
    }

    pub(super) fn declare_counters<L: MetricLabels>(
        &mut self,
        name: &'static str,
        help: &'static str,
    ) -> CounterFamily<L> {
        let counters = CounterFamily::default();
        self.add_metric("counter", name, L::NAMES, help, counters.clone());
        counters
    }

    pub(super) fn declare_timers<L: MetricLabels>(
        &mut self,
        name: &'static str,
        help: &'static str,
    ) -> TimerFamily<L> {
        let timers = TimerFamily::new_with_constructor(NewTimer);
        self.add_metric("histogram", name, L::NAMES, help, timers.clone());
        timers
    }

    pub(super) fn declare_gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        self.add_gauge(name, help, gauge.clone());
        gauge
    }

    /// A gauge of another type of number.
    pub(super) fn add_gauge(&mut self, name: &'static str, help: &'static str, gauge: impl Metric) {
        self.add_metric("gauge", name, "", help, gauge);
    }

    /// A text that does not change.
    pub(super) fn add_info(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        text: &'static str,
    ) {
        self.add_metric("info", name, label, help, Info::new([(label, text)]));
    }

    fn add_metric(
        &mut self,
        kind: &'static str,
        name: &'static str,
        labels: &'static str,
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
            labels,
            help,
        });
    }
}
