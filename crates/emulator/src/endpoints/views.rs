//! Screenshots and statistics. Both come from the program that draws the
//! desktop, and it works for those who watch.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Outcome, Refusal, json_answer};
use crate::call::Call;
use crate::date;
use crate::picture::Picture;
use crate::profile::ScreenshotMode;
use crate::state::State;
use crate::state::session::Session;
use crate::wording::Topic;

/// The first picture nobody watches is taken this long after the start.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// And then one each minute.
const PICTURE_INTERVAL: Duration = Duration::from_secs(60);

/// JPEG bytes. Without a user the server falls over.
pub(super) fn get_kasm_screenshot(state: &mut State, call: &Call<'_>) -> Outcome {
    if call.body.id("user_id").is_none() {
        return Err(Refusal::Crash);
    }
    let session = state.owned(call)?;
    if !state.is_container(session) {
        return Err(Refusal::Crash);
    }
    let id = session.id;
    let taken = session
        .is_running()
        .then(|| taken(session, state.profile.screenshot, call.now))
        .flatten();
    let Some(taken) = taken else {
        return Err(state.failure(Topic::Picture));
    };
    if let Some(session) = state.session_mut(id) {
        session.pictured = Some(taken);
    }
    // Whoever has watched leaves the last picture behind.
    let known = state.desktops.known(id);
    let screen = known.map(|desktop| desktop.picture(taken == call.now));
    let desktop = match &screen {
        Some(screen) => screen.size(),
        None => state.profile.desktop_size,
    };
    let side = |field, whole: u16| match call.body.get(field) {
        None => Ok(u32::from(whole)),
        Some(value) => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| state.failure(Topic::Value)),
    };
    let within = (side("width", desktop.0)?, side("height", desktop.1)?);
    let moment = u64::try_from(taken.as_millisecond()).unwrap_or(0);
    let picture = Picture::fitting(desktop, within, moment).of(screen);
    Ok(Answer::Picture(picture))
}

/// When the picture in the buffer was taken.
fn taken(session: &Session, mode: ScreenshotMode, now: Timestamp) -> Option<Timestamp> {
    if mode == ScreenshotMode::Fresh || !session.viewers.is_empty() {
        return Some(now);
    }
    if mode == ScreenshotMode::None {
        return None;
    }
    // A session that has only just started shows the picture of its start, so
    // that a test need not wait for the first one of the timer.
    let started = session.started?;
    let last = session.pictured.unwrap_or(started);
    let due = date::after(last, PICTURE_INTERVAL);
    let first = date::after(started, FIRST_PICTURE);
    match last == started && now >= first {
        true if now < due => Some(first),
        _ if now >= due => Some(now),
        _ => Some(last),
    }
}

/// The statistics of the last frame, for which somebody must be watching.
pub(super) fn get_kasm_frame_stats(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = running(state, call)?;
    if session.viewers.is_empty() {
        return Err(Refusal::Business(format!(
            "Error retrieving frame stats with status code ({})",
            state.profile.frame_stats_status
        )));
    }
    if let Some(desktop) = state.desktops.known(session.id) {
        desktop.ask_for_stats();
    }
    let wanted = call.body.text("client").unwrap_or("none");
    let clients: Vec<Value> = session
        .viewers
        .iter()
        .filter(|viewer| match wanted {
            "none" => false,
            "auto" | "all" => true,
            one => viewer.as_str() == one,
        })
        .map(|viewer| {
            json!({
                "client": viewer,
                "client_time": 15,
                "ping": 20,
                "processes": [{"process_name": "scanRenderQ", "time": 8}],
            })
        })
        .collect();
    let (width, height) = state.profile.desktop_size;
    json_answer(json!({
        "frame": {"resx": width, "resy": height, "changed": 53, "server_time": 21},
        "server_side": [
            {"process_name": "Analysis", "time": 5},
            {"process_name": "Screenshot", "time": 3},
            {"process_name": "Encoding_total", "time": 9, "videoscaling": 0},
            {"process_name": "TightJPEGEncoder", "time": 12, "count": 3, "area": 25},
            {"process_name": "TightWEBPEncoder", "time": 0, "count": 0, "area": 0},
        ],
        "client_side": clients,
    }))
}

/// What slows each viewer down; nothing at all without one.
pub(super) fn get_kasm_bottleneck_stats(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = running(state, call)?;
    if session.viewers.is_empty() {
        return json_answer(json!({}));
    }
    let figures = |viewer: &String| (format!("{viewer}_1"), json!([9.6, 9.8, 10.0, 9.9]));
    let viewers: Map<String, Value> = session.viewers.iter().map(figures).collect();
    json_answer(json!({"kasm_user": viewers}))
}

fn running<'a>(state: &'a State, call: &Call<'_>) -> Result<&'a Session, Refusal> {
    let session = state.owned(call)?;
    if !session.is_running() {
        return Err(state.failure(Topic::State));
    }
    Ok(session)
}
