//! `kasm-mcp emulate`: a Kasm on loopback, for tests of other programs.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use kasm_emulator::Emulator;

use super::{print, stop};
use crate::cli;

/// How long a session starts, so that waiting can be seen.
pub(super) const START_TIME: Duration = Duration::from_secs(2);

pub(super) async fn run(options: &cli::Emulate) -> anyhow::Result<ExitCode> {
    let stop = stop::signal()?;
    anyhow::ensure!(
        options.listen.ip().is_loopback(),
        "the emulator serves loopback addresses only: it has a key that anybody can read"
    );
    let emulator = Emulator::builder()
        .bind(options.listen)
        .tls(options.tls)
        .start_time(START_TIME)
        .start()
        .await?;
    warn_if_unconfined();
    print(&environment(&emulator))?;
    emulator.run_until(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error that commands will fail, if they will.
pub(super) fn warn_if_unconfined() {
    if kasm_emulator::confinement_works() {
        return;
    }
    // Whoever closed it does not want to know.
    let _closed = writeln!(
        std::io::stderr(),
        "Commands and files will not work: the emulated workspaces run them in bubblewrap only, which does not work\n\
         here. Install it (Debian, Ubuntu: apt-get install bubblewrap) and start again.\n"
    );
}

/// The settings that make a server use the emulator.
fn environment(emulator: &Emulator) -> String {
    let (key, secret) = emulator.key();
    let tls = if emulator.ca_pem().is_some() {
        "KASM_TLS_INSECURE=true\n"
    } else {
        ""
    };
    format!(
        "# The Kasm emulator is running. It is not a Kasm: nothing real is behind it.\n\
         # Settings for `kasm-mcp serve`:\n\
         KASM_API_URL={}\nKASM_API_KEY={key}\nKASM_API_SECRET={secret}\nKASM_USER_ID={}\n{tls}",
        emulator.url(),
        emulator.user_id(),
    )
}
