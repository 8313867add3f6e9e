//! `kasm-mcp token`: creates, lists and revokes the tokens of a file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::tools::unmatched_names;
use super::{print_text, settings_sources};
use crate::access::edit;
use crate::access::entry::{TokenEntry, is_name};
use crate::caller::{ToolFilter, ToolNameList, ToolNamePattern};
use crate::cli::{NewTokenOptions, SettingsFlags, TokenCommand};
use crate::config::{self, token_rules};
use crate::token::{self, TokenHash};

pub(super) fn run_token(
    command: &TokenCommand,
    settings: &SettingsFlags,
) -> anyhow::Result<ExitCode> {
    let file = config::tokens_file(&settings_sources(settings))?;
    match command {
        TokenCommand::New(options) => create_token(options, &file),
        TokenCommand::List => list_tokens(&file),
        TokenCommand::Revoke { name } => revoke_token(name, &file),
    }
}

fn create_token(options: &NewTokenOptions, file: &Path) -> anyhow::Result<ExitCode> {
    let token = token::bearer_token();
    let entry = token_entry(options, TokenHash::of_token(&token))?;
    for name in unmatched_names(&entry.reach) {
        // Tools come and go, so this is no error. A closed standard error is none either.
        let _closed = writeln!(
            std::io::stderr(),
            "kasm-mcp: --tools: no tool of this version has a name like `{name}`"
        );
    }
    // The hash is stored before the token is shown: a token that was shown must work.
    edit::add_entry(file, &entry, &token_rules(None))
        .with_context(|| file.display().to_string())?;
    print_text(&format!(
        "{token}\n\nThe token is shown only now; {} stores its hash. A running server accepts it within a second.\n",
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn token_entry(options: &NewTokenOptions, hash: TokenHash) -> anyhow::Result<TokenEntry> {
    let rules = token_rules(None);
    if !is_name(&options.name) {
        bail!("--name: use up to 64 letters, digits and . _ @ -");
    }
    let kasm_user = match options.kasm_user.as_deref() {
        None => None,
        Some(text) => match (rules.user_id)(text) {
            None => bail!("--kasm-user: give the id of a Kasm user, 32 hex digits"),
            user => user,
        },
    };
    if options.tenant.as_deref().is_some_and(|name| !is_name(name)) {
        bail!("--tenant: use up to 64 letters, digits and . _ @ -");
    }
    for name in &options.toolsets {
        if !rules.toolsets.contains(&name.as_str()) {
            let known = rules.toolsets.join(", ");
            bail!("--toolsets: unknown toolset `{name}`; the toolsets are {known}");
        }
    }
    let toolsets: BTreeSet<String> = options.toolsets.iter().cloned().collect();
    let expires = options.expires_in.map(expiry_after).transpose()?;
    Ok(TokenEntry {
        name: options.name.clone(),
        hash,
        grants: options.scope.clone(),
        kasm_user,
        tenant: options.tenant.clone(),
        reach: ToolFilter {
            read_only: options.read_only,
            toolsets: (!toolsets.is_empty()).then(|| Arc::new(toolsets)),
            names: name_lists(&options.tools)?,
        },
        expires,
        rate: options.rate,
    })
}

/// The list of `--tools`, if it is given.
fn name_lists(patterns: &[ToolNamePattern]) -> anyhow::Result<Vec<ToolNameList>> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let patterns = patterns.iter().map(ToolNamePattern::pattern_text);
    let list = ToolNameList::from_patterns(patterns).context("--tools")?;
    Ok(vec![list])
}

fn expiry_after(after: Span) -> anyhow::Result<Timestamp> {
    let now = Timestamp::now();
    // Days and months need a calendar; UTC has no changes of the clock.
    let end = now.to_zoned(TimeZone::UTC).checked_add(after);
    let end = end.context("--expires-in")?.timestamp();
    if end <= now {
        bail!("--expires-in: give a time in the future");
    }
    // Whole seconds: the time is read by people in the file.
    Ok(Timestamp::from_second(end.as_second())?)
}

fn list_tokens(file: &Path) -> anyhow::Result<ExitCode> {
    let entries = edit::read_entries(file, &token_rules(None));
    let entries = entries.with_context(|| file.display().to_string())?;
    let mut out = String::new();
    for entry in &entries {
        let _infallible = write!(out, "{}  {}", entry.name, entry.grants);
        if let Some(user) = &entry.kasm_user {
            let _infallible = write!(out, "  kasm_user={user}");
        }
        if let Some(tenant) = &entry.tenant {
            let _infallible = write!(out, "  tenant={tenant}");
        }
        if let Some(toolsets) = &entry.reach.toolsets {
            let names: Vec<_> = toolsets.iter().map(String::as_str).collect();
            let _infallible = write!(out, "  toolsets={}", names.join(","));
        }
        for list in &entry.reach.names {
            let _infallible = write!(out, "  tools={list}");
        }
        if entry.reach.read_only {
            out.push_str("  read-only");
        }
        if let Some(expires) = entry.expires {
            let past = if expires <= Timestamp::now() {
                " (over)"
            } else {
                ""
            };
            let _infallible = write!(out, "  expires={expires}{past}");
        }
        if let Some(rate) = entry.rate {
            let _infallible = write!(out, "  rate={rate}");
        }
        out.push('\n');
    }
    if entries.is_empty() {
        let _infallible = writeln!(out, "no tokens in {}", file.display());
    }
    print_text(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn revoke_token(name: &str, file: &Path) -> anyhow::Result<ExitCode> {
    edit::remove_entry(file, name, &token_rules(None))
        .with_context(|| file.display().to_string())?;
    print_text(&format!(
        "`{name}` is revoked. Within a second, a running server rejects it and ends the calls that it started.\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
