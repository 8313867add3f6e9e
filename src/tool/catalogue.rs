//! What a provider offers besides its tools: resources, prompts, and values that arguments can have.
//!
//! None of it has data of its own. A resource is a reading of a tool's reply, a value is a member of one,
//! and each time the tool is called through the registry as the caller. So whoever may not call the tool
//! does not see what hangs on it.

use std::collections::BTreeMap;
use std::time::Duration;

/// All of it, of one provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue {
    /// The resources, in the order of lists.
    pub resources: &'static [Resource],
    /// The prompts, in the order of lists.
    pub prompts: &'static [Prompt],
    /// Where the values of arguments come from.
    pub values: &'static [Values],
}

/// Something to read at a URI, or at each URI of a template.
#[derive(Debug)]
pub struct Resource {
    /// Its URI. One `{variable}` at most (RFC 6570, level 1): an argument of the tool, with [`Values`].
    pub uri: &'static str,
    /// Its name, for programs.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// A sentence for the model.
    pub about: &'static str,
    /// The tool that is called to read it.
    pub tool: &'static str,
    /// What of the reply it shows.
    pub shows: Shows,
    /// How long a copy of it is good enough.
    pub fresh: Duration,
    /// A member of the value's entry, and the text it must have for the resource to be listed.
    pub only: Option<(&'static str, &'static str)>,
    /// The tools that change it.
    pub changed_by: &'static [&'static str],
}

/// What of a reply a resource shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// `data`, as JSON.
    Data,
    /// The picture.
    Picture,
}

/// Where the present values of an argument come from: the list in a tool's reply.
#[derive(Debug)]
pub struct Values {
    /// The argument, of tools, templates and prompts.
    pub argument: &'static str,
    /// The tool that lists them. It needs no argument.
    pub tool: &'static str,
    /// The member of its `data` that is the list.
    pub list: &'static str,
    /// Members of the entries that name an entry: the first one that no other entry has is the value,
    /// and what is typed may be part of any.
    pub names: &'static [&'static str],
    /// The tools that change which values there are, or which resources of them are listed.
    pub changed_by: &'static [&'static str],
}

/// A task that a person can hand to a model in a few words.
#[derive(Debug)]
pub struct Prompt {
    /// Its name, for programs.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// What it is to be told.
    pub arguments: &'static [PromptArgument],
    /// The tools it cannot do without.
    pub needs: &'static [&'static str],
    /// What the model is told.
    pub text: fn(&Given) -> String,
}

/// An argument of a prompt. All are texts.
#[derive(Debug)]
pub struct PromptArgument {
    /// Its name.
    pub name: &'static str,
    /// What to write.
    pub about: &'static str,
    /// Whether the prompt needs it.
    pub required: bool,
}

/// The arguments that a prompt was given.
#[derive(Debug, Default)]
pub struct Given(pub BTreeMap<&'static str, String>);

impl Given {
    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One that is required.
    #[must_use]
    pub fn required(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// What a URI names.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
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
    pub fn variable(&self) -> Option<&'static str> {
        self.parts().map(|(_, variable, _)| variable)
    }

    /// Its URI for a value of the variable.
    #[must_use]
    pub fn uri_for(&self, value: &str) -> String {
        match self.parts() {
            Some((before, _, after)) => format!("{before}{value}{after}"),
            None => self.uri.to_owned(),
        }
    }

    fn parts(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let (before, rest) = self.uri.split_once('{')?;
        let (variable, after) = rest.split_once('}')?;
        Some((before, variable, after))
    }

    fn find<'a>(&'static self, uri: &'a str) -> Option<Found<'a>> {
        let Some((before, _, after)) = self.parts() else {
            let found = Found {
                resource: self,
                value: None,
            };
            return (self.uri == uri).then_some(found);
        };
        let value = uri.strip_prefix(before)?.strip_suffix(after)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let good = (1..=VALUE_CHARS_MAX).contains(&value.len()) && value.bytes().all(plain);
        good.then_some(Found {
            resource: self,
            value: Some(value),
        })
    }
}

impl Catalogue {
    /// What a URI names, whether it is there or not.
    #[must_use]
    pub fn find<'a>(&self, uri: &'a str) -> Option<Found<'a>> {
        self.resources
            .iter()
            .find_map(|resource| resource.find(uri))
    }

    /// Where the values of an argument come from.
    #[must_use]
    pub fn values(&self, argument: &str) -> Option<&'static Values> {
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
        shows: Shows::Picture,
        fresh: Duration::ZERO,
        only: None,
        changed_by: &[],
    };

    #[test]
    fn uri_template_matches_its_own_uris_only() {
        let value = |uri: &str| {
            PICTURE
                .find(uri)
                .and_then(|found| found.value.map(str::to_owned))
        };
        assert_eq!(PICTURE.variable(), Some("id"));
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
