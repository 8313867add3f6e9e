//! The `workspaces` toolset: lists the workspaces that can be started.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KasmProvider, kasm_for_account};
use crate::caller::{Level, Realm, Scope};
use crate::kasm::model::WorkspaceImage;
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "workspaces",
    about: "List the workspaces that can be started",
    scope: Scope::new(Realm::KASM, Level::Read),
    tools: &[&GetAvailableWorkspaces],
};

struct GetAvailableWorkspaces;

#[derive(Deserialize, JsonSchema)]
struct NoArgs {}

#[derive(Serialize, JsonSchema)]
struct WorkspaceList {
    workspaces: Vec<WorkspaceView>,
    count: usize,
}

/// A workspace.
#[derive(Serialize, JsonSchema)]
struct WorkspaceView {
    /// Pass this or a name to `create_kasm_session`.
    image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    friendly_name: Option<String>,
    /// The Docker image name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The type. Only `Container` workspaces have a shell and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_type: Option<String>,
    /// Whether a host has pulled the image. If not, a start may fail or take long.
    available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<String>,
}

impl From<&WorkspaceImage> for WorkspaceView {
    fn from(image: &WorkspaceImage) -> Self {
        Self {
            image_id: image.image_id.to_string(),
            friendly_name: image.friendly_name.clone(),
            name: image.name.clone(),
            description: image.description.clone(),
            image_type: image.image_type.clone(),
            available: image.available,
            cores: image.cores,
            memory_bytes: image.memory_bytes,
            categories: image.categories.clone(),
        }
    }
}

impl Tool for GetAvailableWorkspaces {
    type Provider = KasmProvider;
    type Args = NoArgs;
    type Output = WorkspaceList;
    const NAME: &'static str = "get_available_workspaces";
    const TITLE: &'static str = "List workspaces";
    const ABOUT: &'static str =
        "List the workspaces (desktops and apps) that create_kasm_session can start.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        _: NoArgs,
    ) -> Result<ToolReply<WorkspaceList>, ToolError> {
        let images = kasm_for_account(&cx)?.list_images().await?;
        let usable = images.iter().filter(|image| image.enabled && !image.hidden);
        let workspaces: Vec<_> = usable.map(WorkspaceView::from).collect();
        let count = workspaces.len();
        Ok(ToolReply::new(
            WorkspaceList { workspaces, count },
            format!("{count} workspaces can be started"),
        ))
    }
}
