//! User and group endpoints of the released API.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::endpoint::{self, Endpoint};
use super::{PublicApi, fields};
use crate::kasm::error::{KasmError, Result};
use crate::kasm::id::UserId;
use crate::kasm::json;
use crate::kasm::model::{Group, User, UserFields, UserRef};
use crate::kasm::wire::Users;

#[async_trait]
impl Users for PublicApi {
    async fn users(&self) -> Result<Vec<User>> {
        let answer = self.call(&endpoint::GET_USERS, fields(json!({}))).await?;
        Ok(json::list(&answer, "users")
            .iter()
            .filter_map(read_user)
            .collect())
    }

    async fn user(&self, user: &UserRef) -> Result<User> {
        let target = match user {
            UserRef::Id(id) => json!({ "user_id": id }),
            UserRef::Name(name) => json!({ "username": name }),
        };
        match self
            .call(
                &endpoint::GET_USER,
                fields(json!({ "target_user": target })),
            )
            .await
        {
            Err(KasmError::Rejected { .. }) => Err(KasmError::NotFound { what: "user" }),
            answer => one_user(&endpoint::GET_USER, &answer?),
        }
    }

    async fn create_user(&self, new: &UserFields) -> Result<User> {
        let body = fields(json!({ "target_user": target_user(None, new) }));
        let answer = self.call(&endpoint::CREATE_USER, body).await;
        let answer = answer.map_err(|error| without_password(error, new))?;
        one_user(&endpoint::CREATE_USER, &answer)
    }

    async fn update_user(&self, user: UserId, change: &UserFields) -> Result<User> {
        let body = fields(json!({ "target_user": target_user(Some(user), change) }));
        let answer = self.call(&endpoint::UPDATE_USER, body).await;
        let answer = answer.map_err(|error| without_password(error, change))?;
        one_user(&endpoint::UPDATE_USER, &answer)
    }

    async fn delete_user(&self, user: UserId, force: bool) -> Result<()> {
        let body = fields(json!({ "target_user": { "user_id": user }, "force": force }));
        self.call(&endpoint::DELETE_USER, body).await.map(drop)
    }

    async fn logout_user(&self, user: UserId) -> Result<()> {
        let body = fields(json!({ "target_user": { "user_id": user } }));
        self.call(&endpoint::LOGOUT_USER, body).await.map(drop)
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        let answer = self.call(&endpoint::GET_GROUPS, fields(json!({}))).await?;
        Ok(json::list(&answer, "groups")
            .iter()
            .filter_map(read_group)
            .collect())
    }
}

fn one_user(endpoint: &'static Endpoint, answer: &Value) -> Result<User> {
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
        Some(password) => error.without(password.expose_secret()),
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

fn read_user(value: &Value) -> Option<User> {
    Some(User {
        user_id: json::id(value, "user_id")?,
        username: json::text(value, "username").unwrap_or_default(),
        realm: json::text(value, "realm"),
        first_name: json::text(value, "first_name"),
        last_name: json::text(value, "last_name"),
        phone: json::text(value, "phone"),
        organization: json::text(value, "organization"),
        locked: json::boolean(value, "locked").unwrap_or(false),
        disabled: json::boolean(value, "disabled").unwrap_or(false),
        created: json::date(value, "created"),
        last_session: json::date(value, "last_session"),
        groups: json::list(value, "groups")
            .iter()
            .filter_map(read_group)
            .collect(),
        kasm_ids: json::list(value, "kasms")
            .iter()
            .filter_map(|kasm| json::id(kasm, "kasm_id"))
            .collect(),
    })
}

fn read_group(value: &Value) -> Option<Group> {
    Some(Group {
        group_id: json::text(value, "group_id")?,
        name: json::text(value, "name"),
    })
}
