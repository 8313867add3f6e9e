//! `prompts/*`: the catalogue's prompts.

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, GetPromptRequestParams, GetPromptResult, JsonObject, ListPromptsResult,
    Prompt as McpPrompt, PromptArgument as McpArgument, PromptMessage, Role,
};
use serde_json::Value;

use super::error_data::with_code;
use super::internal_call::InternalCall;
use super::resources::{FIXED_TTL, whole_millis};
use crate::tool::catalogue::{GivenArguments, Prompt};

/// The longest argument, in characters.
const ARGUMENT_CHARS_MAX: usize = 16_384;

/// Lists the prompts.
pub(super) fn list_prompts(look: &InternalCall<'_>) -> ListPromptsResult {
    let prompts = look
        .registry
        .offered_prompts(&look.caller)
        .map(to_mcp_prompt);
    let mut result = ListPromptsResult::with_all_items(prompts.collect());
    result.ttl_ms = Some(whole_millis(FIXED_TTL));
    result.cache_scope = Some(CacheScope::Private);
    result
}

fn to_mcp_prompt(prompt: &Prompt) -> McpPrompt {
    let arguments = prompt.arguments.iter().map(|argument| {
        McpArgument::new(argument.name)
            .with_description(argument.about)
            .with_required(argument.required)
    });
    let arguments: Vec<_> = arguments.collect();
    let arguments = (!arguments.is_empty()).then_some(arguments);
    McpPrompt::new(prompt.name, Some(prompt.about), arguments).with_title(prompt.title)
}

/// Finds a prompt by name; the error lists the names.
pub(super) fn find_prompt(
    look: &InternalCall<'_>,
    name: &str,
) -> Result<&'static Prompt, ErrorData> {
    let mut offered = look.registry.offered_prompts(&look.caller);
    offered.find(|prompt| prompt.name == name).ok_or_else(|| {
        let known = look
            .registry
            .offered_prompts(&look.caller)
            .map(|prompt| prompt.name);
        let known: Vec<_> = known.collect();
        let name: String = name.chars().take(128).collect();
        invalid_params(format!(
            "unknown prompt `{name}`: the prompts are {}",
            known.join(", ")
        ))
    })
}

/// Renders a prompt.
pub(super) fn get_prompt(
    look: &InternalCall<'_>,
    params: GetPromptRequestParams,
) -> Result<GetPromptResult, ErrorData> {
    let prompt = find_prompt(look, &params.name)?;
    let given = read_arguments(prompt, params.arguments.unwrap_or_default())?;
    let text = (prompt.text)(&given);
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(prompt.about))
}

/// Checks the arguments. Forms send an empty text for a field that was left blank.
fn read_arguments(prompt: &Prompt, arguments: JsonObject) -> Result<GivenArguments, ErrorData> {
    let mut given = GivenArguments::default();
    for (name, value) in arguments {
        let known = prompt
            .arguments
            .iter()
            .find(|argument| argument.name == name);
        let Some(argument) = known else {
            let name: String = name.chars().take(64).collect();
            return Err(invalid_params(format!(
                "unknown argument `{name}`. {}",
                usage_text(prompt)
            )));
        };
        // From the catalogue: its names live as long as the program, so the map can borrow them.
        let name = argument.name;
        let Value::String(text) = value else {
            return Err(invalid_params(format!(
                "the argument `{name}` must be text. {}",
                usage_text(prompt)
            )));
        };
        if text.chars().count() > ARGUMENT_CHARS_MAX {
            let message =
                format!("the argument `{name}` has more than {ARGUMENT_CHARS_MAX} characters");
            return Err(invalid_params(message));
        }
        if !text.trim().is_empty() {
            given.0.insert(name, text.trim().to_owned());
        }
    }
    let mut required = prompt.arguments.iter().filter(|argument| argument.required);
    match required.find(|argument| given.value_of(argument.name).is_none()) {
        None => Ok(given),
        Some(missing) => {
            let message = format!(
                "the argument `{}` is missing. {}",
                missing.name,
                usage_text(prompt)
            );
            Err(invalid_params(message))
        }
    }
}

fn usage_text(prompt: &Prompt) -> String {
    let arguments = prompt.arguments.iter().map(|argument| {
        let optional = if argument.required { "" } else { "?" };
        format!("{}{optional}", argument.name)
    });
    let arguments: Vec<_> = arguments.collect();
    match arguments.as_slice() {
        [] => format!("`{}` takes no arguments", prompt.name),
        some => format!(
            "The arguments of `{}` are {} (`?` marks optional ones)",
            prompt.name,
            some.join(", ")
        ),
    }
}

pub(super) fn invalid_params(message: String) -> ErrorData {
    with_code(ErrorData::invalid_params(message, None), "invalid_params")
}
