//! Keys that the keyboard does not have are lent one of a few spare ones. If
//! these change their meaning faster than programs read, text comes out wrong.

use std::time::Duration;

use tokio::time::Instant;

/// Different characters that there are spare keys for.
const SPARE: usize = 24;

/// What the spare keys mean.
#[derive(Debug, Default)]
pub(super) struct SpareKeys {
    /// The oldest one is the next to be given up.
    lent: Vec<u32>,
    /// How many were lent one soon after the other.
    hasty: Vec<u32>,
    last: Option<Instant>,
}

impl SpareKeys {
    pub(super) fn has(&self, keysym: u32) -> bool {
        self.lent.contains(&keysym)
    }

    pub(super) fn lend(&mut self, keysym: u32) {
        if self.lent.len() >= SPARE {
            self.lent.remove(0);
        }
        self.lent.push(keysym);
    }

    /// All of them mean nothing again.
    pub(super) fn take_back(&mut self) {
        self.lent.clear();
    }

    /// What a program reads for a spare key that was pressed at a time.
    pub(super) fn read(&mut self, keysym: u32, at: Instant, pace: Option<Duration>) -> u32 {
        let Some(pace) = pace else { return keysym };
        if self.last.is_none_or(|last| at - last >= pace) {
            self.hasty.clear();
        }
        self.last = Some(at);
        if self.hasty.contains(&keysym) {
            return keysym;
        }
        self.hasty.push(keysym);
        let first = self.hasty.first().copied();
        first.filter(|_| self.hasty.len() > SPARE).unwrap_or(keysym)
    }
}
