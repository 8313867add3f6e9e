//! Laws of the source tree: who may use whom, how long files are, what they open with.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "architecture/names.rs"]
mod names;
#[path = "architecture/tests_wait.rs"]
mod tests_wait;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module may use itself and modules of strictly lower layers.
const LAYERS: &[(&str, u8)] = &[
    ("bounded_map", 0),
    ("caller", 0),
    ("clock", 0),
    ("picture", 0),
    ("policy", 0),
    ("percent", 0),
    ("metrics", 0),
    ("random", 0),
    ("rate", 0),
    ("telemetry", 0),
    ("audit", 1),
    ("clients", 1),
    ("oauth", 1),
    ("token", 1),
    ("kasm", 1),
    ("access", 2),
    ("relay", 2),
    ("links", 2),
    ("leases", 2),
    ("tool", 3),
    ("desktop", 3),
    ("jobs", 3),
    ("files", 4),
    ("providers", 5),
    ("mcp", 6),
    ("rest", 6),
    ("http", 7),
    ("config", 8),
    ("app", 9),
    ("cli", 10),
    ("commands", 11),
];

/// What a module must not know, whatever its layer.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("oauth", &["rmcp", "axum", "crate::kasm", "kasm_emulator"]),
    (
        "access",
        &["rmcp", "axum", "reqwest", "crate::kasm", "kasm_emulator"],
    ),
    (
        "random",
        &["rmcp", "axum", "reqwest", "crate", "kasm_emulator"],
    ),
    ("token", &["rmcp", "axum", "reqwest", "kasm_emulator"]),
    (
        "audit",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    (
        "clients",
        &["rmcp", "axum", "crate::caller", "kasm_emulator"],
    ),
    (
        "clock",
        &["rmcp", "axum", "reqwest", "crate", "kasm_emulator"],
    ),
    (
        "metrics",
        &["rmcp", "axum", "reqwest", "crate", "kasm_emulator"],
    ),
    (
        "rate",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    (
        "bounded_map",
        &["rmcp", "axum", "reqwest", "crate", "kasm_emulator"],
    ),
    ("caller", &["rmcp", "axum", "reqwest", "kasm_emulator"]),
    (
        "policy",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    (
        "relay",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    (
        "jobs",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    (
        "files",
        &[
            "rmcp",
            "axum",
            "reqwest",
            "crate::caller",
            "crate::tool",
            "kasm_emulator",
        ],
    ),
    (
        "leases",
        &["rmcp", "axum", "reqwest", "crate::caller", "kasm_emulator"],
    ),
    ("links", &["rmcp", "axum", "reqwest", "kasm_emulator"]),
    ("picture", &["rmcp", "axum", "reqwest", "kasm_emulator"]),
    (
        "desktop",
        &[
            "rmcp",
            "axum",
            "reqwest",
            "crate::caller",
            "crate::policy",
            "crate::tool",
            "crate::tool",
            "kasm_emulator",
        ],
    ),
    (
        "kasm",
        &[
            "rmcp",
            "axum",
            "crate::caller",
            "crate::tool",
            "kasm_emulator",
        ],
    ),
    (
        "tool",
        &["rmcp", "axum", "reqwest", "crate::kasm", "kasm_emulator"],
    ),
    ("providers", &["rmcp", "axum", "reqwest", "kasm_emulator"]),
    (
        "mcp",
        &[
            "axum",
            "reqwest",
            "crate::kasm",
            "crate::jobs",
            "crate::files",
            "crate::desktop",
            "crate::providers",
            "kasm_emulator",
        ],
    ),
    (
        "rest",
        &[
            "rmcp",
            "axum",
            "reqwest",
            "crate::kasm",
            "crate::jobs",
            "crate::files",
            "crate::desktop",
            "crate::providers",
            "kasm_emulator",
        ],
    ),
    (
        "http",
        &[
            "reqwest",
            "crate::kasm",
            "crate::jobs",
            "crate::files",
            "crate::desktop",
            "crate::providers",
            "kasm_emulator",
        ],
    ),
];

const FILE_LINES_MAX: usize = 400;

/// Every Rust file below `root`.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    files(&root)
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside.iter().next().unwrap().to_str().unwrap();
            let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (module, inside.to_owned(), text)
        })
        .collect()
}

/// The modules of ours that a text names.
fn used(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What is compiled, without comments.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_only_lower_layers() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for (module, path, text) in sources() {
        if module == "main" || module == "lib" {
            continue;
        }
        let own = *layers
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no layer"));
        for other in used(&code(&text)) {
            // `use crate::{a, b}` would hide what is used.
            let other_layer = *layers
                .get(other)
                .unwrap_or_else(|| panic!("{}: crate::{other}", path.display()));
            assert!(
                other == module || other_layer < own,
                "{}: {module} (layer {own}) uses {other} (layer {other_layer})",
                path.display()
            );
        }
    }
}

#[test]
fn modules_do_not_know_what_they_must_not() {
    for (module, path, text) in sources() {
        let code = code(&text);
        let forbidden = FORBIDDEN.iter().filter(|(name, _)| *name == module);
        for word in forbidden.flat_map(|(_, words)| *words) {
            let names = |line: &str| {
                line.match_indices(word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = line[at + word.len()..].chars().next();
                    let part =
                        |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                    !part(before) && !part(after)
                })
            };
            // The Kasm client hands out the HTTP library's URL type only.
            let line = code.lines().find(|line| names(line));
            assert!(
                line.is_none(),
                "{}: {module} must not know {word}: {line:?}",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_registry_runs_tools() {
    for (_, path, text) in sources() {
        let own = path.ends_with("tool.rs") || path.ends_with("tool/mounted_tool.rs");
        assert!(
            own || !code(&text).contains(".call_json("),
            "{}",
            path.display()
        );
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests", "crates", "benches"] {
        for path in files(&root.join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines", path.display());
            assert!(
                text.starts_with("//!"),
                "{}: the first line says what the file is",
                path.display()
            );
            let name = path.file_stem().unwrap().to_str().unwrap();
            for vague in [
                "utils", "util", "common", "helpers", "misc", "manager", "mod",
            ] {
                assert_ne!(name, vague, "{}", path.display());
            }
        }
    }
}
