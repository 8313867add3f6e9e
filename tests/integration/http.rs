//! The HTTP surface.

mod auth;
mod guard;
mod health;
mod large;
mod limits;
mod metrics;
mod modern;
mod narrow;
mod origin;
mod sessions;
mod shutdown;
mod streams;
mod surfaces;
mod wire;
