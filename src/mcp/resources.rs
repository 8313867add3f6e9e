//! `resources/*`: the catalogue's resources, read by internal calls.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult,
    Resource as McpResource, ResourceContents, ResourceTemplate,
};
use serde_json::{Value, json};

use super::error_data::with_code;
use super::internal_call::{InternalCall, InternalCallFailed, PresentValue};
use crate::tool::catalogue::{FoundResource, Resource, ResourceContent};
use crate::tool::change::same_id;
use crate::tool::registry::Registry;
use crate::tool::{ErrorType, JsonObject};

/// The most resources on one page of the list.
const PAGE: usize = 100;
/// How long a client may cache the list, unless it is notified of a change.
const LIST_TTL: Duration = Duration::from_secs(5);
/// How long a client may cache what changes only with a new version of the server.
pub(super) const FIXED_TTL: Duration = Duration::from_secs(300);

/// The position of a resource in the list: those without a variable come first.
type ResourceSortKey = (Option<String>, usize);

/// Lists a page of resources.
pub(super) async fn list_resources(
    look: &InternalCall<'_>,
    cursor: Option<&str>,
) -> Result<ListResourcesResult, ErrorData> {
    let after = cursor
        .map(|cursor| read_cursor(look.registry, cursor))
        .transpose()?;
    let mut all = all_resources(look).await?;
    if let Some(after) = after {
        // The resource of the cursor may have ended. Its place in the order still says where the page begins.
        all = all.split_off(&after);
        all.remove(&after);
    }
    let more = all.len() > PAGE;
    let page: Vec<_> = all.into_values().take(PAGE).collect();
    let last = page.last().filter(|_| more);
    let next = last.map(|resource| BASE64URL_NOPAD.encode(resource.uri.as_bytes()));
    let mut result = ListResourcesResult::with_all_items(page);
    result.next_cursor = next;
    result.ttl_ms = Some(whole_millis(LIST_TTL));
    result.cache_scope = Some(CacheScope::Private);
    Ok(result)
}

async fn all_resources(
    look: &InternalCall<'_>,
) -> Result<BTreeMap<ResourceSortKey, McpResource>, ErrorData> {
    let mut all = BTreeMap::new();
    let mut asked: Option<(&str, Vec<PresentValue>)> = None;
    for resource in look.registry.offered_resources(&look.caller) {
        let Some(variable) = resource.uri_variable() else {
            all.insert(
                (None, resource_number(look.registry, resource)),
                plain_resource(resource),
            );
            continue;
        };
        let Some(values) = look.registry.values_of_resource(resource) else {
            continue;
        };
        // Neighbours in the catalogue share a variable, so one call of the list tool serves all of them.
        let known = asked.take().filter(|(known, _)| *known == variable);
        let present = match known {
            Some((_, present)) => present,
            None => look.present_values(values).await?,
        };
        for one in &present {
            let listed = resource
                .only
                .is_none_or(|(member, word)| one.entry[member] == word);
            if listed {
                let place = (
                    Some(one.value.clone()),
                    resource_number(look.registry, resource),
                );
                all.insert(place, resource_of_value(resource, one));
            }
        }
        asked = Some((variable, present));
    }
    Ok(all)
}

fn resource_number(registry: &Registry, resource: &Resource) -> usize {
    let mut all = registry.all_resources();
    all.position(|other| other.uri == resource.uri).unwrap_or(0)
}

/// A cursor names the last resource of a page, so it stays valid if that resource ends.
fn read_cursor(registry: &Registry, cursor: &str) -> Result<ResourceSortKey, ErrorData> {
    let uri = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let uri = uri.and_then(|uri| String::from_utf8(uri).ok());
    let found = uri.as_deref().and_then(|uri| registry.find_resource(uri));
    let place = found.map(|found| {
        let value = found.value.map(str::to_owned);
        (value, resource_number(registry, found.resource))
    });
    place.ok_or_else(bad_cursor)
}

/// A list that fits on one page has no cursor.
pub(super) fn refuse_cursor(cursor: Option<&str>) -> Result<(), ErrorData> {
    cursor.map_or(Ok(()), |_| Err(bad_cursor()))
}

fn bad_cursor() -> ErrorData {
    let message = "this cursor is not one of this list's: begin without one";
    with_code(ErrorData::invalid_params(message, None), "cursor_unknown")
}

fn plain_resource(resource: &Resource) -> McpResource {
    let listed = McpResource::new(resource.uri, resource.name)
        .with_title(resource.title)
        .with_description(resource.about);
    with_mime_type(listed, resource)
}

fn resource_of_value(resource: &Resource, present: &PresentValue) -> McpResource {
    let uri = resource.uri_for(&present.value);
    let listed = McpResource::new(uri, format!("{} {}", resource.name, present.value));
    // Two sessions with equal names need distinct titles in clients that show only titles.
    let start = present.value.get(..8).unwrap_or(&present.value);
    let label = match present.names.get(1) {
        Some(name) => format!("{name} ({start})"),
        None => present.value.clone(),
    };
    let listed = listed
        .with_title(format!("{}: {label}", resource.title))
        .with_description(resource.about);
    with_mime_type(listed, resource)
}

/// The format of a screenshot is known only when it is taken.
fn with_mime_type(listed: McpResource, resource: &Resource) -> McpResource {
    match resource.shows {
        ResourceContent::Data => listed.with_mime_type("application/json"),
        ResourceContent::Picture => listed,
    }
}

/// Lists the templates.
pub(super) fn list_templates(look: &InternalCall<'_>) -> ListResourceTemplatesResult {
    let offered = look.registry.offered_resources(&look.caller);
    let templates = offered.filter(|resource| resource.uri_variable().is_some());
    let templates = templates.map(|resource| {
        let template = ResourceTemplate::new(resource.uri, resource.name)
            .with_title(resource.title)
            .with_description(resource.about);
        match resource.shows {
            ResourceContent::Data => template.with_mime_type("application/json"),
            ResourceContent::Picture => template,
        }
    });
    let mut result = ListResourceTemplatesResult::with_all_items(templates.collect());
    result.ttl_ms = Some(whole_millis(FIXED_TTL));
    result.cache_scope = Some(CacheScope::Private);
    result
}

/// Reads a resource.
pub(super) async fn read_resource(
    look: &InternalCall<'_>,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let found = find_resource(look, uri).ok_or_else(|| not_found(uri))?;
    let mut args = JsonObject::new();
    if let (Some(variable), Some(value)) = (found.resource.uri_variable(), found.value) {
        args.insert(variable.to_owned(), value.into());
    }
    let reply = look.call_tool(found.resource.tool, args).await;
    let reply = reply.map_err(|failed| missing_or(failed, uri))?;
    let contents = match (found.resource.shows, reply.pictures.into_iter().next()) {
        (ResourceContent::Data, _) => {
            let text = reply
                .body
                .get("data")
                .map(Value::to_string)
                .unwrap_or_default();
            ResourceContents::text(text, uri).with_mime_type("application/json")
        }
        (ResourceContent::Picture, Some(picture)) => {
            let blob = BASE64.encode(&picture.bytes);
            ResourceContents::blob(blob, uri).with_mime_type(picture.media_type)
        }
        (ResourceContent::Picture, None) => {
            let error = ErrorData::internal_error("no screenshot of it is available", None);
            return Err(with_code(error, "no_picture"));
        }
    };
    let result = ReadResourceResult::new(vec![contents]);
    Ok(result
        .with_ttl_ms(whole_millis(found.resource.fresh))
        .with_cache_scope(CacheScope::Private))
}

/// Whether this caller can read the URI now.
pub(super) async fn check_resource(look: &InternalCall<'_>, uri: &str) -> Result<(), ErrorData> {
    let found = find_resource(look, uri).ok_or_else(|| not_found(uri))?;
    let Some(value) = found.value else {
        return Ok(());
    };
    let Some(values) = look.registry.values_of_resource(found.resource) else {
        return Ok(());
    };
    let present = look.present_values(values).await?;
    // Clients write the ids of Kasm with and without dashes.
    let same = |one: &PresentValue| same_id(&one.value, value);
    present
        .iter()
        .any(same)
        .then_some(())
        .ok_or_else(|| not_found(uri))
}

/// The resource of a URI, if the caller may read it.
pub(super) fn find_resource<'a>(
    look: &InternalCall<'_>,
    uri: &'a str,
) -> Option<FoundResource<'a>> {
    let found = look.registry.find_resource(uri)?;
    look.registry
        .offers_tool(&look.caller, found.resource.tool)
        .then_some(found)
}

/// One error for a resource that never existed, has ended, or belongs to another caller, so callers cannot
/// probe.
fn missing_or(failed: InternalCallFailed, uri: &str) -> ErrorData {
    match failed.error {
        ErrorType::NotFound | ErrorType::Validation => not_found(uri),
        ErrorType::Security
        | ErrorType::Permission
        | ErrorType::Api
        | ErrorType::Unavailable
        | ErrorType::Timeout
        | ErrorType::RateLimited
        | ErrorType::Conflict
        | ErrorType::Unsupported
        | ErrorType::Internal => failed.into(),
    }
}

/// rmcp sets the error code of the revision.
fn not_found(uri: &str) -> ErrorData {
    let uri: String = uri.chars().take(256).collect();
    let message = format!("unknown resource `{uri}`: resources/list lists the resources");
    let error = ErrorData::resource_not_found(message, Some(json!({ "uri": uri })));
    with_code(error, "resource_unknown")
}

pub(super) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
