//! The `monitoring` toolset: statistics and recordings of a session.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::diagnose::DiagnoseKasm;
use super::{KasmProvider, own_session};
use crate::caller::{Level, Realm, Scope};
use crate::kasm::KasmId;
use crate::kasm::model::SessionRecording;
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "monitoring",
    about: "Statistics and recordings of a session, and a diagnosis of permissions",
    scope: Scope::new(Realm::KASM, Level::Read),
    tools: &[
        &GetSessionFrameStats,
        &GetSessionBottleneckStats,
        &GetSessionRecordings,
        &DiagnoseKasm,
    ],
};

struct GetSessionFrameStats;

#[derive(Deserialize, JsonSchema)]
struct FrameStatsArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// Which client-side times to include: `none`, `auto` (default), `all`, or a client id.
    client: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct StatsView {
    kasm_id: String,
    /// The statistics as Kasm returns them; times in milliseconds.
    stats: Map<String, Value>,
}

impl Tool for GetSessionFrameStats {
    type Provider = KasmProvider;
    type Args = FrameStatsArgs;
    type Output = StatsView;
    const NAME: &'static str = "get_session_frame_stats";
    const TITLE: &'static str = "Frame statistics";
    const ABOUT: &'static str = "Measure how long the last screen frame took to encode and draw. A viewer must be connected.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: FrameStatsArgs,
    ) -> Result<ToolReply<StatsView>, ToolError> {
        let kasm = &cx.provider.kasm;
        let client = args.client.as_deref().unwrap_or("auto");
        if client.len() > 200 || client.chars().any(char::is_control) {
            return Err(ToolError::validation(
                "argument `client` is not a client id",
                "use none, auto, all, or an id from client_side of an earlier answer",
            )
            .with_code("argument_invalid"));
        }
        let (user, _) = own_session(&cx, args.kasm_id, None).await?;
        let stats = kasm.api().frame_stats(user, args.kasm_id, client).await?;
        Ok(ToolReply::new(
            stats_of(args.kasm_id, stats),
            "frame statistics of the last frame",
        ))
    }
}

struct GetSessionBottleneckStats;

#[derive(Deserialize, JsonSchema)]
struct SessionArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
}

impl Tool for GetSessionBottleneckStats {
    type Provider = KasmProvider;
    type Args = SessionArgs;
    type Output = StatsView;
    const NAME: &'static str = "get_session_bottleneck_stats";
    const TITLE: &'static str = "Bottleneck statistics";
    const ABOUT: &'static str = "Show per viewer whether CPU or network limits the desktop stream: [cpu, cpu \
        average, network, network average], from 0 to 10 (unconstrained).";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: SessionArgs,
    ) -> Result<ToolReply<StatsView>, ToolError> {
        let (user, _) = own_session(&cx, args.kasm_id, None).await?;
        let kasm = &cx.provider.kasm;
        let stats = stats_of(
            args.kasm_id,
            kasm.api().bottleneck_stats(user, args.kasm_id).await?,
        );
        let viewers = stats
            .stats
            .values()
            .filter_map(Value::as_object)
            .any(|viewers| !viewers.is_empty());
        let message = if viewers {
            "bottleneck statistics per viewer"
        } else {
            "no viewer is connected"
        };
        Ok(ToolReply::new(stats, message))
    }
}

struct GetSessionRecordings;

#[derive(Deserialize, JsonSchema)]
struct RecordingsArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// Also return links that download the recordings without a login (default false). Treat them as secrets.
    download_links: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct RecordingList {
    kasm_id: String,
    recordings: Vec<RecordingView>,
}

#[derive(Serialize, JsonSchema)]
struct RecordingView {
    recording_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
}

impl Tool for GetSessionRecordings {
    type Provider = KasmProvider;
    type Args = RecordingsArgs;
    type Output = RecordingList;
    const NAME: &'static str = "get_session_recordings";
    const TITLE: &'static str = "List recordings";
    const ABOUT: &'static str =
        "List the video recordings of a session, with download links on request.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: RecordingsArgs,
    ) -> Result<ToolReply<RecordingList>, ToolError> {
        // Kasm's request for recordings names no user, so only this check keeps other users' recordings out.
        own_session(&cx, args.kasm_id, None).await?;
        let kasm = &cx.provider.kasm;
        let links = args.download_links.unwrap_or(false);
        let found = kasm.api().list_recordings(args.kasm_id, links).await?;
        let recordings: Vec<_> = found
            .into_iter()
            .map(|recording| recording_view(recording, links))
            .collect();
        let message = format!("{} recordings", recordings.len());
        Ok(ToolReply::new(
            RecordingList {
                kasm_id: args.kasm_id.to_string(),
                recordings,
            },
            message,
        ))
    }
}

fn recording_view(recording: SessionRecording, links: bool) -> RecordingView {
    // A link that was not requested stays here, whatever Kasm returns.
    let url = recording.download_url.filter(|_| links);
    RecordingView {
        recording_id: recording.recording_id,
        duration_seconds: recording.duration_seconds,
        timestamp: recording.timestamp,
        download_url: url.map(|url| url.expose_secret().to_owned()),
    }
}

fn stats_of(kasm_id: KasmId, stats: Value) -> StatsView {
    let stats = match stats {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    StatsView {
        kasm_id: kasm_id.to_string(),
        stats,
    }
}
