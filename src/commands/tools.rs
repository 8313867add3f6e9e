//! `kasm-mcp tools`: what is offered, from the registry itself.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::print;
use crate::cli::ToolsFormat;
use crate::kasm::Kasm;
use crate::kasm::plane::Plane;
use crate::kasm::public::{KasmConfig, PublicApi};
use crate::policy::Policy;
use crate::providers::kasm::{CommandLimits, KasmProvider, TOOLSETS};
use crate::tool::registry::Registry;

pub(super) fn run(format: ToolsFormat) -> anyhow::Result<ExitCode> {
    let registry = registry()?;
    print(&match format {
        ToolsFormat::Text => text(&registry),
        ToolsFormat::Json => format!("{:#}\n", json(&registry)),
        ToolsFormat::Markdown => markdown(&registry),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// All tools, mounted on a Kasm that is never called.
///
/// # Errors
/// The HTTP client cannot be made.
pub fn registry() -> anyhow::Result<Registry> {
    let config = KasmConfig {
        url: "http://localhost/".parse()?,
        api_key: SecretString::default(),
        api_key_secret: SecretString::default(),
        tls_ca_file: None,
        tls_insecure: false,
        timeout: Duration::ZERO,
        request_timeout: Duration::ZERO,
        retries: 0,
    };
    let kasm = Kasm::new(
        Arc::new(PublicApi::new(&config)?),
        Plane::new(&config)?,
        Duration::ZERO,
    );
    let commands = CommandLimits {
        allow_root: false,
        time_max: Duration::ZERO,
        wait: Duration::ZERO,
        wait_max: Duration::ZERO,
        output_bytes: 0,
        keep_bytes: 0,
    };
    let provider = KasmProvider::new(kasm, None, Policy::built_in()?, commands);
    Ok(Registry::new(Duration::ZERO, 1).mount(&Arc::new(provider), TOOLSETS))
}

fn text(registry: &Registry) -> String {
    let mut out = String::new();
    let mut last = "";
    for (toolset, tool) in registry.all() {
        if toolset.name != last {
            let _infallible = writeln!(out, "{}: {}", toolset.name, toolset.about);
            last = toolset.name;
        }
        let _infallible = writeln!(out, "  {:<32} {}", tool.name, tool.about);
    }
    out
}

fn json(registry: &Registry) -> Value {
    let tools = registry.all().map(|(toolset, tool)| {
        json!({
            "name": tool.name, "title": tool.title, "description": tool.about, "toolset": toolset.name,
            "scope": tool.scope.name(), "inputSchema": *tool.input_schema, "outputSchema": *tool.output_schema,
        })
    });
    tools.collect()
}

/// The tables of the README, one per toolset.
#[must_use]
pub fn markdown(registry: &Registry) -> String {
    let mut out = String::new();
    let mut last = "";
    for (toolset, tool) in registry.all() {
        if toolset.name != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            let _infallible = write!(
                out,
                "{gap}**{}**: {}\n\n| Tool | Arguments | Scope | What it does |\n| --- | --- | --- | --- |\n",
                toolset.name, toolset.about
            );
            last = toolset.name;
        }
        let arguments = arguments(&tool.input_schema);
        let _infallible = writeln!(
            out,
            "| `{}` | {arguments} | `{}` | {} |",
            tool.name, tool.scope, tool.about
        );
    }
    out
}

fn arguments(schema: &crate::tool::JsonObject) -> String {
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
