//! Options whose value is a command: pagers, filters, remote shells.

use super::super::word::Word;
use super::Walk;

impl Walk {
    /// Visits the commands in the options of `program`.
    pub(super) fn option_commands(&mut self, program: &str, argv: &[Word]) {
        for (at, word) in argv.iter().enumerate().skip(1) {
            let text = word.prefix();
            let next = argv.get(at + 1).and_then(Word::literal).unwrap_or_default();
            let script = match program {
                "tar" => after(
                    &text,
                    &[
                        "--checkpoint-action=exec=",
                        "--to-command=",
                        "--use-compress-program=",
                    ],
                )
                .or(after(&next, &["exec="]))
                .or((text == "-I" || text == "--to-command").then_some(next)),
                "rsync" => {
                    after(&text, &["--rsh="]).or((text == "-e" || text == "--rsh").then_some(next))
                }
                "sort" => after(&text, &["--compress-program="]),
                "split" => after(&text, &["--filter="]).or((text == "--filter").then_some(next)),
                "man" => after(&text, &["--pager="]).or((text == "-P").then_some(next)),
                "ssh" | "scp" => after(&text, &["-oProxyCommand=", "-oLocalCommand="]).or(after(
                    &next,
                    &[
                        "ProxyCommand=",
                        "LocalCommand=",
                        "ProxyCommand ",
                        "LocalCommand ",
                    ],
                )),
                _ => (text == "-c").then(|| git_setting(&next)).flatten(),
            };
            if let Some(script) = script {
                self.subscript(&script);
            }
        }
    }
}

fn after(text: &str, prefixes: &[&str]) -> Option<String> {
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.map(str::to_owned)
}

/// The command in a setting of git, if it has one.
fn git_setting(setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=')?;
    let name = name.to_ascii_lowercase();
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
    (command && !["true", "false", ""].contains(&value))
        .then(|| value.trim_start_matches('!').to_owned())
}
