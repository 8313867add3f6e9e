//! What a bounded map promises, in examples and in random sequences of uses.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::{BoundedMap, Evict, SHARDS};

#[derive(Debug)]
struct Value(AtomicBool);

impl Value {
    fn new(is_idle: bool) -> Self {
        Self(AtomicBool::new(is_idle))
    }
}

impl Evict for Value {
    fn is_idle(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn entries_in(map: &BoundedMap<u32, Value>) -> usize {
    let lengths = map.shards.iter().map(|shard| shard.lock().entries.len());
    lengths.sum()
}

#[test]
fn a_map_takes_as_many_entries_as_its_limit_and_no_more() {
    // Less than one a shard, and a number that shards cannot share evenly.
    for max in [1, SHARDS - 3, 163] {
        let map = BoundedMap::new(max);
        for key in 0..10_000 {
            let entry = map.get_or_insert(key, || Value::new(false));
            assert_eq!(entry.is_some(), (key as usize) < max);
            assert_eq!(map.get(&key).is_some(), entry.is_some());
        }
        assert_eq!((map.len(), entries_in(&map)), (max, max));
        map.evict_idle();
        assert_eq!(map.len(), max, "none is idle");
    }
}

#[test]
fn idle_entries_go_unless_they_are_held() {
    let map = BoundedMap::new(1_000);
    let held = map.get_or_insert(0, || Value::new(true)).unwrap();
    for key in 1..100 {
        map.get_or_insert(key, || Value::new(key % 2 == 0)).unwrap();
    }
    map.evict_idle();
    assert_eq!((map.len(), entries_in(&map)), (51, 51));
    assert!(Arc::ptr_eq(&map.get(&0).unwrap(), &held));
    drop(held);
    map.evict_idle();
    assert_eq!(map.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_full_map_is_searched_once_a_second() {
    let map = BoundedMap::new(100);
    for key in 0..100 {
        map.get_or_insert(key, || Value::new(true)).unwrap();
    }
    assert!(map.get_or_insert(100, || Value::new(true)).is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(map.get_or_insert(100, || Value::new(true)).is_some());
    assert_eq!(map.len(), 1, "all that were idle went together");
}

#[test]
fn a_cache_drops_the_entry_that_was_not_used_for_the_longest_time() {
    let map = BoundedMap::new(3);
    for key in 0..3 {
        map.insert(key, Value::new(false));
    }
    let held = map.get(&0).unwrap();
    assert!(map.get(&1).is_some());
    map.insert(3, Value::new(false));
    assert!(map.get(&2).is_none());
    map.insert(4, Value::new(false));
    assert!(map.get(&1).is_none());
    assert!(Arc::ptr_eq(&map.get(&0).unwrap(), &held));
    // A new value for a known key takes no place.
    let replaced = map.insert(0, Value::new(true));
    assert!(Arc::ptr_eq(&map.get(&0).unwrap(), &replaced));
    let all = [0, 3, 4].map(|key| map.get(&key).unwrap());
    let not_kept = map.insert(5, Value::new(false));
    assert_eq!(Arc::strong_count(&not_kept), 1);
    assert_eq!((map.len(), entries_in(&map), all.len()), (3, 3, 3));
}

#[test]
fn threads_that_share_a_map_keep_its_limit_and_one_value_for_each_key() {
    let map = BoundedMap::new(50);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let map = &map;
            scope.spawn(move || {
                for step in 0..5_000 {
                    let key = (step * 7 + thread) % 120;
                    let one = map.get_or_insert(key, || Value::new(true));
                    let again = map.get(&key);
                    if let (Some(one), Some(again)) = (one, again) {
                        assert!(Arc::ptr_eq(&one, &again), "it was held");
                    }
                    map.insert(1_000 + key, Value::new(false));
                    map.remove(&(1_000 + key));
                    if step % 100 == 0 {
                        map.evict_idle();
                    }
                    assert!(map.len() <= 50);
                }
            });
        }
    });
    assert_eq!(map.len(), entries_in(&map));
}

#[derive(Clone, Debug)]
enum Step {
    GetOrInsert { key: u32, is_idle: bool, hold: bool },
    Insert { key: u32, is_idle: bool, hold: bool },
    BecomeIdle(u32),
    Release(u32),
    Remove(u32),
    EvictIdle,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = 0..12_u32;
    let flags = (key.clone(), any::<bool>(), any::<bool>());
    prop_oneof![
        4 => flags.clone().prop_map(|(key, is_idle, hold)| Step::GetOrInsert { key, is_idle, hold }),
        4 => flags.prop_map(|(key, is_idle, hold)| Step::Insert { key, is_idle, hold }),
        2 => key.clone().prop_map(Step::BecomeIdle),
        2 => key.clone().prop_map(Step::Release),
        1 => key.prop_map(Step::Remove),
        1 => Just(Step::EvictIdle),
    ]
}

proptest! {
    #[test]
    fn held_entries_stay_and_the_limit_holds_whatever_happens(
        max in 0..10_usize,
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let map = BoundedMap::new(max);
        let mut held: HashMap<u32, Arc<Value>> = HashMap::new();
        for step in steps {
            let before: Vec<u32> = (0..12).filter(|key| map.get(key).is_some()).collect();
            match step {
                Step::GetOrInsert { key, is_idle, hold } => {
                    let value = map.get_or_insert(key, || Value::new(is_idle));
                    prop_assert_eq!(value.is_some(), before.contains(&key) || before.len() < max);
                    // Nothing that a caller counts on is pushed out by a new key.
                    for other in &before {
                        prop_assert!(map.get(other).is_some());
                    }
                    if let Some(value) = value.filter(|_| hold) {
                        held.insert(key, value);
                    }
                }
                Step::Insert { key, is_idle, hold } => {
                    let all_held = held.len() >= max && !before.contains(&key);
                    let value = map.insert(key, Value::new(is_idle));
                    prop_assert_eq!(map.get(&key).is_none(), all_held);
                    held.remove(&key);
                    if hold && !all_held {
                        held.insert(key, value);
                    }
                }
                Step::BecomeIdle(key) => {
                    if let Some(value) = map.get(&key) {
                        value.0.store(true, Ordering::Relaxed);
                    }
                }
                Step::Release(key) => drop(held.remove(&key)),
                Step::Remove(key) => {
                    prop_assert_eq!(map.remove(&key).is_some(), before.contains(&key));
                    held.remove(&key);
                }
                Step::EvictIdle => {
                    let matters = |key: &u32| {
                        held.contains_key(key) || map.get(key).is_some_and(|value| !value.is_idle())
                    };
                    let expected: Vec<u32> = before.into_iter().filter(matters).collect();
                    map.evict_idle();
                    let after: Vec<u32> = (0..12).filter(|key| map.get(key).is_some()).collect();
                    prop_assert_eq!(after, expected);
                }
            }
            for (key, value) in &held {
                let found = map.get(key);
                prop_assert!(found.is_some_and(|found| Arc::ptr_eq(&found, value)));
            }
            prop_assert!(map.len() <= max);
            prop_assert_eq!(map.len(), entries_in(&map));
        }
    }
}
