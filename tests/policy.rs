//! The command and path policy on whole corpora: ordinary work passes, evasions do not.

use kasm_mcp::policy::{
    CommandRequest, Denial, FileAccess, Judgement, Policy, RuleDecision, Verdict,
};

const ORDINARY: &str = include_str!("policy/ordinary.txt");
const EVASIONS: &str = include_str!("policy/evasions.txt");

/// The commands of a corpus; `⏎` stands for a new line.
fn commands(corpus: &str) -> Vec<String> {
    let lines = corpus.lines().filter(|line| !line.starts_with("## "));
    lines.map(|line| line.replace('⏎', "\n")).collect()
}

/// Why a command does not run without further ado, if so.
fn denial_of(policy: &Policy, script: &str, working_dir: Option<&str>) -> Option<Denial> {
    let request = CommandRequest {
        script: script.to_owned(),
        working_dir: working_dir.map(str::to_owned),
        ..CommandRequest::default()
    };
    match policy.judge_command(request) {
        Ok(Judgement::Permitted(_)) => None,
        Ok(Judgement::NeedsConsent(pending)) => Some(pending.denial().clone()),
        Err(denial) => Some(denial),
    }
}

#[test]
fn policy_examples_of_built_in_rules_hold() {
    Policy::from_rules_text("").unwrap();
}

#[test]
fn policy_passes_ordinary_commands_without_approval() {
    let policy = Policy::built_in().unwrap();
    let commands = commands(ORDINARY);
    assert!(commands.len() >= 150, "{}", commands.len());
    let stopped: Vec<_> = commands
        .iter()
        .filter_map(|command| Some((command, denial_of(&policy, command, None)?)))
        .collect();
    assert!(stopped.is_empty(), "{stopped:#?}");
}

#[test]
fn policy_blocks_or_cannot_prove_evasions() {
    let policy = Policy::built_in().unwrap();
    let commands = commands(EVASIONS);
    assert!(commands.len() >= 100, "{}", commands.len());
    for command in commands {
        let denial = denial_of(&policy, &command, None).expect(&command);
        assert!(denial.verdict >= Verdict::Unprovable, "{command}: {denial}");
        assert!(denial.decision >= RuleDecision::Ask, "{command}: {denial}");
        assert!(
            !denial.rule.is_empty() && !denial.instead.is_empty(),
            "{denial}"
        );
    }
}

#[test]
fn policy_judges_paths_by_their_text() {
    let policy = Policy::built_in().unwrap();
    let cases: &[(&str, &str, &str)] = &[
        ("/home/kasm-user", "", ""),
        ("/home/kasm-user/a.txt", "", ""),
        ("/home/kasm-user//a/./b/", "", ""),
        ("/home/kasm-user/a..b/...", "", ""),
        ("/home/kasm-user/.vncrc", "", ""),
        ("", "path-form", "path-form"),
        ("a.txt", "path-form", "path-form"),
        ("~/a.txt", "path-form", "path-form"),
        ("./a", "path-form", "path-form"),
        ("/home/kasm-user/../x", "path-form", "path-form"),
        ("/home/kasm-user/a/../b", "path-form", "path-form"),
        ("/home/kasm-user/..", "path-form", "path-form"),
        ("/home/kasm-user/a\0b", "path-form", "path-form"),
        ("/home/kasm-user2/a", "path-roots", "path-roots"),
        ("/home/kasm-use", "path-roots", "path-roots"),
        ("/etc/passwd", "path-roots", "path-roots"),
        ("//etc/passwd", "path-roots", "path-roots"),
        ("/proc/self/root/etc", "path-roots", "path-roots"),
        ("/", "path-roots", "path-roots"),
        (
            "/home/kasm-user/.vnc/passwd",
            "hidden-paths",
            "protected-paths",
        ),
        (
            "/home/kasm-user//./.kasmpasswd",
            "hidden-paths",
            "protected-paths",
        ),
        (
            "/home/kasm-user/.ssh/id_rsa",
            "hidden-paths",
            "hidden-paths",
        ),
    ];
    for (path, read, write) in cases {
        for (access, expected) in [(FileAccess::Read, read), (FileAccess::Write, write)] {
            let rule = policy
                .judge_path(path, access)
                .err()
                .map(|denial| denial.rule);
            assert_eq!(
                rule.unwrap_or_default(),
                **expected,
                "{path:?} for {access:?}"
            );
        }
    }
    let long = format!("/home/kasm-user/{}", "x".repeat(5000));
    assert!(policy.judge_path(&long, FileAccess::Read).is_err());
    let permit = policy
        .judge_path("/home/kasm-user//a/./b/", FileAccess::Write)
        .unwrap();
    assert_eq!(permit.permitted_value().as_str(), "/home/kasm-user/a/b");
}

#[test]
fn policy_refuses_working_dir_outside_the_roots() {
    let policy = Policy::built_in().unwrap();
    for folder in ["/home/kasm-user", "/home/kasm-user/a/../b"] {
        assert!(denial_of(&policy, "ls", Some(folder)).is_none(), "{folder}");
    }
    for folder in ["/", "/tmp", "/home/kasm-user/..", "a", "", "../kasm-user"] {
        let denial = denial_of(&policy, "ls", Some(folder)).unwrap();
        assert_eq!(denial.rule, "working-directory", "{folder}");
    }
}

#[test]
fn policy_over_its_limits_refuses_without_panic() {
    let policy = Policy::built_in().unwrap();
    let deep = |open: &str, count: usize| open.repeat(count);
    for script in [
        String::new(),
        "ls\0".to_owned(),
        "ls \u{1b}[0m".to_owned(),
        "x".repeat(70_000),
        deep("(", 60_000),
        deep("$(", 30_000),
        deep("if ", 20_000),
        deep("! ", 30_000),
        "true; ".repeat(2_000),
        "echo ~99999999999999999999/x; $y".to_owned(),
        "echo {1..99999999999999999999}; $y".to_owned(),
    ] {
        let shown: String = script.chars().take(20).collect();
        assert!(denial_of(&policy, &script, None).is_some(), "{shown}");
    }
}

#[test]
fn policy_file_adds_to_the_built_in_rules() {
    let rules = r#"
        [policy]
        on_unprovable = "deny"
        on_opaque = "ask"
        [[rule]]
        id = "publish"
        decision = "ask"
        when = { program = ["npm", "cargo"], args_prefix = ["publish"] }
        why = "publishing leaves the workspace"
        examples = { hit = ["npm publish --tag x", "npm --silent publish"], miss = ["npm run publish-docs"] }
    "#;
    let policy = Policy::from_rules_text(rules).unwrap();
    let verdict = |script: &str| policy.explain_command(script, None).verdict;
    assert_eq!(verdict("echo a; cargo publish"), Verdict::Ask);
    assert_eq!(verdict("npm $x"), Verdict::Unprovable);
    assert_eq!(verdict("python3 x.py"), Verdict::Ask);
    assert_eq!(verdict("cargo publish && sudo ls"), Verdict::Refused);
    assert_eq!(verdict("ls"), Verdict::Allowed);
    let denial = denial_of(&policy, "$x", None).unwrap();
    assert_eq!(denial.decision, RuleDecision::Deny);
}

#[test]
fn policy_file_with_mistake_is_refused_with_reason() {
    let rule = |when: &str, examples: &str| {
        format!(
            "[[rule]]\nid = \"x\"\ndecision = \"deny\"\nwhy = \"y\"\nwhen = {when}\nexamples = {examples}"
        )
    };
    let wrong = [
        (rule("{ program = [\"npm\"] }", "{ hit = [\"yarn\"] }"), "`yarn` should hit"),
        (rule("{ program = [\"npm\"] }", "{ miss = [\"nice npm\"] }"), "`nice npm` should miss"),
        (rule("{}", "{}"), "rule `x`"),
        (rule("{ path = [\"etc\"] }", "{}"), "`etc` is not an absolute path"),
        (rule("{ programs = [\"npm\"] }", "{}"), "programs"),
        ("[policy]\non_unprovable = \"maybe\"".to_owned(), "maybe"),
        (
            "[[rule]]\nid = \"power\"\ndecision = \"deny\"\nwhy = \"\"\nwhen = { program = [\"x\"] }".to_owned(),
            "two rules have the id `power`",
        ),
    ];
    for (text, expected) in wrong {
        let said = Policy::from_rules_text(&text).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}
