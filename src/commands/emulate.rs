//! `kasm-mcp emulate`: runs the Kasm emulator on loopback, for tests of other programs.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use kasm_emulator::Emulator;

use super::{print_text, stop};
use crate::cli;

/// How long an emulated session takes to start, so that the waiting is visible.
pub(super) const START_TIME: Duration = Duration::from_secs(2);

pub(super) async fn run_emulator(options: &cli::EmulateOptions) -> anyhow::Result<ExitCode> {
    let stop = stop::stop_signal()?;
    anyhow::ensure!(
        options.listen.ip().is_loopback(),
        "the emulator listens on loopback addresses only, because its API key is public"
    );
    let emulator = Emulator::builder()
        .bind(options.listen)
        .tls(options.tls)
        .start_time(START_TIME)
        .start()
        .await?;
    warn_if_unconfined();
    print_text(&environment_text(&emulator))?;
    emulator.run_until(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Warns on standard error if commands cannot run here.
pub(super) fn warn_if_unconfined() {
    if kasm_emulator::confinement_works() {
        return;
    }
    // A closed standard error must not fail the emulator.
    let _closed = writeln!(
        std::io::stderr(),
        "Commands and files will not work. Emulated workspaces run them in bubblewrap, which does not work\nhere. \
         Install it (Debian, Ubuntu: apt-get install bubblewrap) and start again.\n"
    );
}

/// The settings that make a server use the emulator.
fn environment_text(emulator: &Emulator) -> String {
    let (key, secret) = emulator.key();
    // The certificate is new for each run, so there is no CA file to name.
    let tls = if emulator.ca_pem().is_some() {
        "KASM_TLS_INSECURE=true\n"
    } else {
        ""
    };
    format!(
        "# The Kasm emulator is running. It only simulates Kasm.\n# Settings for `kasm-mcp \
         serve`:\nKASM_API_URL={}\nKASM_API_KEY={key}\nKASM_API_SECRET={secret}\nKASM_USER_ID={}\n{tls}",
        emulator.url(),
        emulator.user_id(),
    )
}
