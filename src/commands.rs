//! One file per command. The exit code is 64 for invalid settings (sysexits.h: EX_USAGE), and 1 for other
//! errors.

mod audit;
mod bootstrap_token;
mod check;
pub mod connect;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod emulate;
mod health;
mod logging;
mod man;
pub mod openapi;
mod policy;
mod serve;
mod service_manager;
pub mod settings;
mod stdio;
mod stop;
mod token;
pub mod tools;

use std::io::Write;
use std::process::ExitCode;

use self::service_manager::ServiceManager;
use crate::cli::{self, Cli, CliCommand};
use crate::config::{Config, SettingMistakes, SettingsSources};

const EXIT_SETTINGS: u8 = 64;

/// Runs the chosen command and returns its exit code.
#[must_use]
pub fn run_command(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report_failure(&error.into()),
    };
    let done = runtime.block_on(dispatch_command(cli));
    // Calls that outlived the drain limit are not waited for.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => report_failure(&error),
    }
}

async fn dispatch_command(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { command, settings } = cli;
    match command.unwrap_or(CliCommand::Serve) {
        CliCommand::Serve => {
            let sources = settings_sources(&settings);
            let manager = ServiceManager::from_environment(&sources.environment);
            serve::run(Config::load_settings(&sources)?, &manager).await
        }
        CliCommand::Stdio => stdio::run(stdio::config(settings)?).await,
        #[cfg(feature = "demo")]
        CliCommand::Demo(options) => demo::run_demo(&options, &settings).await,
        #[cfg(feature = "demo")]
        CliCommand::Emulate(options) => emulate::run_emulator(&options).await,
        CliCommand::Check(options) => check::run_check(&options, &settings).await,
        CliCommand::Health => health::run_health_probe(&settings).await,
        CliCommand::Tools { full, format } => tools::print_tools(full, format),
        CliCommand::Connect(options) => connect::run_connect(&options, &settings),
        CliCommand::Openapi(options) => openapi::print_openapi(&options, &settings),
        CliCommand::Settings { format } => settings::print_settings(format),
        CliCommand::Token(command) => token::run_token(&command, &settings),
        CliCommand::Audit(command) => audit::run_audit(&command, &settings),
        CliCommand::Policy(command) => policy::run_policy(&command),
        CliCommand::Man { directory } => man::write_man_pages(directory.as_deref()),
        CliCommand::Completions { shell } => man::print_completions(shell),
    }
}

/// The settings of this process with the flags on top.
fn settings_sources(flags: &cli::SettingsFlags) -> SettingsSources {
    SettingsSources::of_process(flags.config.clone())
        .with_flag("MCP_SERVER_HOST", flags.host.as_ref())
        .with_flag("MCP_SERVER_PORT", flags.port)
        .with_flag("LOG_LEVEL", flags.log_level.as_ref())
}

fn report_failure(error: &anyhow::Error) -> ExitCode {
    // A closed stderr is no reason to fail differently.
    let _closed = writeln!(std::io::stderr(), "kasm-mcp: {error:#}");
    // Invalid settings have a code of their own, by which the service manager knows not to restart the server
    // (RestartPreventExitStatus in kasm-mcp.service).
    if error.is::<SettingMistakes>() {
        ExitCode::from(EXIT_SETTINGS)
    } else {
        ExitCode::FAILURE
    }
}

/// Writes to standard output. A reader that closed it early, such as `head`, is no error.
fn print_text(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
