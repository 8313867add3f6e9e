//! The HTTP surface.

mod auth;
mod guard;
mod health;
mod limits;
mod modern;
mod narrow;
mod origin;
mod sessions;
mod shutdown;
mod wire;
