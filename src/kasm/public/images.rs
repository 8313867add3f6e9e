//! Workspace endpoints of the released API.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint;
use super::{PublicApi, object_fields};
use crate::kasm::api::ImagesApi;
use crate::kasm::error::Result;
use crate::kasm::json;
use crate::kasm::model::WorkspaceImage;

#[async_trait]
impl ImagesApi for PublicApi {
    async fn list_images(&self) -> Result<Vec<WorkspaceImage>> {
        let answer = self
            .call_endpoint(&endpoint::GET_IMAGES, object_fields(json!({})))
            .await?;
        Ok(json::list_member(&answer, "images")
            .iter()
            .filter_map(read_image)
            .collect())
    }
}

/// Takes the relevant fields. `docker_user`, `docker_token` and the like are never read.
fn read_image(value: &Value) -> Option<WorkspaceImage> {
    Some(WorkspaceImage {
        image_id: json::id_member(value, "image_id")?,
        name: json::text_member(value, "name"),
        friendly_name: json::text_member(value, "friendly_name"),
        description: json::text_member(value, "description"),
        image_type: json::text_member(value, "image_type"),
        cores: json::number_member(value, "cores"),
        memory_bytes: json::integer_member(value, "memory"),
        // A flag that is missing says that all is well: Kasm itself refuses a start that is impossible.
        enabled: json::boolean_member(value, "enabled").unwrap_or(true),
        available: json::boolean_member(value, "available").unwrap_or(true),
        hidden: json::boolean_member(value, "hidden").unwrap_or(false),
        categories: json::list_member(value, "categories")
            .iter()
            .filter_map(|category| category.as_str().map(str::to_owned))
            .collect(),
    })
}
