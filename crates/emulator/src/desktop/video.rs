//! What the server takes for a video: when the last updates have shown much of the screen each, whatever was
//! in them.

use std::collections::VecDeque;

/// Over how many seconds of updates the guess goes.
const SECONDS: usize = 5;
/// The share of the screen that makes a video.
const SHARE: f64 = 0.45;

/// The shares of the last updates.
#[derive(Debug)]
pub(super) struct VideoGuess {
    shares: VecDeque<f64>,
    updates: usize,
}

impl VideoGuess {
    pub(super) fn new(frame_rate: usize) -> Self {
        let updates = SECONDS * frame_rate;
        Self {
            shares: VecDeque::new(),
            updates,
        }
    }

    /// An update shows this share. Whether that makes a video.
    pub(super) fn note(&mut self, share: f64) -> bool {
        self.shares.push_back(share);
        if self.shares.len() > self.updates {
            self.shares.pop_front();
        }
        self.shares.iter().sum::<f64>() > SHARE * self.updates as f64
    }
}

#[cfg(test)]
mod tests {
    use super::VideoGuess;

    #[test]
    fn full_pictures_are_a_video_and_small_ones_are_not() {
        let mut guess = VideoGuess::new(24);
        assert!((0..54).all(|_| !guess.note(1.0)));
        assert!(guess.note(1.0), "the 55th");
        assert!(
            (0..120)
                .map(|_| guess.note(0.01))
                .last()
                .is_some_and(|video| !video)
        );
    }
}
