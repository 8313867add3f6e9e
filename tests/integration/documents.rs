//! What a reader pastes from the documents: it parses, its commands are those of the program, its settings exist,
//! and links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, Parser};
use kasm_mcp::cli::Cli;
use kasm_mcp::config::all_variables;

/// One fenced block.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README, its neighbours, docs/ and the README of the examples.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "examples"];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let name = path.strip_prefix(root()).unwrap().display();
                    open = Some(Block {
                        place: format!("{name}:{}", number + 1),
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", path.display());
    }
    found
}

/// Whether it can be read as what it says it is.
fn parses(block: &Block) -> Result<(), String> {
    match block.language.as_str() {
        "json" => {
            // One value or more, one after the other.
            let values = serde_json::Deserializer::from_str(&block.text).into_iter();
            let read: Result<Vec<serde_json::Value>, _> = values.collect();
            read.map(drop).map_err(|error| error.to_string())
        }
        "toml" => {
            let read: Result<toml::Table, _> = toml::from_str(&block.text);
            read.map(drop).map_err(|error| error.to_string())
        }
        "sh" => {
            let shell = Command::new("bash")
                .args(["-n", "-c", &block.text])
                .output();
            let shell = shell.map_err(|error| error.to_string())?;
            let said = String::from_utf8_lossy(&shell.stderr).into_owned();
            if shell.status.success() {
                Ok(())
            } else {
                Err(said)
            }
        }
        // Read in tests/deploy/container; the configurations among these are tried in `connect.rs` and tests/interop.
        "yaml" | "python" | "ini" | "text" | "rust" => Ok(()),
        other => Err(format!("{other:?} is no language of the documents")),
    }
}

#[test]
fn code_blocks_in_documents_parse() {
    let blocks = blocks();
    assert!(blocks.len() > 40, "{}", blocks.len());
    for block in blocks {
        if let Err(problem) = parses(&block) {
            panic!("{}: {problem}\n{}", block.place, block.text);
        }
    }
}

/// The arguments of each call of the program in a line of a shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" # ").next().unwrap_or(line);
    // What is quoted is one word, whatever it is.
    let mut inside = false;
    let line: String = line
        .chars()
        .map(|c| {
            inside ^= c == '\'';
            if inside && " |;&".contains(c) { '_' } else { c }
        })
        .collect();
    let parts = line.split(['|', ';', '&']).filter_map(|part| {
        let words: Vec<_> = part.split_whitespace().map(str::to_owned).collect();
        let at = words.iter().rposition(|word| {
            let name = word.trim_start_matches("target/dist/");
            name == "kasm-mcp" || name == "/usr/local/bin/kasm-mcp"
        })?;
        // Before it only settings, or what starts another program.
        let starts = ["sudo", "exec", "env", "docker", "compose", "kasm-mcp"];
        let is_call = words[..at]
            .iter()
            .all(|word| word.contains('=') || starts.contains(&word.as_str()));
        let to_file = |word: &&String| !word.starts_with('>');
        is_call.then(|| words[at..].iter().take_while(to_file).cloned().collect())
    });
    parts.collect()
}

#[test]
fn commands_in_documents_are_accepted_by_the_program() {
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "sh") {
        for line in block.text.replace("\\\n", " ").lines() {
            for call in calls(line) {
                let unquoted = call.iter().map(|word| word.trim_matches('\''));
                if let Err(error) = Cli::try_parse_from(unquoted) {
                    panic!("{}: {line}\n{error}", block.place);
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn settings_named_in_documents_exist() {
    // Of compose, the installer and the tests, of the examples, of Claude Code, and Kasm's own.
    let others = [
        "KASM_API_JWT",
        "KASM_MCP_BIN",
        "KASM_MCP_BINARY",
        "KASM_MCP_BIND",
        "KASM_MCP_CONFIG",
        "KASM_MCP_DOMAIN",
        "KASM_MCP_IMAGE",
        "KASM_MCP_PROFILE",
        "KASM_MCP_TESTS_UNCONFINED",
        "KASM_MCP_TOKEN",
        "MCP_TOKEN",
        "MCP_TOOL_TIMEOUT",
        "MCP_URL",
    ];
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("KASM_") || word.starts_with("MCP_")) {
            let known = all_variables().any(|variable| {
                word == variable.name
                    || variable.secret && word.strip_suffix("_FILE") == Some(variable.name)
            });
            assert!(
                known || others.contains(&word),
                "{}: {word}",
                path.display()
            );
        }
    }
}

#[test]
fn links_in_documents_have_targets() {
    let mut seen = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let there = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(there.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let document = fs::read_to_string(&there).unwrap();
                let found = document
                    .lines()
                    .any(|line| slug(line) == Some(anchor.to_owned()));
                assert!(found, "{}: {target}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// The anchor of a heading, as GitHub makes it.
fn slug(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = title.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    Some(kept.collect())
}

/// Words that a reader has to resolve first: who is nobody, what is alike? The glossary has the field's words.
const VAGUE_WORDS: [&str; 6] = [
    "nobody", "whoever", "somebody", "anybody", "likewise", "any more",
];

/// The vague words of `text`, as whole words.
fn vague_words(text: &str) -> Vec<&'static str> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    let plain = format!(
        " {} ",
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    let is_there = |word: &&str| plain.contains(&format!(" {word} "));
    VAGUE_WORDS.into_iter().filter(is_there).collect()
}

#[test]
fn documents_and_help_have_no_vague_words() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let found = vague_words(line);
            assert!(
                found.is_empty(),
                "{}:{}: {found:?}",
                path.display(),
                number + 1
            );
        }
    }
    let mut program = Cli::command();
    program.build();
    let mut waiting = vec![program];
    while let Some(mut command) = waiting.pop() {
        let help = command.render_long_help().to_string();
        assert_eq!(vague_words(&help), [""; 0], "{help}");
        waiting.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn texts_of_the_program_have_no_vague_words() {
    let mut seen = 0;
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for line in shipped
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                let Some((_, rest)) = line.split_once('"') else {
                    continue;
                };
                let found = vague_words(rest);
                assert!(found.is_empty(), "{}: {line}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 1_000, "{seen}");
}
