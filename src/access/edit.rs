//! Adds tokens to the file and removes them, atomically.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::entry::{self, TokenEntry};
use super::{TokenFileRules, UnusableTokenFile};
use crate::caller::ToolNamePattern;
use crate::token;

/// Access for the owner only.
const PRIVATE: u32 = 0o600;
/// The permissions that an existing file may keep: its group may read it.
const KEPT: u32 = 0o640;

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileNotChanged {
    /// The existing file has errors.
    #[error("{0}")]
    Unusable(#[from] UnusableTokenFile),
    /// A token of that name exists.
    #[error("the token `{0}` already exists: revoke it first, or use another name")]
    Taken(String),
    /// No token has that name.
    #[error("there is no token `{0}`; `kasm-mcp token list` lists the tokens")]
    Missing(String),
    /// The entry cannot be separated from the text around it.
    #[error("the entry of `{0}` has an unusual form: remove it with an editor")]
    Unusual(String),
    /// Another program changed the file meanwhile.
    #[error("another program changed the file meanwhile: try again")]
    Race,
    /// It cannot be written.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// All entries of a file; none if there is no file.
///
/// # Errors
/// The file cannot be read, or has an error.
pub fn read_entries(
    file: &Path,
    rules: &TokenFileRules,
) -> Result<Vec<TokenEntry>, UnusableTokenFile> {
    let text = text_of(file)?;
    entry::read_entries(&text, rules).map_err(UnusableTokenFile::Wrong)
}

/// Adds an entry, and creates the file if there is none.
///
/// # Errors
/// See [`TokenFileNotChanged`]. The file is unchanged then.
pub fn add_entry(
    file: &Path,
    entry: &TokenEntry,
    rules: &TokenFileRules,
) -> Result<(), TokenFileNotChanged> {
    let text = text_of(file).map_err(UnusableTokenFile::Io)?;
    let before = entry::read_entries(&text, rules).map_err(UnusableTokenFile::Wrong)?;
    if before.iter().any(|other| other.name == entry.name) {
        return Err(TokenFileNotChanged::Taken(entry.name.clone()));
    }
    let mut longer = text.clone();
    if !longer.is_empty() {
        longer.push_str(if longer.ends_with('\n') { "\n" } else { "\n\n" });
    }
    // The entry is added as text, so comments and order of the file stay as they are.
    longer.push_str(&entry_as_toml(entry));
    let mut wanted = before;
    wanted.push(entry.clone());
    replace_file(file, &text, &longer, &wanted, rules, &entry.name)
}

/// Removes an entry.
///
/// # Errors
/// See [`TokenFileNotChanged`]. The file is unchanged then.
pub fn remove_entry(
    file: &Path,
    name: &str,
    rules: &TokenFileRules,
) -> Result<(), TokenFileNotChanged> {
    let text = text_of(file).map_err(UnusableTokenFile::Io)?;
    let mut wanted = entry::read_entries(&text, rules).map_err(UnusableTokenFile::Wrong)?;
    let index = wanted.iter().position(|entry| entry.name == name);
    let index = index.ok_or_else(|| TokenFileNotChanged::Missing(name.to_owned()))?;
    wanted.remove(index);
    let shorter = without_entry(&text, index);
    replace_file(file, &text, &shorter, &wanted, rules, name)
}

/// The text without the table of that number; the rest is unchanged.
fn without_entry(text: &str, index: usize) -> String {
    let header = format!("[[{}]]", entry::ENTRIES);
    let mut number = None;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(&header) {
            number = Some(number.map_or(0, |number: usize| number + 1));
        }
        // Lines before the first table have no number, so they stay.
        if number != Some(index) {
            kept.push_str(line);
        }
    }
    kept
}

/// Replaces `before` by `after`, after checking that `after` means exactly `wanted`.
fn replace_file(
    file: &Path,
    before: &str,
    after: &str,
    wanted: &[TokenEntry],
    rules: &TokenFileRules,
    name: &str,
) -> Result<(), TokenFileNotChanged> {
    if entry::read_entries(after, rules).ok().as_deref() != Some(wanted) {
        return Err(TokenFileNotChanged::Unusual(name.to_owned()));
    }
    // A symbolic link stays; its target is replaced.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let beside = path_beside(&target);
    let written = write_beside(&target, &beside, after).and_then(|()| {
        // The rename would undo a change that another program made since the file was read.
        if text_of(&target)? != before {
            return Err(TokenFileNotChanged::Race);
        }
        fs::rename(&beside, &target)?;
        Ok(())
    });
    if written.is_err() {
        let _gone = fs::remove_file(&beside);
    }
    written
}

fn path_beside(target: &Path) -> PathBuf {
    let random = token::random_token();
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}", &random[..8]))
}

fn write_beside(target: &Path, beside: &Path, text: &str) -> Result<(), TokenFileNotChanged> {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // `create_new` fails if another user has put a file or a link there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(beside)?;
    let own = file.metadata()?;
    match fs::metadata(target) {
        // The server may run as another user than the one who edits its tokens.
        Ok(former) => {
            if (former.uid(), former.gid()) != (own.uid(), own.gid()) {
                fchown(&file, Some(former.uid()), Some(former.gid()))?;
            }
            let mode = (former.mode() & KEPT) | PRIVATE;
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Err(_) => {
            let folder = fs::metadata(folder)?;
            if folder.uid() != own.uid() {
                // Only root can do this, and only root needs it.
                let _not_root = fchown(&file, Some(folder.uid()), Some(folder.gid()));
            }
        }
    }
    file.write_all(text.as_bytes())?;
    // The bytes reach the disk before the rename: after a power failure, the file is the old one or the new
    // one.
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn text_of(file: &Path) -> Result<String, io::Error> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

/// An entry as TOML. No value contains a character that needs an escape.
fn entry_as_toml(entry: &TokenEntry) -> String {
    let mut out = format!(
        "[[{}]]\nname = \"{}\"\nsha256 = \"{}\"\nscope = \"{}\"\n",
        entry::ENTRIES,
        entry.name,
        entry.hash,
        entry.grants
    );
    if let Some(user) = &entry.kasm_user {
        let _infallible = writeln!(out, "kasm_user = \"{user}\"");
    }
    if let Some(tenant) = &entry.tenant {
        let _infallible = writeln!(out, "tenant = \"{tenant}\"");
    }
    if let Some(toolsets) = &entry.reach.toolsets {
        let names: Vec<_> = toolsets.iter().map(|name| format!("\"{name}\"")).collect();
        let _infallible = writeln!(out, "toolsets = [{}]", names.join(", "));
    }
    // An entry that was read has one list at most.
    for list in &entry.reach.names {
        let patterns = list.patterns().iter().map(ToolNamePattern::pattern_text);
        let patterns: Vec<_> = patterns.map(|text| format!("\"{text}\"")).collect();
        let _infallible = writeln!(out, "tools = [{}]", patterns.join(", "));
    }
    if entry.reach.read_only {
        out.push_str("read_only = true\n");
    }
    if let Some(expires) = entry.expires {
        let _infallible = writeln!(out, "expires = \"{expires}\"");
    }
    if let Some(rate) = entry.rate {
        let _infallible = writeln!(out, "rate = {rate}");
    }
    out
}
