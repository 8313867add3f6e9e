//! Message texts nobody has written down. Each run words them differently, so
//! a client that matches on one of them fails sooner or later. The few texts
//! that are on record are constants.

/// A key lacks a permission.
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";
/// The image id is missing.
pub(crate) const NO_DEFAULT_IMAGE: &str = "No Default Image Found";
/// No host has room.
pub(crate) const NO_RESOURCES: &str = "No resources are available";
/// The licence has no seat left.
pub(crate) const LICENCE_LIMIT: &str = "Per named user license limit exceeded";
/// A host failed to make the container.
pub(crate) const UNABLE_TO_CREATE: &str = "Unable to create session";

/// What an invented message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Credentials,
    Key,
    ReadOnly,
    Unlicensed,
    Session,
    Owner,
    NotReady,
    State,
    Kind,
    User,
    UserDisabled,
    UserBusy,
    Taken,
    Image,
    ImageDisabled,
    Group,
    GroupPolicy,
    Quota,
    Field,
    Value,
    Exec,
    Share,
    Token,
    Picture,
}

/// The choice of words of one run.
#[derive(Debug)]
pub(crate) struct Wording {
    seed: u64,
}

impl Wording {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The text this run uses for a topic.
    pub(crate) fn say(&self, topic: Topic) -> String {
        let words = phrases(topic);
        let mixed = self.seed.rotate_left(topic as u32 + 1);
        let at = usize::try_from(mixed % 3).unwrap_or(0);
        let text = words.get(at).copied().unwrap_or("Request failed");
        format!("{text} [{:04x}]", mixed >> 48)
    }
}

const fn phrases(topic: Topic) -> [&'static str; 3] {
    match topic {
        Topic::Credentials => ["Who is calling?", "Sign-in data absent", "Login required"],
        Topic::Key => ["Access declined", "Caller not recognised", "Bad login"],
        Topic::ReadOnly => [
            "Writes are off",
            "This caller may only look",
            "Look, not touch",
        ],
        Topic::Unlicensed => [
            "Feature not purchased",
            "Upgrade required",
            "Feature is off",
        ],
        Topic::Session => ["Nothing by that id", "Workspace is gone", "No such desktop"],
        Topic::Owner => [
            "Belongs to somebody else",
            "Wrong owner",
            "Not this person's",
        ],
        Topic::NotReady => ["Hold on", "Still being prepared", "Come back in a moment"],
        Topic::State => ["Cannot do that now", "Conflicting state", "Wrong moment"],
        Topic::Kind => ["Not for this kind", "Containers only", "Kind mismatch"],
        Topic::User => ["No such person", "Account not on file", "Person not found"],
        Topic::UserDisabled => ["Account is off", "Account locked", "Person may not sign in"],
        Topic::UserBusy => [
            "Account has desktops",
            "Still in use",
            "Close desktops first",
        ],
        Topic::Taken => ["Name in use", "Already there", "Duplicate entry"],
        Topic::Image => [
            "No such workspace",
            "Workspace not on file",
            "Unknown catalogue entry",
        ],
        Topic::ImageDisabled => ["Workspace is off", "Switched off", "Entry disabled"],
        Topic::Group => ["No such team", "Team not on file", "Unknown circle"],
        Topic::GroupPolicy => [
            "Policy says no",
            "Switched off by policy",
            "Against team rules",
        ],
        Topic::Quota => [
            "Too many at once",
            "Personal quota used up",
            "Close one first",
        ],
        Topic::Field => [
            "Something is missing",
            "Incomplete request",
            "A field is absent",
        ],
        Topic::Value => ["Value not understood", "Odd value", "Cannot use that value"],
        Topic::Exec => [
            "Cannot dispatch that",
            "Command not accepted",
            "Dispatch declined",
        ],
        Topic::Share => ["No such invitation", "Invitation void", "Share not on file"],
        Topic::Token => ["No such login", "Login not on file", "Login void"],
        Topic::Picture => ["Nothing to show", "Picture missing", "No frame yet"],
    }
}

#[cfg(test)]
mod tests {
    use super::{Topic, Wording};

    #[test]
    fn wording_differs_between_runs_only() {
        let texts: std::collections::BTreeSet<_> = [3, 1 << 20, 0x9e37_79b9_7f4a_7c15]
            .into_iter()
            .map(|seed| Wording::new(seed).say(Topic::Session))
            .collect();
        assert!(texts.len() > 1, "{texts:?}");
        let one = Wording::new(7);
        assert_eq!(one.say(Topic::Owner), one.say(Topic::Owner));
    }
}
