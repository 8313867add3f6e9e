//! What the policy finds in a command, and how grave it is.

/// How a command was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing speaks against it.
    Allowed,
    /// A person has to agree.
    Ask,
    /// What it would do cannot be told without running it.
    Unprovable,
    /// It is forbidden.
    Refused,
    /// It cannot be run as it is written: bash would refuse it, or it is beyond a limit of this server.
    Invalid,
}

/// One reason for a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What this reason alone leads to.
    pub verdict: Verdict,
    /// The rule's id.
    pub rule: String,
    /// What in the command it is about.
    pub what: String,
    /// Why the rule is there.
    pub why: String,
    /// What would be allowed.
    pub instead: String,
}
