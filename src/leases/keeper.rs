//! The task that sends keepalives and ends unused sessions.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::{Instant, sleep};

use super::LeaseState;
use super::book::LeaseDuty;
use crate::kasm::{KasmError, KasmId, UserId};

/// How often the task checks for due work, which needs no request.
const TICK: Duration = Duration::from_millis(500);
/// How often uses are written to disk. After a crash, a session looks unused for that much longer.
const SAVE: Duration = Duration::from_secs(5);
/// The most duties that are fulfilled at the same time; each is up to three requests to Kasm.
const AT_A_TIME: usize = 4;

pub(super) async fn keep_leases(leases: Weak<LeaseState>) {
    let mut saved = Instant::now();
    loop {
        sleep(TICK).await;
        let Some(leases) = leases.upgrade() else {
            return;
        };
        let due = leases.lock_book().due_duties(leases.clock.now());
        // The next round begins after this one, so duties do not pile up while Kasm is slow.
        stream::iter(due)
            .for_each_concurrent(AT_A_TIME, |(kasm_id, user, duty)| {
                leases.fulfil_duty(kasm_id, user, duty)
            })
            .await;
        if saved.elapsed() >= SAVE {
            saved = Instant::now();
            leases.save_changes().await;
        }
    }
}

impl LeaseState {
    async fn fulfil_duty(self: &Arc<Self>, kasm_id: KasmId, user: UserId, duty: LeaseDuty) {
        let done = match duty {
            LeaseDuty::KeepAlive => self.keep_alive(kasm_id, user).await,
            LeaseDuty::End => self.end_session(kasm_id, user).await,
        };
        match done {
            Ok(()) => {}
            Err(KasmError::NotFound { .. }) => self.lock_book().forget_session(kasm_id),
            Err(error) => {
                tracing::warn!(%kasm_id, ?duty, %error, "cannot keep a session alive for now");
                self.lock_book().postpone_duty(kasm_id, self.clock.now());
            }
        }
    }

    async fn keep_alive(&self, kasm_id: KasmId, user: UserId) -> Result<(), KasmError> {
        // Kasm's expiry is read first, because our keepalive would hide those of a person's browser.
        let session = self.kasm.session_of(user, kasm_id).await?;
        if self
            .lock_book()
            .is_kept_by_others(kasm_id, &session, self.clock.now())
        {
            return Ok(());
        }
        if !self.kasm.api().keepalive(kasm_id).await? {
            tracing::info!(%kasm_id, "Kasm does not extend the session: a usage limit is reached");
        }
        // The second answer shows what the keepalive changed.
        let session = self.kasm.session_of(user, kasm_id).await?;
        self.lock_book()
            .record_keepalive(kasm_id, &session, self.clock.now());
        Ok(())
    }

    async fn end_session(&self, kasm_id: KasmId, user: UserId) -> Result<(), KasmError> {
        // Kasm's expiry is read first: a browser may have kept the session alive, which counts as use.
        let session = self.kasm.session_of(user, kasm_id).await?;
        if !self
            .lock_book()
            .is_abandoned(kasm_id, &session, self.clock.now())
        {
            return Ok(());
        }
        self.kasm.api().destroy(user, kasm_id).await?;
        tracing::info!(%kasm_id, "a session was destroyed: it was not used during its lease");
        self.lock_book().forget_session(kasm_id);
        Ok(())
    }
}
