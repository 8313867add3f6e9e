//! `kasm-mcp openapi`: prints the tools as an OpenAPI document.

use std::process::ExitCode;

use serde_json::Value;

use super::{print_text, tools};
use crate::caller::{Caller, Grants};
use crate::cli::{self, OpenApiOptions};
use crate::providers::kasm::DESCRIPTION;
use crate::rest::openapi;

/// The default URL of a server.
const USUAL_URL: &str = "http://127.0.0.1:8080";

pub(super) fn print_openapi(
    options: &OpenApiOptions,
    settings: &cli::SettingsFlags,
) -> anyhow::Result<ExitCode> {
    let sources = super::settings_sources(settings);
    let configured = sources.environment.get("MCP_PUBLIC_URL").cloned();
    let url = options.url.clone().or(configured);
    let url = url.unwrap_or_else(|| USUAL_URL.to_owned());
    let url = url.trim_end_matches('/').trim_end_matches("/mcp");
    print_text(&format!(
        "{:#}\n",
        openapi_document(url, options.scope.clone())
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The OpenAPI document of a server at `url` for a token with these scopes.
#[must_use]
pub fn openapi_document(url: &str, grants: impl Into<Grants>) -> Value {
    // Only the scopes decide which tools are listed; no call is made as this caller.
    let caller = Caller::new("", grants);
    let tools: Vec<_> = tools::listed_tools().map(|(_, tool)| tool).collect();
    let offered = tools.iter().filter(|tool| tool.is_offered(&caller));
    let about = openapi::ApiDescription {
        server: url,
        needs_token: true,
        providers: &[&DESCRIPTION],
    };
    about.openapi_document(offered)
}
