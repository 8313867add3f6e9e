//! The session plane: what sits behind `/desktop/<session>/<service>/`. The
//! proxy in front checks the cookies and the policy; the services know neither.

mod files;
mod lookup;
mod target;
mod uploads;

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use jiff::Timestamp;

use crate::answer::proxy_response;
use crate::container::Disk;
use crate::desktop;
use crate::id::Id;
use crate::server::Kasm;
use crate::state::State;
use crate::state::session_json::{SERVICES, VIEWER_SERVICES};

pub(crate) use target::Target;

/// The longest target the web server in the container reads.
const TARGET_MAX: usize = 1024;

/// Pages of the web server that are about nothing but the desktop.
const PAGES: [&[u8]; 3] = [b"/", b"/index.html", b"/vnc.html"];

/// A request the proxy lets through.
struct Admitted {
    kasm_id: Id,
    disk: Disk,
    is_viewer: bool,
    pace: Pace,
}

/// How slow the disk is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    delay: Duration,
    /// Bytes per second.
    rate: Option<u64>,
}

impl Pace {
    /// What a transfer of `bytes` takes, once it has begun.
    fn time_for(self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let time =
            |rate: u64| Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate.max(1));
        self.rate.map_or(Duration::ZERO, time)
    }
}

/// Answers a request.
pub(crate) async fn answer(kasm: &Kasm, target: &Target, request: Request) -> Response {
    let admitted = admit(&mut kasm.lock(), target, request.headers());
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(status) => return proxy_response(status),
    };
    match target.service.as_str() {
        "vnc" => {
            if desktop::is_upgrade(request.headers()) {
                let is_viewer = admitted.is_viewer;
                let upgraded = desktop::upgrade(kasm, admitted.kasm_id, is_viewer, request);
                return upgraded.unwrap_or_else(|| proxy_response(502));
            }
            let served = is_served(target, &request);
            vnc(kasm, target, admitted, served).await
        }
        "uploads" => {
            if let Some(status) = forbidden(kasm, &admitted, |state| state.profile.uploads_allowed)
            {
                return proxy_response(status);
            }
            if request.method() != Method::POST || target.decoded() != b"/upload" {
                return proxy_response(404);
            }
            if !kasm.lock().profile.uploads_run {
                return proxy_response(502);
            }
            uploads::receive(kasm, admitted.kasm_id, admitted.pace, request).await
        }
        _ => proxy_response(502),
    }
}

/// The proxy's checks, in its order.
fn admit(state: &mut State, target: &Target, headers: &HeaderMap) -> Result<Admitted, u16> {
    let now = Timestamp::now();
    state.settle(now);
    let refused = state.profile.plane_refusal_status;
    let username = cookie(headers, "username").ok_or(refused)?;
    let token = cookie(headers, "session_token").ok_or(refused)?;
    let visitor = state.visitor(username, token, now).ok_or(refused)?;
    let session = target
        .kasm_id
        .and_then(|id| state.session(id))
        .ok_or(404_u16)?;
    let kasm_id = session.id;
    let may = match visitor.views {
        None => session.user_id == visitor.user_id,
        Some(views) => views == kasm_id,
    };
    if !may {
        return Err(refused);
    }
    if !session.is_running() {
        return Err(503);
    }
    let is_viewer = visitor.views.is_some();
    let services = if is_viewer {
        &VIEWER_SERVICES[..]
    } else {
        &SERVICES
    };
    if !state.is_container(session) || !services.contains(&target.service.as_str()) {
        return Err(404);
    }
    if state.containers.is_dead(kasm_id) {
        return Err(502);
    }
    let State {
        containers,
        profile,
        ..
    } = state;
    let disk = containers.disk(kasm_id, profile).map_err(|_| 502_u16)?;
    Ok(Admitted {
        kasm_id,
        disk: disk.clone(),
        is_viewer,
        pace: Pace {
            delay: profile.disk_delay,
            rate: profile.disk_rate,
        },
    })
}

async fn vnc(kasm: &Kasm, target: &Target, admitted: Admitted, served: bool) -> Response {
    let path = target.decoded();
    if path.starts_with(b"/api/") || path == b"/api" {
        return proxy_response(403);
    }
    let below = downloads(&path);
    if below.is_some() {
        let allowed = |state: &State| state.profile.downloads_allowed;
        if let Some(status) = forbidden(kasm, &admitted, allowed) {
            return proxy_response(status);
        }
    }
    if !served {
        return files::not_found();
    }
    match below {
        Some(below) => files::serve(admitted.disk, admitted.pace, path, below).await,
        None if PAGES.contains(&path.as_slice()) => files::desktop_page(),
        None => files::not_found(),
    }
}

/// Whether the web server in the container looks at a request at all.
fn is_served(target: &Target, request: &Request) -> bool {
    let climbs = |value: &HeaderValue| value.as_bytes().windows(3).any(|w| w == b"../");
    request.method() == Method::GET
        && target.length() <= TARGET_MAX
        && !target.climbs()
        && !request.headers().values().any(climbs)
}

/// What of a path lies below the directory that is served.
fn downloads(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts = path.split(|byte| *byte == b'/');
    for _ in 0..2 {
        let part = parts.find(|part| !part.is_empty() && *part != b".")?;
        if part != b"Downloads" {
            return None;
        }
    }
    Some(parts.collect::<Vec<_>>().join(&b'/'))
}

/// The status of a refusal by policy, if there is one.
fn forbidden(kasm: &Kasm, who: &Admitted, allowed: impl Fn(&State) -> bool) -> Option<u16> {
    let state = kasm.lock();
    let refused = who.is_viewer || !allowed(&state);
    refused.then_some(state.profile.plane_policy_status)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
