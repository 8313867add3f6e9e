//! Findings of the policy in a command, and their severity.

/// How a command was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    // The order is from lenient to strict: the derived `Ord` decides which finding is the strictest.
    /// No finding.
    Allowed,
    /// A person must approve it.
    Ask,
    /// What it would do is known only at run time.
    Unprovable,
    /// It is forbidden.
    Refused,
    /// It cannot run as written: bash would refuse it, or it exceeds a limit of this server.
    Invalid,
}

/// One reason for a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFinding {
    /// The verdict for this finding alone.
    pub verdict: Verdict,
    /// The rule's id.
    pub rule: String,
    /// The part of the command that it concerns.
    pub what: String,
    /// The reason for the rule.
    pub why: String,
    /// An allowed alternative.
    pub instead: String,
}
