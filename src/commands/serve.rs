//! `kasm-mcp serve`.

use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;

use super::service_manager::ServiceManager;
use super::{bootstrap_token, check, logging, stop};
use crate::app::{self, ReachedBy};
use crate::config::Config;
use crate::http::metrics;
use crate::http::serve::{ServeEnd, serve_http};

pub(super) async fn run(config: Config, manager: &ServiceManager) -> anyhow::Result<ExitCode> {
    let logging = logging::start_logging(&config.log)?;
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    let config = bootstrap_token::with_bootstrap_token(config)?;
    let stop = stop::stop_signal()?;
    // The application is complete before the port is bound: a client that connects is served.
    let app = app::build_application(&config, ReachedBy::ByHttp)?.into_http()?;
    let listener = bind(config.http.listen).await?;
    let address = listener.local_addr()?;
    let metrics_listener = match config.http.metrics_listen {
        Some(listen) => Some(bind(listen).await?),
        None => None,
    };
    let http = &config.http;
    let token = if http.is_without_credential() {
        "not required (loopback only)"
    } else {
        "required"
    };
    if let Some(file) = &http.tokens_file {
        tracing::info!(file = %file.display(), "accepting the tokens of a file");
    }
    let kasm = config.kasm.as_ref();
    let kasm = kasm.map(|kasm| tracing::field::display(&kasm.connection.url));
    tracing::info!(%address, token, kasm, "kasm-mcp {} is ready", env!("CARGO_PKG_VERSION"));
    if let Some(listener) = metrics_listener {
        tracing::info!(
            "metrics are served without a token at {}",
            listener.local_addr()?
        );
        tokio::spawn(metrics::serve_metrics(listener, app.metrics_exposition()));
    }
    // In the background: the server serves even while Kasm does not answer.
    let look_at = config.clone();
    tokio::spawn(async move { check::log_first_findings(&look_at).await });
    // The listener exists, so connections queue in the kernel from now on: dependent services may start.
    manager.send_state(&format!("READY=1\nSTATUS=Serving http://{address}/mcp"));
    let stop = async {
        stop.await;
        manager.send_state("STOPPING=1\nSTATUS=Waiting for running calls to finish");
    };
    let ended = tokio::select! {
        ended = serve_http(listener, app, app::serve_limits(&config.limits), stop) => ended,
        never = manager.keep_alive() => never,
    };
    match ended {
        ServeEnd::Drained => tracing::info!("stopped: all requests finished"),
        ServeEnd::CutOff => tracing::warn!("stopped: the drain limit cut off some requests"),
    }
    logging.end().await;
    Ok(ExitCode::SUCCESS)
}

/// Listens on `address`. The error names the likely cause and the remedy.
pub(super) async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: another program may use that port (see `ss -ltnp`), or this machine does \
             not have that address; --port and --host set others"
        )
    })
}
