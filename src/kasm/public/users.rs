//! User and group endpoints of the released API.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::endpoint::{self, ApiEndpoint};
use super::{PublicApi, object_fields};
use crate::kasm::api::UsersApi;
use crate::kasm::error::{KasmError, Result};
use crate::kasm::id::UserId;
use crate::kasm::json;
use crate::kasm::model::{KasmGroup, KasmUser, UserFields, UserRef};

#[async_trait]
impl UsersApi for PublicApi {
    async fn list_users(&self) -> Result<Vec<KasmUser>> {
        let answer = self
            .call_endpoint(&endpoint::GET_USERS, object_fields(json!({})))
            .await?;
        Ok(json::list_member(&answer, "users")
            .iter()
            .filter_map(read_user)
            .collect())
    }

    async fn fetch_user(&self, user: &UserRef) -> Result<KasmUser> {
        let target = match user {
            UserRef::Id(id) => json!({ "user_id": id }),
            UserRef::Name(name) => json!({ "username": name }),
        };
        match self
            .call_endpoint(
                &endpoint::GET_USER,
                object_fields(json!({ "target_user": target })),
            )
            .await
        {
            // As with sessions, a refusal by a message alone means that there is none.
            Err(KasmError::Rejected { .. }) => Err(KasmError::NotFound { what: "user" }),
            answer => one_user(&endpoint::GET_USER, &answer?),
        }
    }

    async fn create_user(&self, new: &UserFields) -> Result<KasmUser> {
        let body = object_fields(json!({ "target_user": target_user(None, new) }));
        let answer = self.call_endpoint(&endpoint::CREATE_USER, body).await;
        let answer = answer.map_err(|error| without_password(error, new))?;
        one_user(&endpoint::CREATE_USER, &answer)
    }

    async fn update_user(&self, user: UserId, change: &UserFields) -> Result<KasmUser> {
        let body = object_fields(json!({ "target_user": target_user(Some(user), change) }));
        let answer = self.call_endpoint(&endpoint::UPDATE_USER, body).await;
        let answer = answer.map_err(|error| without_password(error, change))?;
        one_user(&endpoint::UPDATE_USER, &answer)
    }

    async fn delete_user(&self, user: UserId, force: bool) -> Result<()> {
        let body = object_fields(json!({ "target_user": { "user_id": user }, "force": force }));
        self.call_endpoint(&endpoint::DELETE_USER, body)
            .await
            .map(drop)
    }

    async fn logout_user(&self, user: UserId) -> Result<()> {
        let body = object_fields(json!({ "target_user": { "user_id": user } }));
        self.call_endpoint(&endpoint::LOGOUT_USER, body)
            .await
            .map(drop)
    }

    async fn list_groups(&self) -> Result<Vec<KasmGroup>> {
        let answer = self
            .call_endpoint(&endpoint::GET_GROUPS, object_fields(json!({})))
            .await?;
        Ok(json::list_member(&answer, "groups")
            .iter()
            .filter_map(read_group)
            .collect())
    }
}

fn one_user(endpoint: &'static ApiEndpoint, answer: &Value) -> Result<KasmUser> {
    answer
        .get("user")
        .and_then(read_user)
        .ok_or(KasmError::Protocol {
            endpoint: endpoint.name,
            detail: "no user in the answer".to_owned(),
        })
}

/// Removes the password from a refusal, in case Kasm repeats it.
fn without_password(error: KasmError, fields: &UserFields) -> KasmError {
    match &fields.password {
        Some(password) => error.without_secret(password.expose_secret()),
        None => error,
    }
}

fn target_user(user: Option<UserId>, change: &UserFields) -> Map<String, Value> {
    let mut target = Map::new();
    if let Some(user) = user {
        target.insert("user_id".to_owned(), user.to_string().into());
    }
    let password = change
        .password
        .as_ref()
        .map(|secret| secret.expose_secret().to_owned());
    // A member that is not sent is not changed by Kasm.
    let texts = [
        ("username", &change.username),
        ("password", &password),
        ("first_name", &change.first_name),
        ("last_name", &change.last_name),
        ("phone", &change.phone),
        ("organization", &change.organization),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            target.insert(name.to_owned(), value.clone().into());
        }
    }
    for (name, value) in [("locked", change.locked), ("disabled", change.disabled)] {
        if let Some(value) = value {
            target.insert(name.to_owned(), value.into());
        }
    }
    target
}

fn read_user(value: &Value) -> Option<KasmUser> {
    Some(KasmUser {
        user_id: json::id_member(value, "user_id")?,
        username: json::text_member(value, "username").unwrap_or_default(),
        realm: json::text_member(value, "realm"),
        first_name: json::text_member(value, "first_name"),
        last_name: json::text_member(value, "last_name"),
        phone: json::text_member(value, "phone"),
        organization: json::text_member(value, "organization"),
        locked: json::boolean_member(value, "locked").unwrap_or(false),
        disabled: json::boolean_member(value, "disabled").unwrap_or(false),
        created: json::date_member(value, "created"),
        last_session: json::date_member(value, "last_session"),
        groups: json::list_member(value, "groups")
            .iter()
            .filter_map(read_group)
            .collect(),
        kasm_ids: json::list_member(value, "kasms")
            .iter()
            .filter_map(|kasm| json::id_member(kasm, "kasm_id"))
            .collect(),
    })
}

fn read_group(value: &Value) -> Option<KasmGroup> {
    Some(KasmGroup {
        group_id: json::text_member(value, "group_id")?,
        name: json::text_member(value, "name"),
    })
}
