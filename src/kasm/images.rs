//! Finds the workspace of a name. Kasm ignores `image_name`, so the name is resolved here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Kasm;
use super::api::KasmApi;
use super::error::{KasmError, Result};
use super::id::ImageId;
use super::model::WorkspaceImage;

/// How many similar names an error lists.
const NEAR_NAMES_MAX: usize = 5;
/// How similar (0 to 1) a name must be to be listed.
const NEAR_ENOUGH: f64 = 0.6;

/// The cached workspace list. One caller fetches, the others wait for it.
#[derive(Debug)]
pub(super) struct ImageCache {
    keep: Duration,
    held: Mutex<Option<(Instant, Arc<[WorkspaceImage]>)>>,
}

impl ImageCache {
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            keep,
            held: Mutex::new(None),
        }
    }

    async fn cached_images(&self, api: &dyn KasmApi, fresh: bool) -> Result<Arc<[WorkspaceImage]>> {
        let mut held = self.held.lock().await;
        if let Some((at, images)) = &*held
            && !fresh
            && at.elapsed() < self.keep
        {
            return Ok(images.clone());
        }
        // The lock is held during the request: callers that come meanwhile get its list and send no request
        // of their own. A failure leaves the list as it was.
        let images: Arc<[WorkspaceImage]> = api.list_images().await?.into();
        *held = Some((Instant::now(), images.clone()));
        Ok(images)
    }
}

impl Kasm {
    /// All workspaces, fresh from the server.
    ///
    /// # Errors
    /// See the api.
    pub async fn list_images(&self) -> Result<Arc<[WorkspaceImage]>> {
        self.images.cached_images(self.api(), true).await
    }

    /// Finds the workspace for `name`: an id, a Docker name (with or without its tag), or the friendly name. If
    /// several match, an enabled one with the highest tag is chosen.
    ///
    /// # Errors
    /// [`KasmError::NoSuchWorkspace`] with similar names; [`KasmError::InvalidState`] if it is
    /// disabled.
    pub async fn resolve_image(&self, name: &str) -> Result<WorkspaceImage> {
        let name = name.trim();
        let mut images = self.images.cached_images(self.api(), false).await?;
        if find_image(&images, name).is_none() {
            // It may have been added since the last fetch.
            images = self.images.cached_images(self.api(), true).await?;
        }
        let image = find_image(&images, name).ok_or_else(|| KasmError::NoSuchWorkspace {
            name: name.chars().take(100).collect(),
            near: near_names(&images, name),
        })?;
        if !image.enabled {
            return Err(KasmError::InvalidState {
                message: format!("the workspace `{}` is disabled", image.display_label()),
                remedy: "choose another workspace from get_available_workspaces, or ask an administrator to enable it"
                    .to_owned(),
            });
        }
        Ok(image.clone())
    }
}

impl WorkspaceImage {
    /// The name to show.
    #[must_use]
    pub fn display_label(&self) -> String {
        let name = self.friendly_name.as_ref().or(self.name.as_ref());
        name.cloned().unwrap_or_else(|| self.image_id.to_string())
    }
}

fn find_image<'a>(images: &'a [WorkspaceImage], name: &str) -> Option<&'a WorkspaceImage> {
    if let Ok(id) = name.parse::<ImageId>() {
        return images.iter().find(|image| image.image_id == id);
    }
    let same =
        |other: &Option<String>| other.as_ref().is_some_and(|o| o.eq_ignore_ascii_case(name));
    let untagged = |other: &Option<String>| {
        other
            .as_ref()
            .is_some_and(|o| repository_of(o).eq_ignore_ascii_case(name))
    };
    // Of several versions one that can be started is the best, then the newest.
    let rank = |image: &&WorkspaceImage| (image.enabled, image.available, version_of(image));
    let by = |fits: &dyn Fn(&WorkspaceImage) -> bool| {
        images.iter().filter(|image| fits(image)).max_by_key(rank)
    };
    by(&|image| same(&image.name))
        .or_else(|| by(&|image| same(&image.friendly_name)))
        .or_else(|| by(&|image| untagged(&image.name)))
}

/// The Docker name without its tag.
fn repository_of(name: &str) -> &str {
    match name.rsplit_once(':') {
        // In `host:5000/image` the colon is that of a port: a tag has no slash.
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    }
}

/// The numbers in the tag, so that `1.9.0` is older than `1.19.0`.
fn version_of(image: &WorkspaceImage) -> Vec<u64> {
    let name = image.name.as_deref().unwrap_or_default();
    let tag = &name[repository_of(name).len()..];
    tag.split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn near_names(images: &[WorkspaceImage], name: &str) -> Vec<String> {
    let wanted = name.to_lowercase();
    let similarity = |image: &WorkspaceImage| {
        let names = [
            image.friendly_name.as_deref(),
            image.name.as_deref().map(repository_of),
        ];
        let scores = names.into_iter().flatten().map(|other| {
            let other = other.to_lowercase();
            let contained =
                !wanted.is_empty() && (other.contains(&wanted) || wanted.contains(&other));
            if contained {
                1.0
            } else {
                strsim::jaro_winkler(&other, &wanted)
            }
        });
        scores.fold(0.0, f64::max)
    };
    // A hidden workspace can be started by its name, but is not suggested.
    let usable = images.iter().filter(|image| image.enabled && !image.hidden);
    let mut scored: Vec<_> = usable
        .map(|image| (similarity(image), image.display_label()))
        .collect();
    scored.retain(|(score, _)| *score >= NEAR_ENOUGH);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.truncate(NEAR_NAMES_MAX);
    scored.into_iter().map(|(_, label)| label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(number: u128, name: &str, friendly_name: &str, enabled: bool) -> WorkspaceImage {
        WorkspaceImage {
            image_id: format!("{number:032x}").parse().unwrap(),
            name: Some(name.to_owned()),
            friendly_name: Some(friendly_name.to_owned()),
            description: None,
            image_type: Some("Container".to_owned()),
            cores: None,
            memory_bytes: None,
            enabled,
            available: true,
            hidden: false,
            categories: vec![],
        }
    }

    fn images() -> Vec<WorkspaceImage> {
        vec![
            image(1, "kasmweb/chromium:1.9.0", "Chromium", true),
            image(2, "kasmweb/chromium:1.19.0", "Chromium", true),
            image(
                3,
                "registry:5000/kasmweb/terminal:1.20.0",
                "Terminal",
                false,
            ),
            image(4, "kasmweb/vs-code:1.19.0", "Visual Studio Code", true),
        ]
    }

    #[test]
    fn image_is_found_by_every_kind_of_name() {
        let images = images();
        let check = |name: &str, expected: u128| {
            let found = find_image(&images, name).map(|image| image.image_id.to_string());
            assert_eq!(found, Some(format!("{expected:032x}")), "{name}");
        };
        check("kasmweb/chromium:1.9.0", 1);
        check("chromium", 2);
        check("CHROMIUM", 2);
        check("kasmweb/chromium", 2);
        check("registry:5000/kasmweb/terminal", 3);
        check("00000000-0000-0000-0000-000000000004", 4);
    }

    #[test]
    fn near_names_are_of_enabled_images_only() {
        let images = images();
        assert_eq!(near_names(&images, "chromum"), ["Chromium"]);
        assert_eq!(
            near_names(&images, "vs-code-insiders"),
            Vec::<String>::new()
        );
        assert_eq!(near_names(&images, "studio"), ["Visual Studio Code"]);
        assert_eq!(near_names(&images, "Termnal"), Vec::<String>::new());
    }
}
