//! Numbers by label, counted and read without a lock.
//!
//! Both tables have a fixed number of places, which are taken in the order in which labels appear and never given
//! back: a series that vanished would look to a monitoring system like a restart. What has no place is counted
//! together as `other`.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The label of what has no place of its own.
pub(super) const OTHER: &str = "other";
/// The most words of a [`WordCounters`]: outcomes, status classes, limits.
const WORDS_MAX: usize = 16;
/// Upper bounds in milliseconds: from an answer out of memory to a call that waits for a command.
const BOUNDS_MS: [u64; 8] = [5, 25, 100, 500, 2_000, 10_000, 60_000, 300_000];
/// One for each bound, and one above them.
const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// Counters by a word of this program.
#[derive(Debug, Default)]
pub(super) struct WordCounters {
    places: [OnceLock<WordCounter>; WORDS_MAX],
    others: AtomicU64,
}

#[derive(Debug)]
struct WordCounter {
    word: &'static str,
    count: AtomicU64,
}

impl WordCounters {
    pub(super) fn count_word(&self, word: &'static str) {
        // Only the numbers matter, not their order among other memory, so no barrier is needed.
        self.counter_of(word).fetch_add(1, Ordering::Relaxed);
    }

    fn counter_of(&self, word: &'static str) -> &AtomicU64 {
        for place in &self.places {
            // A free place ends the search, because places are taken in order. Two threads that come with new words at
            // once get the same place; the second finds the word of the first there and goes on.
            let taken = place.get_or_init(|| WordCounter {
                word,
                count: AtomicU64::new(0),
            });
            if taken.word == word {
                return &taken.count;
            }
        }
        &self.others
    }

    /// The words that were counted, with their numbers.
    pub(super) fn counted_words(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self.places.iter().map_while(OnceLock::get);
        let known = known.map(|counter| (counter.word, &counter.count));
        let all = known.chain([(OTHER, &self.others)]);
        let all = all.map(|(word, count)| (word, count.load(Ordering::Relaxed)));
        all.filter(|(_, count)| *count > 0)
    }
}

/// Durations by size.
#[derive(Debug, Default)]
pub(super) struct DurationCounts {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl DurationCounts {
    pub(super) fn count_duration(&self, took: Duration) {
        // 584 years fit.
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let within = |bound: &u64| nanoseconds <= bound * 1_000_000;
        let bucket = BOUNDS_MS.iter().position(within).unwrap_or(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        let mut buckets = self.buckets.iter();
        buckets.all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// The sum in seconds, and how many durations are in each bucket, by its upper bound in seconds.
    pub(super) fn sum_and_buckets(&self) -> (f64, [(f64, u64); BUCKETS]) {
        let sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        let buckets = std::array::from_fn(|bucket| {
            // The library takes the largest number for the infinite bound.
            let bound = BOUNDS_MS.get(bucket).map_or(f64::MAX, |bound| {
                Duration::from_millis(*bound).as_secs_f64()
            });
            (bound, self.buckets[bucket].load(Ordering::Relaxed))
        });
        (sum.as_secs_f64(), buckets)
    }
}

/// What a table can hold for a name.
pub(super) trait TableSeries: Default + Debug + Send + Sync + 'static {}

impl<S: Default + Debug + Send + Sync + 'static> TableSeries for S {}

/// Series by name: of a tool, of an endpoint, of a route.
#[derive(Debug)]
pub(super) struct SeriesTable<S> {
    places: Box<[OnceLock<NamedSeries<S>>]>,
    others: Arc<S>,
}

#[derive(Debug)]
struct NamedSeries<S> {
    name: Box<str>,
    series: Arc<S>,
}

impl<S: TableSeries> SeriesTable<S> {
    /// A table for at most so many names.
    pub(super) fn with_places(names_max: usize) -> Self {
        Self {
            places: (0..names_max).map(|_| OnceLock::new()).collect(),
            others: Arc::default(),
        }
    }

    /// The series of `name`: the same one each time, or that of all others if the table is full.
    pub(super) fn find_series(&self, name: &str) -> &Arc<S> {
        let start = name_hash(name) % self.places.len().max(1);
        let (before, from) = self.places.split_at(start);
        for place in from.iter().chain(before) {
            let taken = place.get_or_init(|| NamedSeries {
                name: name.into(),
                series: Arc::default(),
            });
            if *taken.name == *name {
                return &taken.series;
            }
        }
        &self.others
    }

    /// All series with their names.
    pub(super) fn named_series(&self) -> impl Iterator<Item = (&str, &S)> {
        let known = self.places.iter().filter_map(OnceLock::get);
        let known = known.map(|named| (&*named.name, &*named.series));
        known.chain([(OTHER, &*self.others)])
    }
}

/// FNV-1a. Names are texts of this program or of its operator, so nobody searches for collisions.
fn name_hash(name: &str) -> usize {
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    // The upper half is the better mixed one, and it fits.
    (hash >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_a_place_are_counted_as_other() {
        let words: Vec<&'static str> = ('a'..='z')
            .map(|word| &*String::from(word).leak())
            .collect();
        let counters = WordCounters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| words.iter().for_each(|word| counters.count_word(word)));
            }
        });
        let counted: Vec<_> = counters.counted_words().collect();
        assert_eq!(counted.len(), WORDS_MAX + 1);
        assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 4 * 26);
        let (other, own) = counted.split_last().unwrap();
        assert!(own.iter().all(|(_, count)| *count == 4), "{own:?}");
        assert_eq!(*other, (OTHER, 4 * 10));
    }

    #[test]
    fn names_keep_their_series_and_a_full_table_counts_the_rest_together() {
        let table = SeriesTable::<AtomicU64>::with_places(64);
        let names: Vec<_> = (0..100).map(|number| format!("tool_{number}")).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for name in &names {
                        table.find_series(name).fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let counted: Vec<_> = table.named_series().collect();
        let (other, own) = counted.split_last().unwrap();
        assert_eq!(own.len(), 64);
        for (name, count) in own {
            assert_eq!(count.load(Ordering::Relaxed), 4, "{name}");
        }
        assert_eq!(other.0, OTHER);
        assert_eq!(other.1.load(Ordering::Relaxed), 4 * 36);
    }

    #[test]
    fn duration_is_in_the_first_bucket_that_it_does_not_exceed() {
        let counts = DurationCounts::default();
        for took in [0, 5_000, 5_001, 300_000_000, 300_000_001] {
            counts.count_duration(Duration::from_micros(took));
        }
        let (sum, buckets) = counts.sum_and_buckets();
        assert_eq!(buckets[0], (0.005, 2));
        assert_eq!(buckets[1], (0.025, 1));
        assert_eq!(buckets[7], (300.0, 1));
        assert_eq!(buckets[8], (f64::MAX, 1));
        assert!((sum - 600.010_002).abs() < 1e-9, "{sum}");
    }
}
