//! `kasm-mcp man` and `kasm-mcp completions`: what a shell and `man` know of the program, made from the same
//! definitions as `--help`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{EXIT_SETTINGS, print};
use crate::cli::Cli;
use crate::config::VARIABLES;

pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kasm-mcp", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of the program, or writes it and those of all commands into a folder.
pub(super) fn run(directory: Option<&Path>) -> anyhow::Result<ExitCode> {
    let page = String::from_utf8(page()?)?;
    let Some(directory) = directory else {
        print(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = || -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        clap_mangen::generate_to(Cli::command(), directory)?;
        fs::write(directory.join("kasm-mcp.1"), page)
    };
    written().with_context(|| format!("cannot write into {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The page of the program, with the settings and exit codes after what `--help` knows.
fn page() -> std::io::Result<Vec<u8>> {
    let man = Man::new(Cli::command());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    environment().to_writer(&mut page)?;
    exit_status().to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn environment() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["ENVIRONMENT"]);
    section.text([roman(
        "All settings. The file that --config names has the same names in lower case; \
         NAME_FILE names a file that holds a secret one.",
    )]);
    for variable in VARIABLES {
        section.control("TP", []);
        section.text([bold(variable.name)]);
        let default = match variable.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        section.text([roman(format!("{}{default}", variable.about))]);
    }
    section
}

fn exit_status() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]);
    let settings = EXIT_SETTINGS.to_string();
    for (code, meaning) in [
        ("0", "All is well."),
        ("1", "It failed, or what was asked for is not so."),
        (
            "2",
            "The command line is wrong (policy check: a person would be asked).",
        ),
        (&settings, "Settings are missing or wrong."),
    ] {
        section.control("TP", []);
        section.text([bold(code)]);
        section.text([roman(meaning)]);
    }
    section
}
