//! `kasm-mcp tools`: lists the tools, from the toolsets in the code.

pub mod reference;

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::print_text;
use crate::caller::{ToolFilter, ToolNamePattern};
use crate::cli::ToolsFormat;
use crate::providers::kasm::{KasmProvider, TOOLSETS};
use crate::tool::{ToolInfo, Toolset};

pub(super) fn print_tools(full: bool, format: ToolsFormat) -> anyhow::Result<ExitCode> {
    print_text(&match format {
        ToolsFormat::Text => tools_text(),
        ToolsFormat::Json => format!("{:#}\n", tools_json()),
        ToolsFormat::Markdown if full => reference::reference_markdown(),
        ToolsFormat::Markdown => tools_markdown(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// All tools with their toolsets, in the order of the documents.
pub fn listed_tools() -> impl Iterator<Item = (&'static Toolset<KasmProvider>, ToolInfo)> {
    TOOLSETS.iter().flat_map(|toolset| {
        let tools = toolset.tools.iter();
        tools.map(move |tool| (toolset, tool.info(toolset)))
    })
}

/// The patterns of a filter that match no tool of this version. Tools of providers that come later may match.
pub(super) fn unmatched_names(filter: &ToolFilter) -> Vec<&str> {
    let tools: Vec<_> = listed_tools().map(|(_, tool)| tool.name).collect();
    let patterns = filter.names.iter().flat_map(|list| list.patterns());
    let unmatched = patterns.filter(|pattern| !tools.iter().any(|tool| pattern.matches_name(tool)));
    unmatched.map(ToolNamePattern::pattern_text).collect()
}

fn tools_text() -> String {
    let mut out = String::new();
    for toolset in TOOLSETS {
        let _infallible = writeln!(out, "{}: {}", toolset.name, toolset.about);
        for tool in toolset.tools {
            let tool = tool.info(toolset);
            let _infallible = writeln!(out, "  {:<32} {}", tool.name, tool.about);
        }
    }
    out
}

fn tools_json() -> Value {
    let tools = listed_tools().map(|(toolset, tool)| {
        json!({
            "name": *tool.name, "title": *tool.title, "description": *tool.about, "toolset": toolset.name,
            "scope": tool.scope.to_string(), "inputSchema": *tool.input_schema, "outputSchema": *tool.output_schema,
        })
    });
    tools.collect()
}

/// The tables of the README, one per toolset.
#[must_use]
pub fn tools_markdown() -> String {
    let mut out = String::new();
    for toolset in TOOLSETS {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _infallible = write!(
            out,
            "{gap}**{}**: {}\n\n| Tool | Arguments | Scope | What it does |\n| --- | --- | --- | --- |\n",
            toolset.name, toolset.about
        );
        for tool in toolset.tools {
            let tool = tool.info(toolset);
            let arguments = arguments_text(&tool.input_schema);
            let _infallible = writeln!(
                out,
                "| `{}` | {arguments} | `{}` | {} |",
                tool.name, tool.scope, tool.about
            );
        }
    }
    out
}

fn arguments_text(schema: &crate::tool::JsonObject) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|list| list.iter().any(|entry| entry == name));
    let names = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.keys());
    let (needed, optional): (Vec<_>, Vec<_>) = names.partition(|name| is_required(name));
    let optional = optional.into_iter().map(|name| format!("{name}?"));
    needed
        .into_iter()
        .cloned()
        .chain(optional)
        .collect::<Vec<_>>()
        .join(", ")
}
