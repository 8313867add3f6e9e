//! What the sessions run on: one zone, one host, one assigned machine, one
//! licence. They are there to be looked at.

use serde_json::json;

use crate::answer::{Outcome, json_answer};
use crate::call::Call;
use crate::state::State;
use crate::state::seed::{AGENT, LICENCE, SERVER, WINDOWS_SERVER, ZONE};

const GIB: u64 = 1024 * 1024 * 1024;

pub(super) fn get_zones(state: &mut State, _: &Call<'_>) -> Outcome {
    json_answer(json!({"zones": [{
        "zone_id": ZONE.to_string(),
        "zone_name": "default",
        "allow_origin_domain": "$request_host$",
        "upstream_auth_address": "$request_host$",
        "load_balancing_strategy": "Least Load",
        "search_alternate_zones": true,
        "prioritize_static_agents": true,
        "proxy_connections": true,
        "proxy_hostname": "$request_host$",
        "proxy_path": state.profile.proxy_path,
        "proxy_port": state.proxy_port(),
    }]}))
}

pub(super) fn get_agents(_: &mut State, _: &Call<'_>) -> Outcome {
    json_answer(json!({"agents": [{
        "agent_id": AGENT.to_string(),
        "server_id": SERVER.to_string(),
        "hostname": "127.0.0.1",
        "status": "running",
        "zone_id": ZONE.to_string(),
        "enabled": true,
        "cores": 16.0,
        "memory": 64 * GIB,
        "gpus": 0,
        "cores_override": 0,
        "memory_override": 0,
        "gpus_override": 0,
        "auto_prune_images": "Off",
    }]}))
}

pub(super) fn get_agent_report(state: &mut State, _: &Call<'_>) -> Outcome {
    let used = state
        .sessions
        .iter()
        .filter_map(|s| state.image(s.image_id));
    let used: u64 = used.map(|image| image.memory).sum();
    json_answer(json!({"agents": [{
        "name": "127.0.0.1",
        "server_id": SERVER.to_string(),
        "health": "healthy",
        "kasms": state.sessions.len(),
        "disk_space": 500 * GIB,
        "disk_space_used": 120 * GIB,
        "disk_space_free": 380 * GIB,
        "memory_total": 64 * GIB,
        "memory_used": used,
        "memory_free": (64 * GIB).saturating_sub(used),
    }]}))
}

pub(super) fn get_servers(_: &mut State, _: &Call<'_>) -> Outcome {
    json_answer(json!({"servers": [{
        "server_id": WINDOWS_SERVER.to_string(),
        "friendly_name": "Accounting",
        "hostname": "accounting.invalid",
        "enabled": true,
        "connection_type": "RDP",
        "connection_port": 3389,
        "connection_username": "{sso_username}",
        "connection_info": {},
        "max_simultaneous_sessions": 1,
        "max_simultaneous_users": 1,
        "zone_id": ZONE.to_string(),
        "pool_id": null,
    }]}))
}

pub(super) fn get_licenses(state: &mut State, _: &Call<'_>) -> Outcome {
    json_answer(json!({"licenses": [{
        "license_id": LICENCE.to_string(),
        "expiration": "2099-12-31 00:00:00",
        "issued_at": "2026-01-01 00:00:00",
        "issued_to": "Emulated",
        "limit": 25,
        "is_verified": true,
        "license_type": "Per Concurrent Kasm",
        "sku": "emulated",
        "features": {
            "developer_api": state.profile.licensed,
            "session_sharing": true,
            "session_casting": false,
            "session_staging": false,
            "auto_scaling": false,
        },
    }]}))
}
