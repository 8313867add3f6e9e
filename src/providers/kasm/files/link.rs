//! `link_kasm_file`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checked_target;
use crate::kasm::{KasmId, UserId};
use crate::links::{FileLinkGrant, TooManyLinks, TransferDirection};
use crate::policy::FileAccess;
use crate::providers::kasm::{KasmProvider, may_change, used_session};
use crate::tool::{Effect, ErrorType, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct LinkKasmFile;

#[derive(Deserialize, JsonSchema)]
pub(super) struct LinkArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The absolute path of the file.
    file_path: String,
    /// download: GET the URL. upload: PUT the bytes to the URL.
    direction: TransferDirection,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FileLink {
    /// Valid for one complete transfer. It needs no token, so keep it secret. An aborted download can be resumed (Range).
    url: String,
    /// The HTTP method: `GET` or `PUT`.
    method: &'static str,
    /// How long the link is valid, in seconds.
    expires_in_seconds: u64,
    /// The largest file that can be transferred, in bytes.
    max_bytes: u64,
}

impl Tool for LinkKasmFile {
    type Provider = KasmProvider;
    type Args = LinkArgs;
    type Output = FileLink;
    const NAME: &'static str = "link_kasm_file";
    const TITLE: &'static str = "Link to a file";
    const ABOUT: &'static str = "Create a URL of this server that downloads (GET) or uploads (PUT) one file of a \
        session once, without a token. Use it for files that the model need not read.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: LinkArgs,
    ) -> Result<ToolReply<FileLink>, ToolError> {
        let Some(links) = &cx.provider.links else {
            return Err(ToolError::new(
                ErrorType::Unsupported,
                "this server does not know the address that clients reach it at",
                "ask the operator to set MCP_PUBLIC_URL; until then use read_kasm_file and write_kasm_file",
            )
            .with_code("public_url_missing"));
        };
        let (access, method, verb) = match args.direction {
            TransferDirection::Download => (FileAccess::Read, "GET", "download"),
            TransferDirection::Upload => (FileAccess::Write, "PUT", "upload"),
        };
        // The tool only reads, but an upload changes a file.
        if args.direction == TransferDirection::Upload {
            may_change(cx.caller, "an upload")?;
        }
        let target = checked_target(cx.provider, &args.file_path, access)?;
        // The session must be the caller's own. The transfer checks this and the path again, as this caller.
        used_session(&cx, args.kasm_id, args.user_id).await?;
        let link = FileLinkGrant {
            caller: cx.caller.clone(),
            direction: args.direction,
            // Addresses without a name lead to Kasm's sessions: they are older than other providers.
            provider: None,
            computer: args.kasm_id.to_string(),
            path: target.path_text().to_owned(),
        };
        let url = links.make_link(link).map_err(|TooManyLinks| {
            ToolError::new(
                ErrorType::RateLimited,
                "too many links are open",
                "use the open links, or wait until they expire",
            )
            .with_code("too_many_links")
        })?;
        let seconds = links.link_lifetime().as_secs();
        let link = FileLink {
            url,
            method,
            expires_in_seconds: seconds,
            max_bytes: cx.provider.file_limits.link_bytes,
        };
        let message = format!("{method} this URL within {seconds} s to {verb} the file, once");
        Ok(ToolReply::new(link, message))
    }
}
