//! A sharded map with a hard size limit that removes idle entries.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
/// Shards, each with its own lock, so that two callers rarely wait for each other.
const SHARDS: usize = 16;
/// How often a shard removes idle entries when a new one is added.
const LOOK: Duration = Duration::from_secs(30);
/// How often a full shard does so.
const LOOK_FULL: Duration = Duration::from_secs(1);

/// The time of the last use. Cheap to set from many threads.
#[derive(Debug)]
pub struct Used {
    epoch: Instant,
    ms: AtomicU64,
}

impl Used {
    /// Used now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            epoch: Instant::now(),
            ms: AtomicU64::new(0),
        }
    }

    /// Marks it as used now.
    pub fn again(&self) {
        let ms = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ms.store(ms, Ordering::Relaxed);
    }

    /// The time since the last use.
    #[must_use]
    pub fn ago(&self) -> Duration {
        let used = Duration::from_millis(self.ms.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(used)
    }
}

/// A value of the map.
pub trait Kept {
    /// Whether a new value would be equal to it, so that it can be removed.
    fn is_as_new(&self) -> bool;
}

/// Values by key. A value that is in use elsewhere is never removed.
#[derive(Debug)]
pub struct Book<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    hasher: RandomState,
    shard_max: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    entries: HashMap<K, Arc<V>>,
    looked: Instant,
}

impl<K: Hash + Eq, V: Kept> Book<K, V> {
    /// An empty map for about `max` entries.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let shard = || Shard {
            entries: HashMap::new(),
            looked: Instant::now(),
        };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            hasher: RandomState::new(),
            shard_max: max.div_ceil(SHARDS),
        }
    }

    /// The value of `key`, created if it is missing. None: the map is full of entries in use.
    pub fn entry(&self, key: K, make: impl FnOnce() -> V) -> Option<Arc<V>> {
        let mut shard = self.shard(&key)?;
        if let Some(known) = shard.entries.get(&key) {
            return Some(known.clone());
        }
        let is_full = shard.entries.len() >= self.shard_max;
        let pause = if is_full { LOOK_FULL } else { LOOK };
        if shard.looked.elapsed() >= pause {
            shard.forget();
        }
        if shard.entries.len() >= self.shard_max {
            return None;
        }
        let made = Arc::new(make());
        shard.entries.insert(key, made.clone());
        Some(made)
    }

    /// Removes idle entries.
    pub fn forget(&self) {
        for shard in &*self.shards {
            lock(shard).forget();
        }
    }

    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K, V>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).ok()?;
        self.shards.get(hash).map(lock)
    }
}

impl<K: Hash + Eq, V: Kept> Shard<K, V> {
    fn forget(&mut self) {
        self.looked = Instant::now();
        self.entries
            .retain(|_, entry| Arc::strong_count(entry) > 1 || !entry.is_as_new());
        if self.entries.capacity() > 4 * self.entries.len() {
            self.entries.shrink_to_fit();
        }
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(bool);

    impl Kept for Entry {
        fn is_as_new(&self) -> bool {
            self.0
        }
    }

    fn count(book: &Book<u32, Entry>) -> usize {
        let lengths = book.shards.iter().map(|shard| lock(shard).entries.len());
        lengths.sum()
    }

    #[test]
    fn a_book_is_never_fuller_than_it_may_be() {
        let book = Book::new(160);
        for key in 0..10_000 {
            let entry = book.entry(key, || Entry(false));
            let again = book.entry(key, || Entry(false));
            assert_eq!(entry.is_some(), again.is_some());
        }
        assert_eq!(count(&book), 160);
        book.forget();
        assert_eq!(count(&book), 160, "all of it matters");
    }

    #[test]
    fn what_does_not_matter_is_forgotten_unless_somebody_holds_it() {
        let book = Book::new(1_000);
        let held = book.entry(0, || Entry(true));
        for key in 1..100 {
            book.entry(key, || Entry(key % 2 == 0)).unwrap();
        }
        book.forget();
        assert_eq!(count(&book), 51);
        drop(held);
        book.forget();
        assert_eq!(count(&book), 50);
    }
}
