//! The tools of Kasm: policy, limits and leases.

use crate::config::reader::SettingsReader;
use crate::config::variable::{Variable, with_default, without_default};
use crate::policy::Policy;
use crate::providers::kasm::{CommandLimits, DesktopLimits, FileLimits, KasmSettings};

/// The settings of this file, in the order of the documents.
pub(in crate::config) const VARIABLES: &[Variable] = &[
    with_default(
        "KASM_ALLOWED_ROOTS",
        "/home/kasm-user",
        "Folders in a session, separated by commas. Commands may start only in these, and tools may read and write only files below them.",
    ),
    without_default(
        "KASM_POLICY_FILE",
        "/etc/kasm-mcp/policy.toml",
        "A file with command rules, which are added to the built-in rules (docs/policy.md).",
    ),
    with_default(
        "KASM_ALLOW_ROOT",
        "false",
        "Allow a command to run as root in a session if the call asks for it.",
    ),
    with_default(
        "KASM_COMMAND_MAX_SECONDS",
        "3600",
        "The longest time that one command may run.",
    ),
    with_default(
        "KASM_COMMAND_WAIT_SECONDS",
        "30",
        "How long a call waits for its command if the call sets no time. The command continues after that.",
    ),
    with_default(
        "KASM_COMMAND_OUTPUT_BYTES",
        "65536",
        "The most of standard output, and of standard error, that one reply contains.",
    ),
    with_default(
        "KASM_COMMAND_KEEP_BYTES",
        "10485760",
        "The most of standard output, and of standard error, that is kept in the session.",
    ),
    with_default(
        "KASM_FILE_READ_BYTES",
        "262144",
        "The most of a file that one reply contains.",
    ),
    with_default(
        "KASM_FILE_EDIT_BYTES",
        "4194304",
        "The largest file that edit_kasm_file edits.",
    ),
    with_default(
        "KASM_FILE_LINK_BYTES",
        "1073741824",
        "The largest file that can be sent through `/files/` and file links.",
    ),
    with_default(
        "KASM_FILE_LINK_SECONDS",
        "600",
        "How long a file link is valid.",
    ),
    with_default(
        "KASM_DESKTOP_MAX_ACTIONS",
        "24",
        "The most actions in one call of control_desktop.",
    ),
    with_default(
        "KASM_SCREENSHOT_PIXELS",
        "1280",
        "The longer side of a screenshot, unless a call asks for another size.",
    ),
    with_default(
        "KASM_SCREENSHOT_BYTES",
        "524288",
        "The largest screenshot. A larger one is sent as JPEG with lower quality.",
    ),
    with_default(
        "KASM_LEASE_MAX_MINUTES",
        "1440",
        "The longest lease that a new session can be given.",
    ),
];

/// The settings of the tools, if they are valid.
pub(super) fn read_tools(reader: &mut SettingsReader) -> Option<KasmSettings> {
    let policy = read_policy(reader);
    let commands = read_command_limits(reader);
    let files = read_file_limits(reader);
    let desktops = read_desktop_limits(reader);
    let lease_max = reader.seconds_value("KASM_LEASE_MAX_MINUTES", 1, 525_600) * 60;
    Some(KasmSettings {
        policy: policy?,
        commands,
        files,
        desktops,
        lease_max,
    })
}

fn read_command_limits(reader: &mut SettingsReader) -> CommandLimits {
    CommandLimits {
        allow_root: reader.boolean_value("KASM_ALLOW_ROOT"),
        time_max: reader.seconds_value("KASM_COMMAND_MAX_SECONDS", 1, 86_400),
        wait: reader.seconds_value("KASM_COMMAND_WAIT_SECONDS", 0, 3_600),
        // A call has to answer before its own time limit, so it stops waiting a tenth earlier.
        wait_max: reader
            .seconds_value("MCP_TOOL_TIMEOUT_SECONDS", 1, 86_400)
            .mul_f64(0.9),
        output_bytes: usize::try_from(reader.number_value(
            "KASM_COMMAND_OUTPUT_BYTES",
            1_024,
            1 << 24,
        ))
        .unwrap_or(1_024),
        keep_bytes: reader.number_value("KASM_COMMAND_KEEP_BYTES", 1_024, 1 << 30),
    }
}

fn read_file_limits(reader: &mut SettingsReader) -> FileLimits {
    FileLimits {
        read_bytes: reader.number_value("KASM_FILE_READ_BYTES", 1_024, 1 << 26),
        edit_bytes: reader.number_value("KASM_FILE_EDIT_BYTES", 1_024, 1 << 26),
        link_bytes: reader.number_value("KASM_FILE_LINK_BYTES", 1_024, 1 << 40),
    }
}

fn read_desktop_limits(reader: &mut SettingsReader) -> DesktopLimits {
    DesktopLimits {
        actions_max: usize::try_from(reader.number_value("KASM_DESKTOP_MAX_ACTIONS", 1, 1_000))
            .unwrap_or(1),
        picture_pixels: u32::try_from(reader.number_value("KASM_SCREENSHOT_PIXELS", 64, 16_384))
            .unwrap_or(64),
        picture_bytes: usize::try_from(reader.number_value(
            "KASM_SCREENSHOT_BYTES",
            16_384,
            1 << 26,
        ))
        .unwrap_or(16_384),
    }
}

/// The rules of the file, if one is named, for the roots.
fn read_policy(reader: &mut SettingsReader) -> Option<Policy> {
    const FILE: &str = "KASM_POLICY_FILE";
    const ROOTS: &str = "KASM_ALLOWED_ROOTS";
    let roots: Vec<String> = reader.list_value(ROOTS, "write absolute paths");
    for root in &roots {
        if !root.starts_with('/') || root.split('/').any(|part| part == "..") {
            let problem = format!("`{root}` is not an absolute path");
            let remedy = "write absolute paths without `..`, such as /home/kasm-user";
            reader.add_mistake(ROOTS, problem, remedy);
            return None;
        }
    }
    let policy = match reader.text_value(FILE).map(std::fs::read_to_string) {
        None => Policy::built_in(),
        Some(Ok(text)) => Policy::from_rules_text(&text),
        Some(Err(error)) => {
            reader.add_mistake(FILE, error.to_string(), "name a file that can be read");
            return None;
        }
    };
    match policy.and_then(|policy| policy.with_roots(&roots)) {
        Ok(policy) => Some(policy),
        Err(error) => {
            let remedy = "correct the rules; `kasm-mcp policy check` explains decisions";
            reader.add_mistake(FILE, error.to_string(), remedy);
            None
        }
    }
}
