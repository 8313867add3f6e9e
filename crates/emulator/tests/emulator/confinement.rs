//! Whether the commands of emulated sessions are confined in these tests.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set to 1, commands of emulated sessions run unconfined where bubblewrap does not work.
const UNCONFINED: &str = "KASM_MCP_TESTS_UNCONFINED";

/// Tests of this run that were skipped.
static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Whether commands run unconfined: bubblewrap does not work here, and the developer accepts that.
/// Without that consent the test fails.
#[expect(
    clippy::disallowed_methods,
    reason = "a choice of the developer, not a setting of the product"
)]
pub(super) fn is_missing() -> bool {
    if kasm_emulator::confinement_works() {
        return false;
    }
    let accepted = std::env::var(UNCONFINED).is_ok_and(|value| value == "1");
    assert!(
        accepted,
        "bubblewrap does not work here, and this test runs commands: install it (Debian, Ubuntu: \
         apt-get install bubblewrap; on Ubuntu 24.04 and later also \
         sysctl kernel.apparmor_restrict_unprivileged_userns=0), or set {UNCONFINED}=1 to run \
         commands unconfined and to skip the tests that cannot"
    );
    true
}

/// Whether a test is skipped, because the folders of its session are only where they belong inside
/// bubblewrap. Each skip is counted on stderr, past libtest's capture.
pub(super) fn skips_test() -> bool {
    let missing = is_missing();
    if missing {
        let skipped = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a test");
        let line = format!("skipped without bubblewrap ({skipped} so far): {name}\n");
        let _no_stderr = std::io::stderr().write_all(line.as_bytes());
    }
    missing
}
