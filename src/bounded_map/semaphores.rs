//! A semaphore for each key.

use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{BoundedMap, Evict};

/// Semaphores by key, each with the same number of permits. Keys that find no room in the map share one.
#[derive(Debug)]
pub struct KeyedSemaphores<K> {
    by_key: BoundedMap<K, Semaphore>,
    shared: Arc<Semaphore>,
    permits: usize,
}

/// An owned permit holds its semaphore. A semaphore that is not held has all of its permits, like a new one.
impl Evict for Semaphore {
    fn is_idle(&self) -> bool {
        true
    }
}

impl<K: Hash + Eq> KeyedSemaphores<K> {
    /// Semaphores with `permits` each, for at most `keys_max` keys.
    #[must_use]
    pub fn new(keys_max: usize, permits: usize) -> Self {
        Self {
            by_key: BoundedMap::new(keys_max),
            shared: Arc::new(Semaphore::new(permits)),
            permits,
        }
    }

    /// The semaphore of `key`. Permits must be owned ones: they keep it in the map.
    pub fn of_key(&self, key: K) -> Arc<Semaphore> {
        let found = self
            .by_key
            .get_or_insert(key, || Semaphore::new(self.permits));
        found.unwrap_or_else(|| self.shared.clone())
    }

    /// How many permits each has.
    #[must_use]
    pub fn permits(&self) -> usize {
        self.permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn permits_of_a_key_count_together_as_long_as_one_is_out() {
        let semaphores = KeyedSemaphores::new(100, 2);
        let first = semaphores.of_key("a").acquire_owned().await.unwrap();
        semaphores.by_key.evict_idle();
        let second = semaphores.of_key("a").acquire_owned().await.unwrap();
        assert!(semaphores.of_key("a").try_acquire_owned().is_err());
        assert!(semaphores.of_key("b").try_acquire_owned().is_ok());
        drop((first, second));
        semaphores.by_key.evict_idle();
        assert!(semaphores.by_key.is_empty());
    }

    #[tokio::test]
    async fn keys_without_room_share_a_semaphore() {
        let semaphores = KeyedSemaphores::new(1, 1);
        let _a = semaphores.of_key("a").try_acquire_owned().unwrap();
        let b = semaphores.of_key("b").try_acquire_owned().unwrap();
        assert!(semaphores.of_key("c").try_acquire_owned().is_err());
        drop(b);
        assert!(semaphores.of_key("c").try_acquire_owned().is_ok());
    }
}
