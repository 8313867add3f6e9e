//! Options whose value is a command: pagers, filters, remote shells.

use super::super::word::ShellWord;
use super::ScriptWalk;

impl ScriptWalk {
    /// Visits the commands in the options of `program`.
    pub(super) fn run_option_commands(&mut self, program: &str, argv: &[ShellWord]) {
        for (at, word) in argv.iter().enumerate().skip(1) {
            let text = word.known_prefix();
            let next = argv
                .get(at + 1)
                .and_then(ShellWord::literal_text)
                .unwrap_or_default();
            let script = match program {
                "tar" => after_prefix(
                    &text,
                    &[
                        "--checkpoint-action=exec=",
                        "--to-command=",
                        "--use-compress-program=",
                    ],
                )
                .or(after_prefix(&next, &["exec="]))
                .or((text == "-I" || text == "--to-command").then_some(next)),
                "rsync" => after_prefix(&text, &["--rsh="])
                    .or((text == "-e" || text == "--rsh").then_some(next)),
                "sort" => after_prefix(&text, &["--compress-program="]),
                "split" => {
                    after_prefix(&text, &["--filter="]).or((text == "--filter").then_some(next))
                }
                "man" => after_prefix(&text, &["--pager="]).or((text == "-P").then_some(next)),
                "ssh" | "scp" => {
                    after_prefix(&text, &["-oProxyCommand=", "-oLocalCommand="]).or(after_prefix(
                        &next,
                        &[
                            "ProxyCommand=",
                            "LocalCommand=",
                            "ProxyCommand ",
                            "LocalCommand ",
                        ],
                    ))
                }
                // Only git is left: `git -c name=value` can set any setting, and git runs the values of some.
                _ => (text == "-c").then(|| git_setting(&next)).flatten(),
            };
            if let Some(script) = script {
                self.visit_subscript(&script);
            }
        }
    }
}

fn after_prefix(text: &str, prefixes: &[&str]) -> Option<String> {
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.map(str::to_owned)
}

/// The command in a setting of git, if it has one.
fn git_setting(setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=')?;
    let name = name.to_ascii_lowercase();
    // The value of an alias is a git command, unless it begins with `!`; then a shell runs it.
    if name.starts_with("alias.") {
        return value.strip_prefix('!').map(str::to_owned);
    }
    let runs = [
        "pager",
        "editor",
        "sshcommand",
        "askpass",
        "fsmonitor",
        "helper",
        "textconv",
        "external",
    ];
    let command = runs.iter().any(|end| name.ends_with(end));
    // Some of these, such as `core.fsmonitor`, also take a boolean, which is no command.
    (command && !["true", "false", ""].contains(&value))
        .then(|| value.trim_start_matches('!').to_owned())
}
