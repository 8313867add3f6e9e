//! The Kasm client: domain types and operations in front, the API behind one trait.
//!
//! Tools use [`Kasm`]. It resolves workspace names, waits for sessions and converts refusals to errors that a
//! caller can act on. A [`wire::Wire`] sends the requests: today [`public::PublicApi`], the released Developer
//! API.

pub mod error;
pub mod id;
pub mod images;
mod json;
pub mod model;
pub mod plane;
pub mod public;
mod retry;
pub mod sessions;
pub mod wire;

use std::sync::{Arc, Weak};
use std::time::Duration;

pub use error::{KasmError, Result};
pub use id::{Id, ImageId, KasmId, UserId};

use images::ImageCache;
use plane::SessionProxy;
use sessions::CreateAttempts;
use wire::KasmApi;

/// A Kasm server for the tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kasm {
    wire: Arc<dyn KasmApi>,
    images: Arc<ImageCache>,
    attempts: Arc<CreateAttempts>,
    plane: Arc<SessionProxy>,
}

impl Kasm {
    /// Creates the operations on top of `wire` and `plane`. The workspace list is cached for `image_cache`.
    #[must_use]
    pub fn new(wire: Arc<dyn KasmApi>, plane: SessionProxy, image_cache: Duration) -> Self {
        Self {
            wire,
            images: Arc::new(ImageCache::new(image_cache)),
            attempts: Arc::new(CreateAttempts::default()),
            plane: Arc::new(plane),
        }
    }

    /// The typed endpoints, for operations that need no logic of ours.
    #[must_use]
    pub fn api(&self) -> &dyn KasmApi {
        &*self.wire
    }
}

/// A Kasm that does not keep the connections of the plane alive: they end when everybody else has dropped it.
struct WeakKasm {
    wire: Arc<dyn KasmApi>,
    images: Arc<ImageCache>,
    attempts: Arc<CreateAttempts>,
    plane: Weak<SessionProxy>,
}

impl Kasm {
    fn downgrade(&self) -> WeakKasm {
        WeakKasm {
            wire: self.wire.clone(),
            images: self.images.clone(),
            attempts: self.attempts.clone(),
            plane: Arc::downgrade(&self.plane),
        }
    }
}

impl WeakKasm {
    fn upgrade(&self) -> Option<Kasm> {
        Some(Kasm {
            wire: self.wire.clone(),
            images: self.images.clone(),
            attempts: self.attempts.clone(),
            plane: self.plane.upgrade()?,
        })
    }
}
