//! Laws of the tests: what may wait, and which group is slow.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;

/// The files of tests that go through the front door.
fn test_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        root.join("tests/integration"),
        root.join("crates/emulator/tests"),
    ];
    let paths = folders.iter().flat_map(|folder| files(folder));
    let with_text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.map(with_text).collect()
}

/// The name of the function that a line begins.
fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (before, rest) = line.split_once("fn ")?;
    let begins = [
        "",
        "async ",
        "pub ",
        "pub async ",
        "pub(super) ",
        "pub(super) async ",
    ];
    begins.contains(&before).then_some(())?;
    rest.split(['(', '<']).next()
}

/// Whether a line sleeps for a second or more, or for seconds that only run time tells.
fn sleeps_long(line: &str) -> bool {
    let Some((_, rest)) = line.split_once("sleep(") else {
        return false;
    };
    let literal = |unit: &str| {
        let (_, rest) = rest.split_once(unit)?;
        let digits: String = rest.chars().take_while(|c| *c != ')').collect();
        Some(digits.replace('_', "").parse::<u64>().unwrap_or(u64::MAX))
    };
    let milliseconds = literal("from_millis(").is_some_and(|time| time >= 1_000);
    milliseconds || literal("from_secs(").is_some_and(|time| time >= 1)
}

#[test]
fn only_slow_tests_sleep_for_a_second() {
    for (path, text) in test_files() {
        let mut function = "";
        for line in text.lines() {
            function = function_name(line).unwrap_or(function);
            assert!(
                function.starts_with("slow_") || !sleeps_long(line),
                "{}: {function}: wait for an event, or put the test into the slow group: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn ignored_tests_are_the_slow_group() {
    for (path, text) in test_files() {
        let mut ignored = false;
        for line in text.lines() {
            if let Some(reason) = line.trim_start().strip_prefix("#[ignore") {
                assert!(
                    reason.starts_with(" = \"slow: "),
                    "{}: {line}",
                    path.display()
                );
                ignored = true;
            }
            if let Some(name) = function_name(line) {
                let is_slow = name.starts_with("slow_");
                assert_eq!(is_slow, ignored, "{}: {name}", path.display());
                ignored = false;
            }
        }
    }
}

#[test]
fn no_test_asserts_how_long_something_takes() {
    for (path, text) in test_files() {
        let timed = |line: &&str| line.contains("elapsed() <");
        let line = text.lines().find(timed);
        assert!(line.is_none(), "{}: {line:?}", path.display());
    }
}
