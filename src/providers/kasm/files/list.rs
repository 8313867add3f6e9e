//! `list_kasm_files`.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checked_target;
use super::read::rfc3339_time;
use crate::files::{EntryKind, FolderEntry};
use crate::kasm::{KasmId, UserId};
use crate::policy::FileAccess;
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};

const DEPTH_MAX: u32 = 8;
const LIMIT_DEFAULT: usize = 200;
const LIMIT_MAX: usize = 2_000;

pub(super) struct ListKasmFiles;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ListArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The absolute path of the folder.
    path: String,
    /// How many levels to list, at most 8. Default: 1.
    depth: Option<u32>,
    /// The most entries to return, at most 2000. Default: 200.
    limit: Option<usize>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FolderContent {
    path: String,
    entries: Vec<FileEntry>,
    /// Whether there are more entries.
    truncated: bool,
}

#[derive(Serialize, JsonSchema)]
struct FileEntry {
    /// The path relative to `path`.
    name: String,
    /// The name in base64, if it is not UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    /// The type: `file`, `folder`, `link` or `other`.
    r#type: &'static str,
    /// Size of a file, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Time, RFC 3339.
    modified: String,
    /// Permissions, octal.
    mode: String,
    /// The target of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl Tool for ListKasmFiles {
    type Provider = KasmProvider;
    type Args = ListArgs;
    type Output = FolderContent;
    const NAME: &'static str = "list_kasm_files";
    const TITLE: &'static str = "List a folder";
    const ABOUT: &'static str = "List the files in a folder of a session, with hidden ones, sorted by name. Does \
        not follow links.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ListArgs,
    ) -> Result<ToolReply<FolderContent>, ToolError> {
        let target = checked_target(cx.provider, &args.path, FileAccess::Read)?;
        let depth = args.depth.unwrap_or(1).clamp(1, DEPTH_MAX);
        let limit = args.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Files).await?;
        let listing = cx
            .provider
            .files
            .list_folder(&place, &target, depth)
            .await?;
        let count = listing.entries.len();
        // The session limits its listing as well, so there may be more than `count` entries.
        let truncated = listing.cut || count > limit;
        let entries = listing.entries.into_iter().take(limit).map(FileEntry::from);
        let content = FolderContent {
            path: target.path_text().to_owned(),
            entries: entries.collect(),
            truncated,
        };
        let message = if truncated {
            format!(
                "{} of {count} or more entries: list a subfolder, or raise `limit`",
                content.entries.len()
            )
        } else {
            format!("{count} entries")
        };
        Ok(ToolReply::new(content, message))
    }
}

impl From<FolderEntry> for FileEntry {
    fn from(entry: FolderEntry) -> Self {
        let text = std::str::from_utf8(&entry.name);
        let (r#type, size) = match entry.kind {
            EntryKind::File => ("file", Some(entry.size)),
            EntryKind::Folder => ("folder", None),
            EntryKind::Link => ("link", None),
            EntryKind::Other => ("other", None),
        };
        Self {
            // A name on Linux may have any bytes but `/` and NUL.
            name_base64: text.is_err().then(|| BASE64.encode(&entry.name)),
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            r#type,
            size,
            modified: rfc3339_time(entry.modified),
            mode: entry.mode,
            target: (entry.kind == EntryKind::Link)
                .then(|| String::from_utf8_lossy(&entry.target).into_owned()),
        }
    }
}
