//! What lives as long as a call.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Things that are dropped when the call ends, however it ends.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Box<dyn Any + Send>>>);

impl Kept {
    pub(super) fn add(&self, thing: Box<dyn Any + Send>) {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        things.push(thing);
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
