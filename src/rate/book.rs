//! What is remembered of each of many, as long as it matters, and of not more than so many.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
/// Parts with a lock of their own, so that two callers seldom wait for each other.
const SHARDS: usize = 16;
/// How often a part is looked through for what does not matter any more, when something new comes.
const LOOK: Duration = Duration::from_secs(30);
/// The same for a part that is full.
const LOOK_FULL: Duration = Duration::from_secs(1);

/// When something was used last. Cheap to set from many threads.
#[derive(Debug)]
pub struct Used {
    epoch: Instant,
    ms: AtomicU64,
}

impl Used {
    /// Just now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            epoch: Instant::now(),
            ms: AtomicU64::new(0),
        }
    }

    /// Used again.
    pub fn again(&self) {
        let ms = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ms.store(ms, Ordering::Relaxed);
    }

    /// For how long it was not used.
    #[must_use]
    pub fn ago(&self) -> Duration {
        let used = Duration::from_millis(self.ms.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(used)
    }
}

/// What a book is about.
pub trait Kept {
    /// Whether it says nothing that a new one would not say.
    fn is_as_new(&self) -> bool;
}

/// What is remembered by key. What somebody holds is never forgotten.
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
    /// An empty one for about `max` entries.
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

    /// The entry of `key`, which is made if there is none. None: the book is full, and all in it matters.
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

    /// Forgets what does not matter any more.
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
    fn full_rate_book_takes_no_new_entries() {
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
    fn rate_book_forgets_idle_entries_unless_held() {
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
