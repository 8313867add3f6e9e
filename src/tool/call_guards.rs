//! Guards that live as long as a call.

use std::any::Any;
use std::fmt;

use parking_lot::Mutex;
/// Values that are dropped when the call ends, in whatever way.
#[derive(Default)]
// A lock, because tools have the context as a shared reference.
pub struct CallGuards(Mutex<Vec<Box<dyn Any + Send>>>);

impl CallGuards {
    pub(super) fn add_guard(&self, thing: Box<dyn Any + Send>) {
        let mut things = self.0.lock();
        things.push(thing);
    }
}

impl fmt::Debug for CallGuards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
