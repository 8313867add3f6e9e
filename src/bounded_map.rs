//! A map with a hard limit, for what is remembered of each of many: callers, addresses, sessions.
//!
//! Values are shared out as `Arc`. An entry whose value is in use somewhere is never evicted, so that two users of one
//! key always see the same value.

mod semaphores;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

pub use semaphores::KeyedSemaphores;

/// Parts with a lock of their own, so that two callers seldom wait for each other.
const SHARDS: usize = 16;
/// How often a shard is searched for idle entries when a new one comes.
const SWEEP_PAUSE: Duration = Duration::from_secs(30);
/// The same while the map is full. A client that fills it with invented keys must not make each new key a
/// search.
const SWEEP_PAUSE_FULL: Duration = Duration::from_secs(1);

/// What a map may drop.
pub trait Evict {
    /// Whether it says nothing that a new entry would not say, so that losing it loses nothing.
    fn is_idle(&self) -> bool;
}

impl<T: Evict> Evict for Mutex<T> {
    fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }
}

/// At most so many entries by key.
#[derive(Debug)]
pub struct BoundedMap<K, V> {
    shards: Box<[Mutex<MapShard<K, V>>]>,
    // Seeded at random: a client cannot choose keys that all fall into one shard.
    hasher: RandomState,
    entries_max: usize,
    /// Entries of all shards. It is raised before an entry comes and lowered after it went: the limit holds for the sum,
    /// and a shard that more keys fall into by chance is not full before the others.
    count: AtomicUsize,
    /// Numbers the uses: the entry with the smallest number was not used for the longest time.
    uses: AtomicU64,
}

#[derive(Debug)]
struct MapShard<K, V> {
    entries: HashMap<K, MapEntry<V>>,
    swept: Instant,
}

#[derive(Debug)]
struct MapEntry<V> {
    value: Arc<V>,
    last_use: u64,
}

impl<V> MapEntry<V> {
    /// Clones are made only under the lock of the shard, so while that is held no new user can appear.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.value) > 1
    }
}

impl<K: Hash + Eq, V: Evict> BoundedMap<K, V> {
    /// An empty map that never has more than `entries_max` entries.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        let shard = || MapShard {
            entries: HashMap::new(),
            swept: Instant::now(),
        };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            hasher: RandomState::new(),
            entries_max,
            count: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`, if there is one. Counts as use.
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard_of(key).lock();
        let entry = shard.entries.get_mut(key)?;
        Some(self.use_entry(entry))
    }

    /// The value of `key`, which is made if there is none. None: the map is full, and no entry is idle. For limits: a
    /// flood of new keys cannot push out what is counted of the others.
    pub fn get_or_insert(&self, key: K, make: impl FnOnce() -> V) -> Option<Arc<V>> {
        if let Some(known) = self.get(&key) {
            return Some(known);
        }
        // Before this shard is locked: the sweep locks each shard in turn, and these locks are not reentrant.
        self.sweep_if_full();
        let mut shard = self.shard_of(&key).lock();
        // Another thread may have made it since.
        if let Some(entry) = shard.entries.get_mut(&key) {
            return Some(self.use_entry(entry));
        }
        if shard.swept.elapsed() >= SWEEP_PAUSE {
            self.sweep_shard(&mut shard);
        }
        // Taken under the lock of the shard, so no other thread inserts the same key in between.
        if !self.take_place() {
            return None;
        }
        let value = Arc::new(make());
        let last_use = self.next_use();
        let entry = MapEntry {
            value: value.clone(),
            last_use,
        };
        shard.entries.insert(key, entry);
        Some(value)
    }

    /// Gives `key` a value, in the place of the one that it has. For caches: in a full map the entry goes that was not
    /// used for the longest time and is not held; where all are held, the value is returned and not kept.
    pub fn insert(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.sweep_if_full();
        if let Err(key) = self.try_insert(key, &value) {
            self.evict_oldest();
            // Another thread may have taken the free place. Then the value is returned without being cached.
            let _not_kept = self.try_insert(key, &value);
        }
        value
    }

    /// Takes an entry out.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.shard_of(key).lock().entries.remove(key)?;
        // After the removal: the count may be too high for a moment, but never too low.
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(entry.value)
    }

    /// Drops all entries that are idle and not held.
    pub fn evict_idle(&self) {
        for shard in &*self.shards {
            self.sweep_shard(&mut shard.lock());
        }
    }

    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<MapShard<K, V>> {
        // The remainder is less than the number of shards, whatever is cut off.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let hash = self.hasher.hash_one(key) as usize;
        &self.shards[hash % self.shards.len()]
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    fn use_entry(&self, entry: &mut MapEntry<V>) -> Arc<V> {
        entry.last_use = self.next_use();
        entry.value.clone()
    }

    fn take_place(&self) -> bool {
        let more = |count| (count < self.entries_max).then_some(count + 1);
        // Relaxed is enough: the count protects no other memory, and each entry has the lock of its shard.
        let order = Ordering::Relaxed;
        self.count.fetch_update(order, order, more).is_ok()
    }

    fn try_insert(&self, key: K, value: &Arc<V>) -> Result<(), K> {
        let mut shard = self.shard_of(&key).lock();
        let known = shard.entries.contains_key(&key);
        if !known && !self.take_place() {
            return Err(key);
        }
        let entry = MapEntry {
            value: value.clone(),
            last_use: self.next_use(),
        };
        shard.entries.insert(key, entry);
        Ok(())
    }

    /// Searches the shards one after the other, with no lock held: two threads cannot wait for each other.
    fn sweep_if_full(&self) {
        if self.len() < self.entries_max {
            return;
        }
        for shard in &*self.shards {
            let mut shard = shard.lock();
            if shard.swept.elapsed() >= SWEEP_PAUSE_FULL {
                self.sweep_shard(&mut shard);
            }
        }
    }

    fn sweep_shard(&self, shard: &mut MapShard<K, V>) {
        shard.swept = Instant::now();
        self.evict_where(shard, |entry| entry.value.is_idle());
        // A flood leaves a large table behind, whose memory would stay until the process ends.
        if shard.entries.capacity() > 4 * shard.entries.len() {
            shard.entries.shrink_to_fit();
        }
    }

    fn evict_oldest(&self) {
        // One shard is locked at a time, so the oldest entry may be used in between. It then has a new
        // number, and nothing is evicted.
        let oldest = self.shards.iter().filter_map(|shard| {
            let locked = shard.lock();
            let free = locked.entries.values().filter(|entry| !entry.is_held());
            Some((free.map(|entry| entry.last_use).min()?, shard))
        });
        if let Some((last_use, shard)) = oldest.min_by_key(|(last_use, _)| *last_use) {
            self.evict_where(&mut shard.lock(), |entry| entry.last_use == last_use);
        }
    }

    fn evict_where(&self, shard: &mut MapShard<K, V>, is_unwanted: impl Fn(&MapEntry<V>) -> bool) {
        // An entry in use stays. A second value for its key would count from zero beside the first one.
        let before = shard.entries.len();
        shard
            .entries
            .retain(|_, entry| entry.is_held() || !is_unwanted(entry));
        let evicted = before - shard.entries.len();
        self.count.fetch_sub(evicted, Ordering::Relaxed);
    }
}
