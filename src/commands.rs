//! One file per command. The exit code is 64 for invalid settings (sysexits.h: EX_USAGE), and 1 for other
//! errors.

mod audit;
mod check;
pub mod connect;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod emulate;
mod first_token;
mod health;
mod logging;
mod man;
mod notify;
pub mod openapi;
mod policy;
mod serve;
pub mod settings;
mod stdio;
mod stop;
mod token;
pub mod tools;

use std::io::Write;
use std::process::ExitCode;

use self::notify::Manager;
use crate::cli::{self, Cli, Command};
use crate::config::{Config, Mistakes, Sources};

const EXIT_SETTINGS: u8 = 64;

/// Runs the chosen command and returns its exit code.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let done = runtime.block_on(dispatch(cli));
    // Calls that outlived the drain limit are not waited for.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { command, settings } = cli;
    match command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let sources = sources(&settings);
            let manager = Manager::of(&sources.environment);
            serve::run(Config::load(&sources)?, &manager).await
        }
        Command::Stdio => stdio::run(stdio::config(settings)?).await,
        #[cfg(feature = "demo")]
        Command::Demo(options) => demo::run(&options, &settings).await,
        #[cfg(feature = "demo")]
        Command::Emulate(options) => emulate::run(&options).await,
        Command::Check(options) => check::run(&options, &settings).await,
        Command::Health => health::run(&settings).await,
        Command::Tools { full, format } => tools::run(full, format),
        Command::Connect(options) => connect::run(&options, &settings),
        Command::Openapi(options) => openapi::run(&options, &settings),
        Command::Settings { format } => settings::run(format),
        Command::Token(command) => token::run(&command, &settings),
        Command::Audit(command) => audit::run(&command, &settings),
        Command::Policy(command) => policy::run(&command),
        Command::Man { directory } => man::run(directory.as_deref()),
        Command::Completions { shell } => man::completions(shell),
    }
}

/// The settings of this process with the flags on top.
fn sources(flags: &cli::Settings) -> Sources {
    Sources::of_process(flags.config.clone())
        .with_flag("MCP_SERVER_HOST", flags.host.as_ref())
        .with_flag("MCP_SERVER_PORT", flags.port)
        .with_flag("LOG_LEVEL", flags.log_level.as_ref())
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // A closed stderr is no reason to fail differently.
    let _closed = writeln!(std::io::stderr(), "kasm-mcp: {error:#}");
    if error.is::<Mistakes>() {
        ExitCode::from(EXIT_SETTINGS)
    } else {
        ExitCode::FAILURE
    }
}

/// Writes to standard output; a reader that closed it early is content.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
