//! `kasm-mcp man` and `kasm-mcp completions`: manual pages and completions, made from the definitions of
//! `--help`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{EXIT_SETTINGS, print_text};
use crate::cli::Cli;
use crate::config::all_variables;

pub(super) fn print_completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kasm-mcp", &mut script);
    print_text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the main page, or writes the pages of all commands to a folder.
pub(super) fn write_man_pages(directory: Option<&Path>) -> anyhow::Result<ExitCode> {
    let page = String::from_utf8(main_page()?)?;
    let Some(directory) = directory else {
        print_text(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = || -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        // This writes a main page too, but without settings and exit codes, so ours replaces it.
        clap_mangen::generate_to(Cli::command(), directory)?;
        fs::write(directory.join("kasm-mcp.1"), page)
    };
    written().with_context(|| format!("cannot write into {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The main page: the text of `--help`, then settings and exit codes.
fn main_page() -> std::io::Result<Vec<u8>> {
    let man = Man::new(Cli::command());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    environment_section().to_writer(&mut page)?;
    exit_status().to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn environment_section() -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["ENVIRONMENT"]);
    section.text([roman(
        "These variables hold all settings. The file that --config names uses their names in lower case. For a \
         secret, NAME_FILE names a file that holds the value.",
    )]);
    for variable in all_variables() {
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
        ("0", "Success."),
        (
            "1",
            "Failure, or a negative result (such as `health` of an unhealthy server).",
        ),
        (
            "2",
            "Invalid command line (policy check: the command needs approval).",
        ),
        (&settings, "Missing or invalid settings."),
    ] {
        section.control("TP", []);
        section.text([bold(code)]);
        section.text([roman(meaning)]);
    }
    section
}
