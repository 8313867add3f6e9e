//! Laws of names: one public type for one name, and functions that say what they do.

use std::collections::{BTreeMap, BTreeSet};

use super::sources;

/// Words that say nothing without their place.
const VAGUE_FUNCTION_NAMES: &[&str] = &["hear", "look", "of", "tell", "word"];

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
    assert!(
        places.is_empty(),
        "a name says what the thing is, so each is given once: {places:?}"
    );
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
    assert!(
        found.is_empty(),
        "name what these do in two words: {found:?}"
    );
}
