//! A tool that is defined by data: its provider learns of it at runtime.
//!
//! The definition may come from another machine, so it is hostile until checked: names, lengths and schemas have
//! limits, and arguments are checked against the schema before the provider sees them. The audit log holds only the
//! sizes of the arguments.

mod schema_check;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::arguments::ArgumentForms;
use super::call_guards::CallGuards;
use super::error::ToolError;
use super::invocation::CallOptions;
use super::mounted_tool::{MountedTool, RunTool};
use super::private_argument::RecordedArguments;
use super::{Effect, JsonObject, ToolCallContext, ToolInfo, ToolReply, schema};
use crate::caller::Scope;
use schema_check::SchemaCheck;
pub use schema_check::{SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, SchemaProblem};

/// The longest name. Model APIs accept no longer one.
pub const NAME_CHARS_MAX: usize = 64;
/// The longest title.
pub const TITLE_CHARS_MAX: usize = 128;
/// The longest description.
pub const ABOUT_CHARS_MAX: usize = 1_024;
/// Arguments with more values than this are checked off the runtime's workers.
const VALUES_ON_WORKER_MAX: usize = 2_000;

/// The definition of a tool as data.
#[derive(Clone, Debug)]
pub struct DynamicToolDefinition {
    /// The name: letters, digits, `_` and `-`, at most [`NAME_CHARS_MAX`].
    pub name: String,
    /// The title for people.
    pub title: String,
    /// The description for models.
    pub about: String,
    /// The toolset, for filters.
    pub toolset: &'static str,
    /// What the tool changes.
    pub effect: Effect,
    /// Whether it reaches systems other than its provider's (MCP's `openWorldHint`).
    pub open_world: bool,
    /// The scope that a caller needs.
    pub scope: Scope,
    /// The time limit of a call. None: the server's.
    pub time_limit: Option<Duration>,
    /// The JSON Schema of the arguments, an object.
    pub input_schema: JsonObject,
    /// The JSON Schema of `data` in the reply. None: any value.
    pub output_schema: Option<JsonObject>,
}

/// What a dynamic tool does.
pub trait DynamicHandler: Send + Sync + std::fmt::Debug {
    /// Runs the tool with arguments that fit its schema.
    fn call<'a>(
        &'a self,
        cx: ToolCallContext<'a, ()>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>>;
}

/// Why a definition is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToolDefinition {
    /// The name is empty, too long, or has other characters.
    #[error("a tool's name has 1 to {NAME_CHARS_MAX} letters, digits, `_` and `-`")]
    Name,
    /// The schema of the arguments cannot be used.
    #[error("the schema of the arguments: {0}")]
    InputSchema(SchemaProblem),
    /// The schema of the reply cannot be used.
    #[error("the schema of the reply: {0}")]
    OutputSchema(SchemaProblem),
}

/// A checked definition with its handler. Cheap to clone; a clone is the same tool to clients.
#[derive(Clone, Debug)]
pub struct DynamicTool(Arc<MountedTool>);

impl DynamicTool {
    /// Checks a definition. Title and description are cut to their limits, and characters that could hide or
    /// reorder text are removed.
    ///
    /// # Errors
    /// See [`BadToolDefinition`].
    pub fn new(
        definition: DynamicToolDefinition,
        handler: Arc<dyn DynamicHandler>,
    ) -> Result<Self, BadToolDefinition> {
        if !is_tool_name(&definition.name) {
            return Err(BadToolDefinition::Name);
        }
        let mut input_schema = definition.input_schema;
        // With this a definition could make clients send arguments as headers of HTTP.
        remove_member(&mut input_schema, "x-mcp-header");
        // Model APIs require both members.
        input_schema
            .entry("type")
            .or_insert_with(|| "object".into());
        input_schema
            .entry("properties")
            .or_insert_with(|| JsonObject::new().into());
        let input =
            SchemaCheck::of_arguments(&input_schema).map_err(BadToolDefinition::InputSchema)?;
        let output = definition
            .output_schema
            .as_ref()
            .map(SchemaCheck::of_reply)
            .transpose()
            .map_err(BadToolDefinition::OutputSchema)?;
        let argument_forms = ArgumentForms::of_foreign(&input_schema);
        let data_schema = definition.output_schema.unwrap_or_default();
        let info = ToolInfo {
            name: definition.name.into(),
            title: plain_text(&definition.title, TITLE_CHARS_MAX).into(),
            about: plain_text(&definition.about, ABOUT_CHARS_MAX).into(),
            toolset: definition.toolset.into(),
            metric_name: definition.toolset,
            effect: definition.effect,
            open_world: definition.open_world,
            scope: definition.scope,
            cost: None,
            time_limit: definition.time_limit,
            continues: None,
            recorded: Arc::new(RecordedArguments::Size),
            argument_forms: Arc::new(argument_forms),
            input_schema: Arc::new(input_schema),
            output_schema: Arc::new(schema::reply_form(data_schema.into())),
        };
        let run = BoundHandler {
            handler,
            input: Arc::new(input),
            output,
        };
        Ok(Self(Arc::new(MountedTool::new(info, Box::new(run)))))
    }

    /// Its description.
    #[must_use]
    pub fn tool_info(&self) -> &ToolInfo {
        &self.0.info
    }

    pub(super) fn into_mounted(self) -> Arc<MountedTool> {
        self.0
    }
}

fn remove_member(object: &mut JsonObject, name: &str) {
    fn remove_inside(value: &mut Value, name: &str) {
        match value {
            Value::Object(object) => remove_member(object, name),
            Value::Array(items) => items.iter_mut().for_each(|item| remove_inside(item, name)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    object.remove(name);
    object
        .values_mut()
        .for_each(|value| remove_inside(value, name));
}

fn is_tool_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// Text without control characters and without those that change the direction of text or have no width: with
/// them a description could show a person something else than a model reads.
fn plain_text(text: &str, chars_max: usize) -> String {
    let is_hidden = |char: char| {
        matches!(char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let kept = text.chars().filter_map(|char| match char {
        '\n' | '\t' => Some(' '),
        char if char.is_control() || is_hidden(char) => None,
        char => Some(char),
    });
    kept.take(chars_max).collect()
}

/// A handler with the checks around it.
#[derive(Debug)]
struct BoundHandler {
    handler: Arc<dyn DynamicHandler>,
    input: Arc<SchemaCheck>,
    output: Option<SchemaCheck>,
}

impl BoundHandler {
    /// Checks arguments against the schema, and gives them back.
    async fn check_arguments(&self, args: JsonObject) -> Result<JsonObject, ToolError> {
        let args = Value::Object(args);
        let (args, checked) = if has_more_values(&args, VALUES_ON_WORKER_MAX) {
            // The cost grows with the caller's input, and a worker of the runtime serves other callers as well.
            let input = self.input.clone();
            let check = move || {
                let checked = input.check_value(&args);
                (args, checked)
            };
            tokio::task::spawn_blocking(check)
                .await
                .map_err(|_panic| ToolError::internal("the arguments could not be checked"))?
        } else {
            let checked = self.input.check_value(&args);
            (args, checked)
        };
        match (checked, args) {
            (Ok(()), Value::Object(args)) => Ok(args),
            (Ok(()), _) => Ok(JsonObject::new()),
            (Err(why), _) => Err(refused_arguments(why)),
        }
    }
}

fn refused_arguments(why: String) -> ToolError {
    ToolError::validation(why, "read the tool's inputSchema, then call it again")
        .with_code("argument_invalid")
}

/// Whether a value has more than `max` values inside, without counting further than that.
fn has_more_values(value: &Value, max: usize) -> bool {
    fn count_values(value: &Value, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(1) else {
            return false;
        };
        *left = rest;
        match value {
            Value::Array(items) => items.iter().all(|item| count_values(item, left)),
            Value::Object(members) => members.values().all(|member| count_values(member, left)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    let mut left = max;
    !count_values(value, &mut left)
}

impl RunTool for BoundHandler {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            let args = self.check_arguments(args).await?;
            let kept = CallGuards::default();
            let cx = ToolCallContext::of_call(&(), options, &kept);
            let reply = self.handler.call(cx, args).await?;
            match &self.output {
                Some(output) => match output.check_value(&reply.data) {
                    Ok(()) => Ok(reply),
                    // The tool may have had its effect, so this is no refusal.
                    Err(why) => Err(ToolError::new(
                        super::ErrorType::Api,
                        format!("the tool's reply does not fit its own schema: {why}"),
                        "tell the operator: the tool's definition and its code differ",
                    )
                    .having_acted()
                    .with_code("schema_violation")),
                },
                None => Ok(reply),
            }
        }
        .boxed()
    }

    fn refuse_arguments(&self, _: &ToolInfo, _: &JsonObject) -> Result<(), ToolError> {
        // `run` checks them: that may take time, and the caller's place among calls bounds it.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_every_model_api_accepts() {
        for good in ["a", "get_it", "GPU-1__render", &"a".repeat(64)] {
            assert!(is_tool_name(good), "{good}");
        }
        for bad in ["", "a b", "a.b", "ä", "a/b", &"a".repeat(65)] {
            assert!(!is_tool_name(bad), "{bad}");
        }
    }

    #[test]
    fn hidden_characters_of_a_description_are_removed() {
        assert_eq!(
            plain_text("a\u{202e}b\u{200b}\u{e0041}c\u{7}\nd", 9),
            "abc d"
        );
        assert_eq!(plain_text("äöü", 2), "äö");
    }

    #[test]
    fn values_are_counted_up_to_the_limit_only() {
        let value = serde_json::json!([1, [2, 3], { "a": 4 }]);
        assert!(has_more_values(&value, 6));
        assert!(!has_more_values(&value, 7));
    }
}
