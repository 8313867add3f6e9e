//! HTTP: all surfaces behind one edge.
//!
//! `router.rs` has the routes and `layers.rs` what stands in front of them; `state.rs` is what both share. Each
//! surface has a file of its own, and none knows another: `streamable.rs` and `legacy_sse.rs` (MCP), `rest.rs`,
//! `files.rs`, `relay.rs`, `health.rs`, `metrics.rs`, `metadata.rs`. They read bodies with `body.rs`, know their
//! caller by `identity.rs`, and fail with a `Problem`, in the form of their `route_group.rs`.

mod app;
pub mod auth;
mod body;
mod challenge;
pub mod client_ip;
pub mod etag;
mod exposition;
mod files;
pub mod guard;
mod health;
mod identity;
mod layers;
mod legacy_sse;
pub mod limits;
mod link;
mod metadata;
pub mod metrics;
pub mod problem;
mod relay;
mod request_log;
mod rest;
mod route_group;
mod router;
pub mod rpc_error;
pub mod serve;
mod sse;
pub mod state;
mod streamable;
mod tool_filter;

pub use app::HttpApp;
pub use state::{HttpSettings, HttpState};
