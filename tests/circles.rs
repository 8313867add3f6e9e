//! A law of the source tree: the parts of a module form no circle.
//!
//! A part is a file with everything below it. A file and what is below it know each other, so only
//! paths between parts count.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The names from the root of the crate to a file, such as `["tool", "gate"]`.
type ModulePath = Vec<String>;

/// The code of each file, without comments and unit tests.
fn files() -> BTreeMap<ModulePath, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![(root, ModulePath::new())];
    while let Some((folder, inside)) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mut module = inside.clone();
            module.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                folders.push((path, module));
            } else if !["main", "lib"].contains(&module[0].as_str()) {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let lines = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                found.insert(module, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// The paths that begin at `text`: one, or one for each leaf of a group.
fn paths<'a>(text: &'a str, before: &[&'a str], found: &mut Vec<Vec<&'a str>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = paths(rest, before, found).trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                Some(next) => rest = next,
                None => return rest,
            }
            if let Some(after) = rest.trim_start().strip_prefix('}') {
                return after;
            }
        }
    }
    let (name, rest) = word(text);
    let mut path = before.to_vec();
    path.push(name);
    if let Some(more) = rest.strip_prefix("::") {
        let next = more.trim_start();
        if next.starts_with('{') || next.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            return paths(next, &path, found);
        }
    }
    found.push(path);
    let renamed = rest.strip_prefix(" as ");
    renamed.map_or(rest, |renamed| word(renamed).1)
}

/// The paths of a file that begin with one of these words, each word where a name begins.
fn paths_after<'a>(code: &'a str, start: &str) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        let before = code[..at].chars().next_back();
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if !before.is_some_and(inside) {
            let rest = if start == "use " {
                &code[at + 4..]
            } else {
                &code[at..]
            };
            paths(rest, &[], &mut found);
        }
    }
    found
}

/// The file that a path leads to, as seen from `file`.
fn target(
    files: &BTreeMap<ModulePath, String>,
    imports: &BTreeMap<(ModulePath, String), ModulePath>,
    file: &ModulePath,
    path: &[&str],
) -> Option<ModulePath> {
    let mut at = file.clone();
    let mut names = path.iter().peekable();
    match *names.next()? {
        "crate" => at.clear(),
        "self" => {}
        "super" => drop(at.pop()),
        child => at.push(child.to_owned()),
    }
    while names.next_if(|name| **name == "super").is_some() {
        at.pop();
    }
    for name in names {
        let mut below = at.clone();
        below.push((*name).to_owned());
        if files.contains_key(&below) {
            at = below;
            continue;
        }
        // An item that the file has from one of its parts.
        if let Some(part) = imports.get(&(at.clone(), (*name).to_owned())) {
            at = part.clone();
        }
        break;
    }
    files.contains_key(&at).then_some(at)
}

/// What each file imports from files below it, by name.
fn imports(files: &BTreeMap<ModulePath, String>) -> BTreeMap<(ModulePath, String), ModulePath> {
    let mut found = BTreeMap::new();
    for (file, code) in files {
        for path in paths_after(code, "use ") {
            let own = path.strip_prefix(&["self"][..]).unwrap_or(&path);
            let mut below = file.clone();
            below.push(own[0].to_owned());
            if own.len() > 1 && files.contains_key(&below) {
                let mut part = below;
                for name in &own[1..own.len() - 1] {
                    part.push((*name).to_owned());
                }
                if files.contains_key(&part) {
                    found.insert((file.clone(), own[own.len() - 1].to_owned()), part);
                }
            }
        }
    }
    found
}

/// Which part of a module uses which other part, by module.
fn uses() -> BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> {
    let files = files();
    let imports = imports(&files);
    let mut uses: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (file, code) in &files {
        let starts = ["crate::", "super::", "self::"];
        for path in starts.iter().flat_map(|start| paths_after(code, start)) {
            let Some(used) = target(&files, &imports, file, &path) else {
                continue;
            };
            let shared = file.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if shared > 0 && shared < file.len() && shared < used.len() {
                let parts = uses.entry(file[..shared].to_vec()).or_default();
                let of_part = parts.entry(file[shared].clone()).or_default();
                of_part.insert(used[shared].clone());
            }
        }
    }
    uses
}

/// A circle, if there is one.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        part: &String,
        uses: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(start) = way.iter().position(|passed| passed == part) {
            way.drain(..start);
            return true;
        }
        if done.contains(part) {
            return false;
        }
        way.push(part.clone());
        let mut used = uses.get(part).into_iter().flatten();
        if used.any(|used| visit(used, uses, way, done)) {
            return true;
        }
        way.pop();
        done.insert(part.clone());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    let found = uses
        .keys()
        .any(|part| visit(part, uses, &mut way, &mut done));
    found.then_some(way)
}

#[test]
fn parts_of_a_module_form_no_circle() {
    let uses = uses();
    let parts: usize = uses.values().map(BTreeMap::len).sum();
    assert!(parts > 80, "only {parts} parts were read");
    let circles: Vec<_> = uses
        .iter()
        .filter_map(|(module, uses)| Some((module.join("::"), circle(uses)?)))
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn paths_lead_to_files() {
    let uses = uses();
    let part = |module: &[&str], part: &str, used: &str| {
        let module: ModulePath = module.iter().map(|name| (*name).to_owned()).collect();
        uses[&module][part].contains(used)
    };
    // A plain path, an item that the parent has from a part, and a path from elsewhere in a module.
    assert!(part(&["tool"], "pipeline", "registry"));
    assert!(part(&["tool"], "mounted_tool", "call_guards"));
    assert!(part(&["mcp"], "subscriptions", "sessions"));
    let circle = circle(&BTreeMap::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
        ("b".to_owned(), BTreeSet::from(["c".to_owned()])),
        ("c".to_owned(), BTreeSet::from(["b".to_owned()])),
    ]));
    assert_eq!(circle.unwrap(), ["b", "c"]);
}
