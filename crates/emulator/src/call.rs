//! One call through the checks. Their order: a JSON body, credentials, a key in
//! force, the permission, readable ids, and only then the endpoint.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::answer::{Outcome, Refusal};
use crate::body::{Body, ids_are_readable};
use crate::endpoints::{self, Effect, Endpoint};
use crate::fault::Fault;
use crate::profile::Mount;
use crate::state::State;
use crate::state::key::ApiKey;
use crate::wording::{self, Topic};

/// A call that passed the checks.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) key: Arc<ApiKey>,
    pub(crate) now: Timestamp,
}

/// Puts a call through the checks and runs it.
pub(crate) fn answer(
    state: &mut State,
    mount: Mount,
    name: &str,
    body: Option<&Map<String, Value>>,
    fault: Option<&Fault>,
) -> Outcome {
    let now = Timestamp::now();
    state.settle(now);
    let endpoint = find(state, mount, name).ok_or(Refusal::NotFound)?;
    let body = body.ok_or(Refusal::Crash)?;
    let key = authenticate(state, body)?;
    authorise(state, endpoint, &key)?;
    if !ids_are_readable(body) {
        return Err(Refusal::Crash);
    }
    if let Some(refusal) = fault.and_then(business_failure) {
        return Err(refusal);
    }
    let call = Call {
        body: Body(body),
        key,
        now,
    };
    (endpoint.run)(state, &call)
}

fn find(state: &State, mount: Mount, name: &str) -> Option<&'static Endpoint> {
    let elsewhere = state.profile.mounts.get(name).is_some_and(|m| *m != mount);
    if elsewhere {
        None
    } else {
        endpoints::find(name)
    }
}

/// The pair must be in the body under its two names; nothing else counts.
fn authenticate(state: &State, body: &Map<String, Value>) -> Result<Arc<ApiKey>, Refusal> {
    let body = Body(body);
    let (Some(name), Some(secret)) = (body.text("api_key"), body.text("api_key_secret")) else {
        return Err(Refusal::Auth {
            status: 401,
            message: state.wording.say(Topic::Credentials),
        });
    };
    state.keys.check(name, secret).ok_or_else(|| Refusal::Auth {
        status: state.profile.bad_key_status,
        message: state.wording.say(Topic::Key),
    })
}

fn authorise(state: &State, endpoint: &Endpoint, key: &ApiKey) -> Result<(), Refusal> {
    let status = state.profile.refusal_status;
    let refuse = |message| Err(Refusal::Auth { status, message });
    if !state.profile.licensed {
        return refuse(state.wording.say(Topic::Unlicensed));
    }
    let allowed = match state.profile.permissions.get(endpoint.name) {
        Some(needs) => needs.iter().all(|p| key.may(p)),
        None => endpoint.needs.iter().all(|p| key.may(p)),
    };
    if !allowed {
        return refuse(wording::UNAUTHORIZED.to_owned());
    }
    if key.read_only && endpoint.effect == Effect::Write {
        return refuse(state.wording.say(Topic::ReadOnly));
    }
    Ok(())
}

/// The faults that are ordinary failures, and so come after the checks.
fn business_failure(fault: &Fault) -> Option<Refusal> {
    let text = match fault {
        Fault::ErrorMessage(text) => text.as_str(),
        Fault::NoResources => wording::NO_RESOURCES,
        Fault::LicenceLimit => wording::LICENCE_LIMIT,
        Fault::UnableToCreate => wording::UNABLE_TO_CREATE,
        Fault::Status(_)
        | Fault::HtmlError
        | Fault::Latency(_)
        | Fault::SlowBody(_)
        | Fault::ConnectionReset
        | Fault::TimeoutAfterEffect(_)
        | Fault::InvalidJson
        | Fault::Forbidden => return None,
    };
    Some(Refusal::Business(text.to_owned()))
}

impl State {
    /// Refuses a call for want of one more permission.
    pub(crate) fn require(&self, call: &Call<'_>, permission: &str) -> Result<(), Refusal> {
        if call.key.may(permission) {
            return Ok(());
        }
        Err(Refusal::Auth {
            status: self.profile.refusal_status,
            message: wording::UNAUTHORIZED.to_owned(),
        })
    }
}
