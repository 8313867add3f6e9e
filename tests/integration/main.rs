//! Tests through the front door: the real router on loopback, real clients, the real Kasm client,
//! and the emulator as Kasm.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]
#![expect(
    unreachable_pub,
    reason = "one binary: `pub` is what its other modules use"
)]

mod arguments;
mod ask;
mod audit;
mod callers;
mod check;
mod commands;
mod config;
mod connect;
mod contracts;
mod documents;
mod failures;
mod http;
mod providers;
mod resources;
mod rest;
mod secrets;
mod service;
mod support;
mod tasks;
mod telemetry;
mod tools;
mod transports;
