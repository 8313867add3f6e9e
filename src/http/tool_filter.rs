//! `/mcp/x/{toolset,toolset}`, `/mcp/readonly` and the headers `X-MCP-Toolsets` and `X-MCP-Readonly`: a client
//! can reduce the tools it is offered, but never add any.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{RawPathParams, Request};
use http::{HeaderMap, HeaderName, StatusCode};

use super::problem::HttpProblem;
use crate::caller::{Caller, ToolFilter};
use crate::tool::registry::Registry;

pub(super) const TOOLSETS: HeaderName = HeaderName::from_static("x-mcp-toolsets");
pub(super) const READ_ONLY: HeaderName = HeaderName::from_static("x-mcp-readonly");

/// Paths of MCP besides `/mcp`.
pub(super) const PATHS: [&str; 6] = [
    "/mcp/readonly",
    "/mcp/readonly/",
    "/mcp/x/{toolsets}",
    "/mcp/x/{toolsets}/",
    "/mcp/x/{toolsets}/readonly",
    "/mcp/x/{toolsets}/readonly/",
];

/// Reduces the authenticated caller's tools as path and headers request.
///
/// # Errors
/// They name something unknown.
pub(super) async fn narrow_caller(
    registry: &Registry,
    request: &mut Request,
) -> Result<(), HttpProblem> {
    let path = request.uri().path();
    // Only such a path has parameters that matter here.
    let by_path = if path.starts_with("/mcp/") {
        let params = request.extract_parts::<RawPathParams>().await;
        let params = params.map_err(|error| HttpProblem::bad_request(error.body_text()))?;
        let named = params.iter().find(|(name, _)| *name == "toolsets");
        let path = request.uri().path();
        filter_of_path(registry, path, named.map(|(_, names)| names))?
    } else {
        ToolFilter::default()
    };
    let reach = by_path.intersect(&filter_of_headers(registry, request.headers())?);
    if reach != ToolFilter::default()
        && let Some(caller) = request.extensions_mut().get_mut::<Caller>()
    {
        *caller = caller.clone().narrowed_by(&reach);
    }
    Ok(())
}

fn filter_of_path(
    registry: &Registry,
    path: &str,
    toolsets: Option<&str>,
) -> Result<ToolFilter, HttpProblem> {
    let toolsets = toolsets.map(|names| filter_of_names(registry, [names]));
    let unknown = |detail| HttpProblem::new(StatusCode::NOT_FOUND, "toolset_unknown", detail);
    Ok(ToolFilter {
        read_only: path.trim_end_matches('/').ends_with("/readonly"),
        toolsets: toolsets.transpose().map_err(unknown)?.flatten(),
        ..ToolFilter::default()
    })
}

fn filter_of_headers(registry: &Registry, headers: &HeaderMap) -> Result<ToolFilter, HttpProblem> {
    let bad = |detail| HttpProblem::new(StatusCode::BAD_REQUEST, "bad_header", detail);
    let values = headers.get_all(&TOOLSETS).iter();
    let values: Result<Vec<_>, _> = values.map(|value| value.to_str()).collect();
    let values = values.map_err(|_| bad("X-MCP-Toolsets has invalid characters".to_owned()))?;
    let mut read_only = false;
    for value in headers.get_all(&READ_ONLY) {
        match value
            .as_bytes()
            .trim_ascii()
            .to_ascii_lowercase()
            .as_slice()
        {
            // Several lines can only narrow: a later `false` does not undo this.
            b"true" | b"1" | b"yes" | b"on" => read_only = true,
            b"false" | b"0" | b"no" | b"off" | b"" => {}
            _ => return Err(bad("X-MCP-Readonly must be true or false".to_owned())),
        }
    }
    Ok(ToolFilter {
        read_only,
        toolsets: filter_of_names(registry, values).map_err(bad)?,
        ..ToolFilter::default()
    })
}

/// The toolsets of comma-separated lists; an empty list sets no filter.
fn filter_of_names<'a>(
    registry: &Registry,
    lists: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Arc<BTreeSet<String>>>, String> {
    let known = registry.toolset_names();
    let names = lists.into_iter().flat_map(|list| list.split(','));
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    // An unknown name is refused. Dropping it could leave an empty list, which sets no filter.
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let name: String = name.chars().take(64).collect();
            Err(format!(
                "unknown toolset `{name}`; the toolsets are {}",
                known.join(", ")
            ))
        }
        None => Ok((!names.is_empty()).then(|| Arc::new(names))),
    }
}
