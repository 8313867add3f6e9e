//! What a provider offers besides tools: resources, prompts, and argument values.
//!
//! None of these has its own data. A resource is derived from a tool's reply, a value from a member of it, and
//! each read calls the tool through the registry as the caller. A caller that may not call the tool therefore
//! cannot see them.

use std::collections::BTreeMap;
use std::time::Duration;

/// The whole catalogue of one provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue {
    /// The resources, in the order of lists.
    pub resources: &'static [Resource],
    /// The prompts, in the order of lists.
    pub prompts: &'static [Prompt],
    /// The sources of argument values.
    pub values: &'static [ArgumentValues],
}

/// Readable content at a URI, or at each URI of a template.
#[derive(Debug)]
pub struct Resource {
    /// The URI. It has at most one `{variable}` (RFC 6570, level 1): an argument of the tool, with
    /// [`ArgumentValues`].
    pub uri: &'static str,
    /// Its name, for programs.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// A sentence for the model.
    pub about: &'static str,
    /// The tool that is called to read it.
    pub tool: &'static str,
    /// Which part of the reply it shows.
    pub shows: ResourceContent,
    /// How long a client may cache it.
    pub fresh: Duration,
    /// A member of the value's entry and its text that the resource needs to be listed.
    pub only: Option<(&'static str, &'static str)>,
    /// The tools that change it.
    pub changed_by: &'static [&'static str],
}

/// The part of a reply that a resource shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceContent {
    /// `data`, as JSON.
    Data,
    /// The picture.
    Picture,
}

/// The source of an argument's current values: a list in a tool's reply.
#[derive(Debug)]
pub struct ArgumentValues {
    /// The argument, of tools, templates and prompts.
    pub argument: &'static str,
    /// The tool that returns the list. It needs no argument.
    pub tool: &'static str,
    /// The member of `data` with the list.
    pub list: &'static str,
    /// The members of an entry that name it. The first that no other entry shares is the value; completion
    /// matches any of them.
    pub names: &'static [&'static str],
    /// The tools that change the values, or which resources are listed for them.
    pub changed_by: &'static [&'static str],
}

/// A task that a person can start in a model with few words.
#[derive(Debug)]
pub struct Prompt {
    /// Its name, for programs.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// The arguments.
    pub arguments: &'static [PromptArgument],
    /// The tools that it requires.
    pub needs: &'static [&'static str],
    /// The text for the model.
    pub text: fn(&GivenArguments) -> String,
}

/// An argument of a prompt. All arguments are texts.
#[derive(Debug)]
pub struct PromptArgument {
    /// Its name.
    pub name: &'static str,
    /// What to enter.
    pub about: &'static str,
    /// Whether the prompt needs it.
    pub required: bool,
}

/// The arguments that a prompt was given.
#[derive(Debug, Default)]
pub struct GivenArguments(pub BTreeMap<&'static str, String>);

impl GivenArguments {
    /// An optional argument.
    #[must_use]
    pub fn value_of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required argument.
    #[must_use]
    pub fn required_value(&self, name: &str) -> &str {
        self.value_of(name).unwrap_or_default()
    }
}

/// The target of a URI.
#[derive(Clone, Copy, Debug)]
pub struct FoundResource<'a> {
    /// The resource.
    pub resource: &'static Resource,
    /// The value of its variable, if it has one.
    pub value: Option<&'a str>,
}

/// The longest value of a variable.
const VALUE_CHARS_MAX: usize = 64;

impl Resource {
    /// The variable of its URI.
    #[must_use]
    pub fn uri_variable(&self) -> Option<&'static str> {
        self.uri_parts().map(|(_, variable, _)| variable)
    }

    /// Its URI for a value of the variable.
    #[must_use]
    pub fn uri_for(&self, value: &str) -> String {
        match self.uri_parts() {
            Some((before, _, after)) => format!("{before}{value}{after}"),
            None => self.uri.to_owned(),
        }
    }

    fn uri_parts(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let (before, rest) = self.uri.split_once('{')?;
        let (variable, after) = rest.split_once('}')?;
        Some((before, variable, after))
    }

    fn match_uri<'a>(&'static self, uri: &'a str) -> Option<FoundResource<'a>> {
        let Some((before, _, after)) = self.uri_parts() else {
            let found = FoundResource {
                resource: self,
                value: None,
            };
            return (self.uri == uri).then_some(found);
        };
        let value = uri.strip_prefix(before)?.strip_suffix(after)?;
        // RFC 6570 would percent-encode all other characters. Ids need none of them, so a URI has one
        // spelling.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let good = (1..=VALUE_CHARS_MAX).contains(&value.len()) && value.bytes().all(plain);
        good.then_some(FoundResource {
            resource: self,
            value: Some(value),
        })
    }
}

impl Catalogue {
    /// The target of a URI, whether it exists or not.
    #[must_use]
    pub fn find_resource<'a>(&self, uri: &'a str) -> Option<FoundResource<'a>> {
        self.resources
            .iter()
            .find_map(|resource| resource.match_uri(uri))
    }

    pub(super) fn has_resource(&self, resource: &Resource) -> bool {
        self.resources.iter().any(|own| std::ptr::eq(own, resource))
    }

    pub(super) fn has_prompt(&self, prompt: &Prompt) -> bool {
        self.prompts.iter().any(|own| std::ptr::eq(own, prompt))
    }

    /// The source of an argument's values.
    #[must_use]
    pub fn values_of(&self, argument: &str) -> Option<&'static ArgumentValues> {
        self.values
            .iter()
            .find(|values| values.argument == argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PICTURE: Resource = Resource {
        uri: "x://things/{id}/picture",
        name: "picture",
        title: "A picture",
        about: "A picture.",
        tool: "look",
        shows: ResourceContent::Picture,
        fresh: Duration::ZERO,
        only: None,
        changed_by: &[],
    };

    #[test]
    fn uri_template_matches_its_own_uris_only() {
        let value = |uri: &str| {
            PICTURE
                .match_uri(uri)
                .and_then(|found| found.value.map(str::to_owned))
        };
        assert_eq!(PICTURE.uri_variable(), Some("id"));
        assert_eq!(value(&PICTURE.uri_for("a-1")).as_deref(), Some("a-1"));
        for other in [
            "x://things//picture",
            "x://things/a/b/picture",
            "x://things/a%2f/picture",
            "x://things/a",
            "x://things/{id}/picture",
            "x://things/picture",
            "",
        ] {
            assert_eq!(value(other), None, "{other}");
        }
        assert_eq!(value(&PICTURE.uri_for(&"a".repeat(65))), None);
    }
}
