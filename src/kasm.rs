//! The Kasm client: domain types and operations in front, the API behind one trait.
//!
//! Tools use [`Kasm`]. It resolves workspace names, waits for sessions and converts refusals to errors that a
//! caller can act on. A [`api::KasmApi`] sends the requests: today [`public::PublicApi`], the released Developer
//! API.

pub mod api;
pub mod error;
pub mod id;
pub mod images;
mod json;
pub mod model;
pub mod public;
mod retry;
pub mod session_proxy;
pub mod sessions;

use std::sync::{Arc, Weak};
use std::time::Duration;

pub use error::{KasmError, Result};
pub use id::{Id, ImageId, KasmId, UserId};

use api::KasmApi;
use images::ImageCache;
use session_proxy::SessionProxy;
use sessions::CreateAttempts;

/// A Kasm server for the tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kasm {
    api: Arc<dyn KasmApi>,
    images: Arc<ImageCache>,
    attempts: Arc<CreateAttempts>,
    proxy: Arc<SessionProxy>,
}

impl Kasm {
    /// Creates the operations on top of `api` and `proxy`. The workspace list is cached for `image_cache`.
    #[must_use]
    pub fn new(api: Arc<dyn KasmApi>, proxy: SessionProxy, image_cache: Duration) -> Self {
        Self {
            api,
            images: Arc::new(ImageCache::new(image_cache)),
            attempts: Arc::new(CreateAttempts::default()),
            proxy: Arc::new(proxy),
        }
    }

    /// The typed endpoints, for operations that need no logic of ours.
    #[must_use]
    pub fn api(&self) -> &dyn KasmApi {
        &*self.api
    }
}

/// A Kasm that does not keep the proxy's connections alive: they end with the last [`Kasm`].
struct WeakKasm {
    api: Arc<dyn KasmApi>,
    images: Arc<ImageCache>,
    attempts: Arc<CreateAttempts>,
    // The proxy keeps the connections, and the task of a connection keeps this: a strong reference would be a
    // circle that never ends.
    proxy: Weak<SessionProxy>,
}

impl Kasm {
    fn downgrade(&self) -> WeakKasm {
        WeakKasm {
            api: self.api.clone(),
            images: self.images.clone(),
            attempts: self.attempts.clone(),
            proxy: Arc::downgrade(&self.proxy),
        }
    }
}

impl WeakKasm {
    fn upgrade(&self) -> Option<Kasm> {
        Some(Kasm {
            api: self.api.clone(),
            images: self.images.clone(),
            attempts: self.attempts.clone(),
            proxy: self.proxy.upgrade()?,
        })
    }
}
