//! Removes the folders of jobs that no call will ask for again.
//!
//! The wrapper of the next job removes them on its way, so a busy session needs no request for that. Where no
//! further job comes, one dispatch removes all that are due. The last few of those that were reported stay for
//! a while, because a client may request their reports again. Their number is fixed for each session.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::id::JobId;
use super::spec;
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::{Kasm, KasmId};

/// How long the folder of a job stays that was reported whole in one reply.
const REPORTED_STAYS: Duration = Duration::from_secs(120);
/// How long the folder of a job stays whose end was read later. Clients request a task's result again.
const READ_STAYS: Duration = Duration::from_secs(24 * 3_600);
/// Folders of such jobs that stay in one session. Of more, the oldest may go at once.
const REPORTED_MAX: usize = 4;
const READ_MAX: usize = 8;
/// How long after a job the folders go that no further job removed on its way.
const SWEEP_AFTER: Duration = Duration::from_secs(30);
/// Folders that a dispatch of their own removes: their names fit one variable of the environment.
const SWEEP_MAX: usize = 2_000;
/// Folders that a job removes on its way, beside which its script has to fit.
const SWEEP_MAX_OF_JOB: usize = 128;
/// Folders that are remembered for one session. Older ones go with the daily clean-up of the wrapper.
const FOLDERS_MAX: usize = 10_000;

/// When a folder may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRemoval {
    /// No call will ask for it again.
    Now,
    /// Its job was reported whole. Of these the last few stay, for a short time.
    AfterReport,
    /// Its job was read to its end. Of these the last few stay for a day.
    AfterReading,
    /// It is in use for that long at most.
    After(Duration),
}

/// The folders to remove, by session.
#[derive(Debug, Default)]
pub(super) struct FolderSweeper(Mutex<HashMap<KasmId, SessionFolders>>);

/// Folders that stay for a while, the oldest first, and until when.
#[derive(Debug, Default)]
struct LastFolders(VecDeque<(JobId, Instant)>);

impl LastFolders {
    /// A job whose end is read again stays as long as after the first time.
    fn add_folder(&mut self, id: JobId, until: Instant) {
        if !self.0.iter().any(|(other, _)| *other == id) {
            self.0.push_back((id, until));
        }
    }

    fn release_due(&mut self, now: Instant, max: usize, due: &mut Vec<JobId>) {
        let is_over = |(_, until): &(JobId, Instant)| *until <= now;
        while self.0.len() > max || self.0.front().is_some_and(is_over) {
            due.extend(self.0.pop_front().map(|(id, _)| id));
        }
    }
}

#[derive(Debug, Default)]
struct SessionFolders {
    reported: LastFolders,
    read: LastFolders,
    in_use: Vec<(JobId, Instant)>,
    due: Vec<JobId>,
    has_task: bool,
}

impl SessionFolders {
    fn release_expired(&mut self, now: Instant) {
        let due = &mut self.due;
        self.reported.release_due(now, REPORTED_MAX, due);
        self.read.release_due(now, READ_MAX, due);
        self.in_use.retain(|(id, until)| {
            let stays = *until > now;
            if !stays {
                due.push(*id);
            }
            stays
        });
        let over = self.due.len().saturating_sub(FOLDERS_MAX);
        self.due.drain(..over);
    }

    /// Takes the folders that may go now and belong to the given user.
    fn take_due(&mut self, now: Instant, as_root: bool, max: usize) -> Vec<JobId> {
        self.release_expired(now);
        let mut taken = Vec::new();
        self.due.retain(|id| {
            let take = id.as_root() == as_root && taken.len() < max;
            if take {
                taken.push(*id);
            }
            !take
        });
        taken
    }

    fn is_empty(&self) -> bool {
        self.reported.0.is_empty()
            && self.read.0.is_empty()
            && self.in_use.is_empty()
            && self.due.is_empty()
    }
}

impl FolderSweeper {
    /// Takes the folders that a new job removes on its way.
    pub(super) fn take_for_job(&self, kasm_id: KasmId, as_root: bool) -> Vec<JobId> {
        self.take_due(kasm_id, as_root, SWEEP_MAX_OF_JOB)
    }

    fn take_due(&self, kasm_id: KasmId, as_root: bool, max: usize) -> Vec<JobId> {
        let mut all = self.0.lock();
        let folders = all.get_mut(&kasm_id);
        folders.map_or_else(Vec::new, |folders| {
            folders.take_due(Instant::now(), as_root, max)
        })
    }

    /// Notes a folder that may go. True: a task has to be started that sees to it.
    fn note_folder(&self, kasm_id: KasmId, id: JobId, removal: FolderRemoval) -> bool {
        let mut all = self.0.lock();
        let folders = all.entry(kasm_id).or_default();
        let now = Instant::now();
        match removal {
            FolderRemoval::Now => folders.due.push(id),
            FolderRemoval::AfterReport => folders.reported.add_folder(id, now + REPORTED_STAYS),
            FolderRemoval::AfterReading => folders.read.add_folder(id, now + READ_STAYS),
            FolderRemoval::After(time) => folders.in_use.push((id, now + time)),
        }
        !std::mem::replace(&mut folders.has_task, true)
    }

    /// Whether folders are left. If not, the session is forgotten.
    fn goes_on(&self, kasm_id: KasmId) -> bool {
        let mut all = self.0.lock();
        // One lock for check and removal: a folder noted before it keeps this task, one noted after it starts
        // another.
        if all.get(&kasm_id).is_some_and(SessionFolders::is_empty) {
            all.remove(&kasm_id);
        }
        all.contains_key(&kasm_id)
    }

    /// Removes the folder of `id` when it may go.
    pub(super) fn remove_later(
        self: &Arc<Self>,
        kasm: &Kasm,
        place: &RunningSession,
        id: JobId,
        removal: FolderRemoval,
    ) {
        if !self.note_folder(place.kasm_id, id, removal) {
            return;
        }
        let (sweeper, kasm, place) = (self.clone(), kasm.clone(), place.clone());
        tokio::spawn(async move {
            while sweeper.goes_on(place.kasm_id) {
                tokio::time::sleep(SWEEP_AFTER).await;
                for as_root in [false, true] {
                    let ids = sweeper.take_due(place.kasm_id, as_root, SWEEP_MAX);
                    if !ids.is_empty() {
                        let exec = spec::dispatch_sweep(&ids, as_root);
                        // A session that is gone took its folders along.
                        let _gone = kasm.api().exec(place.user, place.kasm_id, &exec).await;
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u32) -> JobId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn sweeper_keeps_a_dozen_job_folders() {
        let mut folders = SessionFolders::default();
        let now = Instant::now();
        for number in 0..300 {
            folders
                .reported
                .add_folder(job(number), now + REPORTED_STAYS);
            folders
                .read
                .add_folder(job(1_000 + number), now + READ_STAYS);
            // It is read again, which changes nothing.
            folders
                .read
                .add_folder(job(1_000 + number), now + READ_STAYS * 2);
        }
        let taken = folders.take_due(now, false, SWEEP_MAX);
        assert_eq!(taken.len(), 600 - REPORTED_MAX - READ_MAX);
        assert_eq!(taken[0], job(0));
        assert!(folders.take_due(now, false, SWEEP_MAX).is_empty());
        let later = now + REPORTED_STAYS;
        let rest = folders.take_due(later, false, SWEEP_MAX);
        assert_eq!(rest.len(), REPORTED_MAX);
        let last = folders.take_due(now + READ_STAYS, false, SWEEP_MAX);
        assert_eq!(last.len(), READ_MAX);
        assert!(folders.is_empty());
    }

    #[test]
    fn folders_of_root_are_left_to_root() {
        let mut folders = SessionFolders {
            due: vec![job(1)],
            ..SessionFolders::default()
        };
        let now = Instant::now();
        assert!(folders.take_due(now, true, SWEEP_MAX).is_empty());
        assert_eq!(folders.take_due(now, false, SWEEP_MAX), [job(1)]);
    }
}
