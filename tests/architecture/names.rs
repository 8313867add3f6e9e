//! Laws of names: one public type for one name, and functions that say what they do.

use std::collections::{BTreeMap, BTreeSet};

use super::sources;

/// Names that more than one public type has. The list only gets shorter.
const SHARED_TYPE_NAMES: &[&str] = &[
    "Check", "Download", "Ended", "Entry", "Files", "Finished", "Kept", "Piece", "Place", "Reach",
    "Session", "Sessions", "Step", "Subject", "Upload", "Values",
];

/// Words that say nothing without their place.
const VAGUE_FUNCTION_NAMES: &[&str] = &["hear", "look", "of", "tell", "word"];

/// Files with functions of such a name. The list only gets shorter.
const VAGUE_FUNCTIONS: &[(&str, &str)] = &[
    ("access.rs", "look"),
    ("access.rs", "of"),
    ("commands/check/public.rs", "look"),
    ("commands/check/report.rs", "word"),
    ("commands/check/session.rs", "look"),
    ("commands/demo.rs", "of"),
    ("commands/notify.rs", "of"),
    ("http/files.rs", "word"),
    ("http/limits/layers.rs", "of"),
    ("jobs/channel_health.rs", "of"),
    ("kasm/error.rs", "word"),
    ("kasm/model.rs", "word"),
    ("kasm/session_proxy/rfb/desktop.rs", "look"),
    ("kasm/session_proxy/rfb/desktop/picture.rs", "look"),
    ("kasm/public/endpoint.rs", "of"),
    ("kasm/sessions.rs", "look"),
    ("leases.rs", "of"),
    ("leases/book.rs", "of"),
    ("mcp/look.rs", "of"),
    ("mcp/server.rs", "look"),
    ("mcp/subscriptions.rs", "tell"),
    ("mcp/tasks.rs", "look"),
    ("policy/word.rs", "of"),
    ("providers/kasm/desktop.rs", "look"),
    ("providers/kasm/exec/output.rs", "word"),
    ("providers/kasm/sessions/create.rs", "tell"),
    ("token.rs", "of"),
    ("tool/change.rs", "tell"),
    ("tool/pipeline.rs", "tell"),
    ("tool/private.rs", "of"),
    ("tool/record.rs", "word"),
];

/// What a line declares with this keyword, if it begins with one of these and the keyword.
fn declared<'a>(line: &'a str, before: &[&str], keyword: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let (begin, rest) = line.split_once(keyword)?;
    before.contains(&begin).then_some(())?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}

fn public_type(line: &str) -> Option<&str> {
    ["struct ", "enum ", "trait ", "type ", "union "]
        .into_iter()
        .find_map(|keyword| declared(line, &["pub ", "pub(crate) "], keyword))
}

fn function(line: &str) -> Option<&str> {
    let visible = ["", "pub ", "pub(crate) ", "pub(super) "];
    let kinds = ["", "async ", "const "];
    let before: Vec<String> = visible
        .iter()
        .flat_map(|one| kinds.iter().map(move |kind| format!("{one}{kind}")))
        .collect();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    declared(line, &before, "fn ")
}

#[test]
fn public_types_have_names_of_their_own() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, path, text) in sources() {
        for name in text.lines().filter_map(public_type) {
            let place = path.display().to_string();
            places.entry(name.to_owned()).or_default().insert(place);
        }
    }
    assert!(places.len() > 100, "the types are found");
    places.retain(|_, files| files.len() > 1);
    for (name, files) in &places {
        assert!(
            SHARED_TYPE_NAMES.contains(&name.as_str()),
            "{name} is a public type in each of {files:?}: a name says what the thing is"
        );
    }
    for name in SHARED_TYPE_NAMES {
        assert!(
            places.contains_key(*name),
            "{name} is public once only: strike it off the list"
        );
    }
}

#[test]
fn functions_have_names_that_say_what_they_do() {
    let mut found = BTreeSet::new();
    let mut count = 0;
    for (_, path, text) in sources() {
        for name in text.lines().filter_map(function) {
            count += 1;
            if VAGUE_FUNCTION_NAMES.contains(&name) {
                found.insert((path.display().to_string(), name.to_owned()));
            }
        }
    }
    assert!(count > 1_000, "the functions are found");
    let excepted: BTreeSet<(String, String)> = VAGUE_FUNCTIONS
        .iter()
        .map(|(file, name)| ((*file).to_owned(), (*name).to_owned()))
        .collect();
    let new: Vec<_> = found.difference(&excepted).collect();
    assert!(new.is_empty(), "name what these do in two words: {new:?}");
    let gone: Vec<_> = excepted.difference(&found).collect();
    assert!(gone.is_empty(), "strike these off the list: {gone:?}");
}
