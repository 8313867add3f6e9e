//! Workspace endpoints of the released API.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint;
use super::{PublicApi, fields};
use crate::kasm::error::Result;
use crate::kasm::json;
use crate::kasm::model::Image;
use crate::kasm::wire::Images;

#[async_trait]
impl Images for PublicApi {
    async fn images(&self) -> Result<Vec<Image>> {
        let answer = self.call(&endpoint::GET_IMAGES, fields(json!({}))).await?;
        Ok(json::list(&answer, "images")
            .iter()
            .filter_map(read_image)
            .collect())
    }
}

/// Takes the relevant fields. `docker_user`, `docker_token` and the like are never read.
fn read_image(value: &Value) -> Option<Image> {
    Some(Image {
        image_id: json::id(value, "image_id")?,
        name: json::text(value, "name"),
        friendly_name: json::text(value, "friendly_name"),
        description: json::text(value, "description"),
        image_type: json::text(value, "image_type"),
        cores: json::number(value, "cores"),
        memory_bytes: json::integer(value, "memory"),
        enabled: json::boolean(value, "enabled").unwrap_or(true),
        available: json::boolean(value, "available").unwrap_or(true),
        hidden: json::boolean(value, "hidden").unwrap_or(false),
        categories: json::list(value, "categories")
            .iter()
            .filter_map(|category| category.as_str().map(str::to_owned))
            .collect(),
    })
}
