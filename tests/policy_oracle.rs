//! Bash as the judge of the plan: whatever ran was in the plan, whenever the plan claimed to be complete.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use kasm_mcp::policy::{Policy, Verdict};

/// What a script is built of; `@` is another script.
const SHAPES: &[&str] = &[
    "@; @",
    "@ && @",
    "@ || @",
    "@ | @",
    "(@)",
    "{ @; }",
    "! @",
    "echo $(@)",
    "echo \"a $(@) b\"",
    "x=$(@)",
    "echo ${y:-$(@)}",
    "echo $((1 + $(@)))",
    "cat <(@)",
    "cat <<EOF\n$(@)\nEOF\n",
    "if @; then @; else @; fi",
    "for i in 1 2; do @; done",
    "while @; do @; break; done",
    "case a in a) @;; *) @;; esac",
    "f() { @; }; f",
    "[[ -n $(@) ]]",
    "eval '@'",
    "bash -c '@'",
    "bash <<'END'\n@\nEND\n",
    "trap '@' EXIT",
    "coproc { @; }; wait",
];

const COMMANDS: &[&str] = &[
    "alpha",
    "a\\lpha x",
    "'be'ta y",
    "$'\\x62eta'",
    "{gamma,x}",
    "env A=1 gamma",
    "timeout 5 alpha",
    "nice -n 1 env beta",
    "echo x | xargs gamma",
    "echo beta | xargs -I{} {} x",
    "echo alpha | xargs env",
    "z=gamma; $z",
    "$(echo alpha)",
    "command beta",
    "echo alpha | bash",
    "set -- beta; \"$@\"",
    "a=b; a=alpha; $a",
];

/// A small generator of numbers; the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn script(numbers: &mut Numbers, depth: usize) -> String {
    if depth == 0 || numbers.below(4) == 0 {
        return COMMANDS[numbers.below(COMMANDS.len())].to_owned();
    }
    let shape = SHAPES[numbers.below(SHAPES.len())];
    let mut out = String::new();
    for (at, part) in shape.split('@').enumerate() {
        if at > 0 {
            out.push_str(&script(numbers, depth - 1));
        }
        out.push_str(part);
    }
    out
}

/// Programs that write down that they ran, and the real ones that run others.
fn stubs(folder: &Path) {
    for name in ["alpha", "beta", "gamma"] {
        let file = folder.join(name);
        let log = folder.join("ran");
        let text = format!("#!/bin/sh\necho {name} >> {}\n", log.display());
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["bash", "cat", "env", "nice", "timeout", "xargs"] {
        let real = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(name));
        let real = real.iter().find(|file| file.exists()).unwrap();
        symlink(real, folder.join(name)).unwrap();
    }
}

#[test]
fn programs_run_by_bash_are_in_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    stubs(folder.path());
    let policy = Policy::built_in().unwrap();
    let mut numbers = Numbers(7);
    let (mut complete, mut ran_any) = (0, 0);
    for _ in 0..400 {
        let script = script(&mut numbers, 3);
        let explanation = policy.explain_command(&script, None);
        // What the parser gave up on has no plan; it does not run.
        if matches!(explanation.verdict, Verdict::Unprovable | Verdict::Invalid) {
            continue;
        }
        complete += 1;
        let log = folder.path().join("ran");
        fs::write(&log, "").unwrap();
        Command::new(folder.path().join("timeout"))
            .args(["5", "bash", "--noprofile", "--norc", "-c", &script])
            .env_clear()
            .env("PATH", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let ran = fs::read_to_string(&log).unwrap();
        ran_any += usize::from(!ran.is_empty());
        for program in ran.lines() {
            assert!(
                explanation
                    .programs
                    .iter()
                    .any(|planned| planned == program),
                "{program} ran and was not planned: {script:?} {explanation:?}"
            );
        }
    }
    // The test is worth something only if much is judged and run.
    assert!(complete > 50 && ran_any > 40, "{complete} {ran_any}");
}
