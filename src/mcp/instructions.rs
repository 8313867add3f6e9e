//! The instructions that a model reads before it sees a tool, and the names of the server, composed of what the
//! providers say of themselves.

use crate::tool::provider::ProviderDescription;

/// The end of the instructions: the form of all replies.
const REPLY_FORM: &str =
    "Results have `success`, `data` and `message`; failures have `error`, `error_type` and `hint`.";

/// The text for `instructions`. The essence of all providers comes first, because some clients show only the first
/// 512 characters.
pub(super) fn server_instructions(providers: &[&ProviderDescription]) -> String {
    let essences = providers.iter().map(|provider| provider.essence);
    let essence = join_texts(essences, " ");
    let details = providers.iter().map(|provider| provider.details);
    let details = join_texts(details.chain([REPLY_FORM]), " ");
    join_texts([essence.as_str(), details.as_str()], "\n\n")
}

/// The title of the server, for people.
pub(super) fn server_title(providers: &[&ProviderDescription]) -> String {
    match providers {
        [] => "kasm-mcp".to_owned(),
        some => join_texts(some.iter().map(|provider| provider.title), ", "),
    }
}

/// What the server offers.
pub(super) fn server_description(providers: &[&ProviderDescription]) -> String {
    match providers {
        [] => "Tools for AI agents".to_owned(),
        some => join_texts(some.iter().map(|provider| provider.about), "; "),
    }
}

fn join_texts<'a>(texts: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    let texts = texts.into_iter().filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(between)
}
