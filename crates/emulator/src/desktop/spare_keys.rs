//! Keys that the keyboard does not have are lent one of a few spare ones. If
//! these change their meaning faster than programs read, text comes out wrong.

use std::time::Duration;

use tokio::time::Instant;

/// Different characters that there are spare keys for.
const SPARE: usize = 24;

/// What the spare keys mean.
#[derive(Debug, Default)]
pub(super) struct SpareKeys {
    lent: Vec<u32>,
    last: Option<Instant>,
}

impl SpareKeys {
    /// What a program reads for a key.
    pub(super) fn lend(&mut self, keysym: u32, pace: Duration) -> u32 {
        // Latin letters and keys with a name are there.
        if keysym <= 0xffff {
            return keysym;
        }
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last >= pace) {
            self.lent.clear();
        }
        self.last = Some(now);
        if self.lent.contains(&keysym) {
            return keysym;
        }
        self.lent.push(keysym);
        let first = self.lent.first().copied();
        first.filter(|_| self.lent.len() > SPARE).unwrap_or(keysym)
    }
}
