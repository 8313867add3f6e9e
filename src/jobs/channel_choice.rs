//! Which way a job's output takes out of a session, and whether it is open now.

use tokio::time::Instant;

use super::channel_health::{ChannelReadiness, FailureKind};
use super::{JobError, OutputChannel, SessionJobs};
use crate::kasm::KasmId;
use crate::kasm::session_proxy::RunningSession;

impl SessionJobs {
    pub(super) fn readiness(&self, kasm_id: KasmId, channel: OutputChannel) -> ChannelReadiness {
        let answered = match channel {
            OutputChannel::Downloads => self.kasm.last_answer(kasm_id),
            OutputChannel::Relay => None,
        };
        let now = Instant::now();
        self.health
            .channel_readiness(kasm_id, channel, now, answered)
    }

    /// The channel to use, or why there is none. Downloads that failed are tried all the same where there is no
    /// other way: the pieces stay in the job's folder until they can be read.
    pub(super) fn choose_channel(&self, place: &RunningSession) -> Result<OutputChannel, String> {
        let is_resting = |channel| {
            matches!(
                self.readiness(place.kasm_id, channel),
                ChannelReadiness::Resting { .. }
            )
        };
        let relay = self.relay.is_some() && !is_resting(OutputChannel::Relay);
        match downloads_forbidden(place) {
            None if relay && is_resting(OutputChannel::Downloads) => Ok(OutputChannel::Relay),
            None => Ok(OutputChannel::Downloads),
            Some(_) if relay => Ok(OutputChannel::Relay),
            Some(why) => Err(self.no_channel(place, why)),
        }
    }

    /// Why no channel can be used. `downloads` is the reason against downloads.
    pub(super) fn no_channel(&self, place: &RunningSession, downloads: &str) -> String {
        let relay = match &self.relay {
            None => "the relay is off (MCP_PUBLIC_URL is not set)".to_owned(),
            Some(_) => match self.readiness(place.kasm_id, OutputChannel::Relay) {
                ChannelReadiness::Resting { why, .. } => why,
                ChannelReadiness::Ready | ChannelReadiness::TryAgain => {
                    return downloads.to_owned();
                }
            },
        };
        format!("{downloads}; {relay}")
    }

    /// After a failure of the only channel: refuses while it rests, and then looks whether the session's web server
    /// answers. A script that was sent and cannot be read would leave open whether it had its effect.
    ///
    /// # Errors
    /// The web server is away.
    pub async fn check_reachable(&self, place: &RunningSession) -> Result<(), JobError> {
        if self.choose_channel(place) != Ok(OutputChannel::Downloads) {
            return Ok(());
        }
        match self.readiness(place.kasm_id, OutputChannel::Downloads) {
            ChannelReadiness::Ready => return Ok(()),
            ChannelReadiness::Resting { why, left } => {
                let again_in = left;
                return Err(JobError::NotSent { why, again_in });
            }
            ChannelReadiness::TryAgain => {}
        }
        let Err(error) = self.kasm.open_download(place, ".kmcp-probe").await else {
            self.health
                .note_works(place.kasm_id, OutputChannel::Downloads);
            return Ok(());
        };
        let failure = (FailureKind::Unreachable, error.to_string());
        self.health.note_failure(
            place.kasm_id,
            OutputChannel::Downloads,
            Instant::now(),
            failure,
        );
        match self.readiness(place.kasm_id, OutputChannel::Downloads) {
            ChannelReadiness::Resting { why, left } => Err(JobError::NotSent {
                why,
                again_in: left,
            }),
            ChannelReadiness::Ready | ChannelReadiness::TryAgain => Ok(()),
        }
    }
}

/// Why no download is ever allowed in a session, if that is known.
fn downloads_forbidden(place: &RunningSession) -> Option<&'static str> {
    if place.session.downloads_allowed == Some(false) {
        Some("downloads are turned off for this user's group (allow_kasm_downloads)")
    } else if place.session.vnc.is_none() {
        Some("the session has no `vnc` service")
    } else {
        None
    }
}
