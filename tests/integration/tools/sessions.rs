//! The `sessions` toolset.

mod create;
mod create_again;
mod create_wait;
mod leases;
mod lifecycle;
mod list;
mod share;
