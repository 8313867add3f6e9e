//! `completion/complete`: suggests values for an argument of a prompt or a template.

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use super::internal_call::{InternalCall, PresentValue};
use super::prompts::{self, invalid_params};
use crate::tool::catalogue::ArgumentValues;

/// Completes a partial value. There are no suggestions for arguments that accept any text.
pub(super) async fn complete_argument(
    look: &InternalCall<'_>,
    params: CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let argument = &params.argument;
    let Some(values) = values_of_reference(look, &params.r#ref, &argument.name)? else {
        return Ok(CompleteResult::new(completion_info(Vec::new())));
    };
    let present = look.present_values(values).await?;
    Ok(CompleteResult::new(completion_info(matching_values(
        present,
        &argument.value,
    ))))
}

/// The source of an argument's values, if it exists and has one.
fn values_of_reference(
    look: &InternalCall<'_>,
    reference: &Reference,
    name: &str,
) -> Result<Option<&'static ArgumentValues>, ErrorData> {
    let unknown = |of: &str, known: &[&str]| {
        let name: String = name.chars().take(64).collect();
        invalid_params(format!(
            "unknown argument `{name}` of `{of}`: the arguments are {}",
            known.join(", ")
        ))
    };
    if let Some(prompt) = reference.as_prompt_name() {
        let prompt = prompts::find_prompt(look, prompt)?;
        let known: Vec<_> = prompt
            .arguments
            .iter()
            .map(|argument| argument.name)
            .collect();
        if known.contains(&name) {
            return Ok(look.registry.values_of_prompt(prompt, name));
        }
        return Err(unknown(prompt.name, &known));
    }
    let uri = reference.as_resource_uri().unwrap_or_default();
    let mut offered = look.registry.offered_resources(&look.caller);
    // Some clients send the template, others a URI that matches it.
    let resource = offered
        .find(|resource| resource.uri == uri)
        .or_else(|| Some(super::resources::find_resource(look, uri)?.resource));
    match resource.and_then(|resource| Some((resource, resource.uri_variable()?))) {
        Some((resource, variable)) if variable == name => {
            Ok(look.registry.values_of_resource(resource))
        }
        Some((resource, variable)) => Err(unknown(resource.uri, &[variable])),
        None => {
            let uri: String = uri.chars().take(256).collect();
            Err(invalid_params(format!(
                "unknown resource template `{uri}`: resources/templates/list lists them"
            )))
        }
    }
}

/// The values with a name that begins with the text, then those whose name contains it.
fn matching_values(present: Vec<PresentValue>, typed: &str) -> Vec<String> {
    let typed = typed.trim().to_lowercase();
    let mut ranked: Vec<_> = present
        .into_iter()
        .filter_map(|one| {
            let mut names = one.names.iter().map(|name| name.to_lowercase());
            let begins = names.clone().any(|name| name.starts_with(&typed));
            let has = begins || names.any(|name| name.contains(&typed));
            has.then_some((!begins, one.value))
        })
        .collect();
    // The order within each half is kept.
    ranked.sort_by_key(|(later, _)| *later);
    ranked.into_iter().map(|(_, value)| value).collect()
}

/// As many values as one answer may have, and the total.
fn completion_info(mut values: Vec<String>) -> CompletionInfo {
    let total = values.len();
    // MCP allows 100 values in one answer. `total` and `has_more` say that there are others.
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    info.total = u32::try_from(total).ok();
    info.has_more = Some(total > values.len());
    info.values = values;
    info
}
