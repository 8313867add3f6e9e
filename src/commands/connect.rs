//! `kasm-mcp connect`: prints the configuration of a client, ready to paste.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;

use super::health::loopback_address;
use super::{print_text, settings_sources};
use crate::cli::{self, ConnectFormat, ConnectOptions};
use crate::clients::{self, CLIENTS, ClientEntry, ServerAddress, TemplateValues, TestedWith};
use crate::config::{self, SettingsSources};

/// The URL in documents.
const SOME_URL: &str = "https://mcp.example.org";
/// The placeholder for an unknown token.
const SOME_TOKEN: &str = "YOUR_TOKEN";
/// The usual path of the binary.
const SOME_PROGRAM: &str = "/usr/local/bin/kasm-mcp";
/// The variable with the token, for this command and for clients that read it themselves.
const TOKEN_VARIABLE: &str = "KASM_MCP_TOKEN";

pub(super) fn run_connect(
    options: &ConnectOptions,
    flags: &cli::SettingsFlags,
) -> anyhow::Result<ExitCode> {
    let named = options
        .clients
        .iter()
        .filter_map(|id| clients::find_client(id));
    let named: Vec<&ClientEntry> = named.collect();
    match (options.format, named.as_slice()) {
        (ConnectFormat::Markdown, named) => {
            let address = options.url.as_deref().unwrap_or(SOME_URL);
            print_text(&clients_markdown(
                named,
                &template_values(address, SOME_TOKEN, SOME_PROGRAM)?,
            ))?;
        }
        (ConnectFormat::Text, []) => print_text(&list_clients())?,
        (ConnectFormat::Text, [client]) => print_client(client, options, flags)?,
        (ConnectFormat::Text, _) => {
            bail!("name one client at a time, because the output is the content of one file")
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn template_values(address: &str, token: &str, program: &str) -> anyhow::Result<TemplateValues> {
    let address: ServerAddress = address
        .parse()
        .with_context(|| format!("invalid URL `{address}`"))?;
    Ok(TemplateValues::new(address, token, program)?)
}

/// All clients, one line each.
fn list_clients() -> String {
    let mut out = String::new();
    for client in CLIENTS {
        let _infallible = writeln!(out, "{:<20} {}", client.id, client.name);
    }
    out
}

/// Sections for a document.
#[must_use]
pub fn clients_markdown(named: &[&ClientEntry], values: &TemplateValues) -> String {
    let all: Vec<&ClientEntry> = CLIENTS.iter().collect();
    let chosen = if named.is_empty() { &all } else { named };
    let mut out = String::new();
    for client in chosen {
        let gap = if out.is_empty() { "" } else { "\n" };
        let tested = match client.tested {
            TestedWith::Run(with) => format!("run in `tests/interop` by {with}"),
            TestedWith::Parsed(why) => format!("read as {}, not run: {why}", client.format.name()),
        };
        let _infallible = write!(
            out,
            "{gap}### {}\n\n`kasm-mcp connect {}` prints what goes into {}:\n\n```{}\n{}```\n\n{} Tested: {tested}.\n",
            client.name,
            client.id,
            client.place,
            client.format.name(),
            client.fill_template(values),
            client.note,
        );
    }
    out
}

/// The sections of the named clients as the documents hold them, or of all clients if none is named. None if a
/// client does not exist.
#[must_use]
pub fn documented_clients(ids: &[&str]) -> Option<String> {
    let named: Option<Vec<&ClientEntry>> = ids.iter().map(|id| clients::find_client(id)).collect();
    let values = template_values(SOME_URL, SOME_TOKEN, SOME_PROGRAM).ok()?;
    Some(clients_markdown(&named?, &values))
}

fn print_client(
    client: &ClientEntry,
    options: &ConnectOptions,
    flags: &cli::SettingsFlags,
) -> anyhow::Result<()> {
    let mut notes = format!(
        "{}: put this into {}\n{}\n",
        client.name, client.place, client.note
    );
    let sources = settings_sources(flags);
    // The token that was given to this command has precedence over that of the settings.
    let token = client_token(options.token_file.as_deref(), &sources)?;
    // Invalid settings must not stop a call that needs none of them.
    let reach = if options.url.is_some() && token.is_some() {
        None
    } else {
        Some(config::client_endpoint(&sources)?)
    };
    let address = match (&options.url, &reach) {
        (Some(url), _) => url.clone(),
        (None, Some(reach)) => reach.public_url.clone().unwrap_or_else(|| {
            notes
                .push_str("This URL works only for clients on this machine; --url sets another.\n");
            format!("http://{}", loopback_address(reach.listen))
        }),
        (None, None) => SOME_URL.to_owned(),
    };
    let configured = reach.and_then(|reach| reach.token);
    let token = token.or_else(|| Some(configured?.expose_secret().to_owned()));
    if token.is_none() && client.has_token() {
        let _infallible = writeln!(
            notes,
            "No token is known. Create one with `kasm-mcp token new --name NAME`. Write it in place of \
             {SOME_TOKEN}, or set {TOKEN_VARIABLE} to it for this command."
        );
    }
    let token = token.unwrap_or_else(|| SOME_TOKEN.to_owned());
    // The configuration is right all the same: whether a client expands variables is not known here.
    if token.contains('$') && client.has_token() {
        notes.push_str("The token contains a `$`. Some clients expand it as a variable, so create a token without \
            it.\n");
    }
    // A client starts the program without a shell's search path, so the path must be absolute.
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(Path::to_str)
        .unwrap_or(SOME_PROGRAM);
    let values = template_values(&address, &token, program)?;
    if client.is_plain_http() && values.is_narrowed() {
        bail!(
            "{} adds its own paths: give the URL without /mcp/…, and select toolsets with X-MCP-Toolsets",
            client.id
        );
    }
    if let Some(links) = client.install_links(&values) {
        let _infallible = writeln!(
            notes,
            "This link installs it with one click, without the token:\n{}\nThis link does so from a web page:\n{}",
            links.direct, links.https
        );
    }
    // Written first, for terminals that show both streams. A closed stderr must not fail the command.
    let _closed = std::io::stderr().write_all(notes.as_bytes());
    print_text(&client.fill_template(&values))?;
    Ok(())
}

/// The token that was given to this command.
fn client_token(file: Option<&Path>, sources: &SettingsSources) -> anyhow::Result<Option<String>> {
    let text = match file {
        None => sources
            .environment
            .get(TOKEN_VARIABLE)
            .cloned()
            .unwrap_or_default(),
        Some(file) if file == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        Some(file) => std::fs::read_to_string(file).with_context(|| file.display().to_string())?,
    };
    let text = text.trim();
    if text.is_empty() && file.is_some() {
        bail!("--token-file: the file holds no token");
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
