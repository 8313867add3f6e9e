//! Where tools come from. A provider is a struct that its toolsets work on; it is mounted only
//! when it is configured.

pub mod kasm;

use crate::caller::Realm;

/// The realms of all providers, in the order of the documents.
pub const REALMS: &[Realm] = &[Realm::KASM];
