//! The `users` toolset: accounts of the Kasm server, for administrators.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{COSTLY_TOOLS, KasmProvider, kasm_for_account};
use crate::caller::{Level, Realm, Scope};
use crate::kasm::UserId;
use crate::kasm::model::{KasmUser, UserFields, UserRef};
use crate::tool::{
    CostClass, Effect, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply, Toolset,
};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "users",
    about: "Accounts of the Kasm server (needs the scope kasm:admin)",
    scope: Scope::new(Realm::KASM, Level::Admin),
    tools: &[
        &GetKasmUsers,
        &GetKasmUser,
        &CreateKasmUser,
        &UpdateKasmUser,
        &DeleteKasmUser,
        &LogoutKasmUser,
    ],
};

/// How many users one page of `get_kasm_users` has.
const PAGE_SIZE: usize = 50;

/// A user of the Kasm server.
#[derive(Serialize, JsonSchema)]
struct UserView {
    user_id: String,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    locked: bool,
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_session: Option<String>,
    /// The names of the user's groups.
    groups: Vec<String>,
    /// The user's sessions.
    kasm_ids: Vec<String>,
}

impl From<KasmUser> for UserView {
    fn from(user: KasmUser) -> Self {
        Self {
            user_id: user.user_id.to_string(),
            username: user.username,
            realm: user.realm,
            first_name: user.first_name,
            last_name: user.last_name,
            phone: user.phone,
            organization: user.organization,
            locked: user.locked,
            disabled: user.disabled,
            created: user.created.map(|t| t.to_string()),
            last_session: user.last_session.map(|t| t.to_string()),
            groups: user
                .groups
                .into_iter()
                .map(|group| group.name.unwrap_or(group.group_id))
                .collect(),
            kasm_ids: user.kasm_ids.iter().map(ToString::to_string).collect(),
        }
    }
}

struct GetKasmUsers;

#[derive(Deserialize, JsonSchema)]
struct PageArgs {
    /// The page, 50 users each, from 1 (default).
    page: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct UserPage {
    users: Vec<UserView>,
    page: usize,
    pages: usize,
    total: usize,
}

impl Tool for GetKasmUsers {
    type Provider = KasmProvider;
    type Args = PageArgs;
    type Output = UserPage;
    const NAME: &'static str = "get_kasm_users";
    const TITLE: &'static str = "List users";
    const ABOUT: &'static str = "List the users of the Kasm server, 50 per page, sorted by name.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: PageArgs,
    ) -> Result<ToolReply<UserPage>, ToolError> {
        let page = args.page.unwrap_or(1);
        let mut users = kasm_for_account(&cx)?.api().list_users().await?;
        // Kasm returns all users at once; the order keeps the pages of several calls from overlapping.
        users.sort_by(|a, b| a.username.cmp(&b.username));
        let total = users.len();
        let pages = total.div_ceil(PAGE_SIZE).max(1);
        if page == 0 || page > pages {
            return Err(ToolError::validation(
                format!("there is no page {page}"),
                format!("pages are 1 to {pages}"),
            )
            .with_code("page_out_of_range"));
        }
        let shown = users
            .into_iter()
            .skip((page - 1) * PAGE_SIZE)
            .take(PAGE_SIZE);
        let users: Vec<_> = shown.map(UserView::from).collect();
        let message = format!("{} of {total} users, page {page} of {pages}", users.len());
        Ok(ToolReply::new(
            UserPage {
                users,
                page,
                pages,
                total,
            },
            message,
        ))
    }
}

struct GetKasmUser;

#[derive(Deserialize, JsonSchema)]
struct UserRefArgs {
    /// The user's id. Give this or `username`.
    user_id: Option<UserId>,
    /// The user's login name.
    username: Option<String>,
}

impl Tool for GetKasmUser {
    type Provider = KasmProvider;
    type Args = UserRefArgs;
    type Output = UserView;
    const NAME: &'static str = "get_kasm_user";
    const TITLE: &'static str = "Show a user";
    const ABOUT: &'static str = "Show one user of the Kasm server, by id or by login name.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: UserRefArgs,
    ) -> Result<ToolReply<UserView>, ToolError> {
        let user = match (args.user_id, args.username) {
            (Some(id), None) => UserRef::Id(id),
            (None, Some(name)) if !name.trim().is_empty() => UserRef::Name(name.trim().to_owned()),
            (_, _) => {
                return Err(ToolError::validation(
                    "exactly one of `user_id` and `username` is needed",
                    "pass the id or the name of one user",
                )
                .with_code("user_ambiguous"));
            }
        };
        let user = kasm_for_account(&cx)?.api().fetch_user(&user).await?;
        let message = format!("user {}", user.username);
        Ok(ToolReply::new(user.into(), message))
    }
}

struct CreateKasmUser;

#[derive(Deserialize, JsonSchema)]
struct CreateUserArgs {
    /// The login name, usually an e-mail address.
    username: String,
    /// The password. Kasm requires at least 8 characters of several kinds.
    // The schema marks the argument as private, so logs and audit lines leave it out; `SecretString` keeps it
    // out of debug output.
    #[schemars(with = "PrivateArgument<String>")]
    password: SecretString,
    first_name: Option<String>,
    last_name: Option<String>,
    organization: Option<String>,
    phone: Option<String>,
    /// Create the user locked.
    locked: Option<bool>,
    /// Create the user disabled.
    disabled: Option<bool>,
}

impl Tool for CreateKasmUser {
    type Provider = KasmProvider;
    type Args = CreateUserArgs;
    type Output = UserView;
    const NAME: &'static str = "create_kasm_user";
    const TITLE: &'static str = "Create a user";
    const ABOUT: &'static str = "Create a local user on the Kasm server.";
    const EFFECT: Effect = Effect::Write;
    const COST: Option<&'static CostClass> = Some(&COSTLY_TOOLS);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: CreateUserArgs,
    ) -> Result<ToolReply<UserView>, ToolError> {
        if args.username.trim().is_empty() {
            return Err(ToolError::validation(
                "argument `username` is empty",
                "give the user a name",
            )
            .with_code("argument_invalid"));
        }
        let fields = UserFields {
            username: Some(args.username.trim().to_owned()),
            password: Some(args.password),
            first_name: args.first_name,
            last_name: args.last_name,
            organization: args.organization,
            phone: args.phone,
            locked: args.locked,
            disabled: args.disabled,
        };
        let user = kasm_for_account(&cx)?.api().create_user(&fields).await?;
        let message = format!("user {} was created", user.username);
        Ok(ToolReply::new(user.into(), message))
    }
}

struct UpdateKasmUser;

#[derive(Deserialize, JsonSchema)]
struct UpdateUserArgs {
    /// The user's id.
    user_id: UserId,
    /// A new login name.
    username: Option<String>,
    /// A new password.
    #[schemars(with = "Option<PrivateArgument<String>>")]
    password: Option<SecretString>,
    first_name: Option<String>,
    last_name: Option<String>,
    organization: Option<String>,
    phone: Option<String>,
    /// Lock or unlock.
    locked: Option<bool>,
    /// Disable or enable.
    disabled: Option<bool>,
}

impl Tool for UpdateKasmUser {
    type Provider = KasmProvider;
    type Args = UpdateUserArgs;
    type Output = UserView;
    const NAME: &'static str = "update_kasm_user";
    const TITLE: &'static str = "Update a user";
    const ABOUT: &'static str = "Update the given fields of a user. Other fields stay unchanged.";
    const EFFECT: Effect = Effect::Write;
    const COST: Option<&'static CostClass> = Some(&COSTLY_TOOLS);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: UpdateUserArgs,
    ) -> Result<ToolReply<UserView>, ToolError> {
        let fields = UserFields {
            username: args.username,
            password: args.password,
            first_name: args.first_name,
            last_name: args.last_name,
            organization: args.organization,
            phone: args.phone,
            locked: args.locked,
            disabled: args.disabled,
        };
        if fields.is_empty() {
            return Err(ToolError::validation(
                "nothing to change",
                "pass at least one field besides `user_id`",
            )
            .with_code("nothing_to_change"));
        }
        let user = kasm_for_account(&cx)?
            .api()
            .update_user(args.user_id, &fields)
            .await?;
        let message = format!("user {} was updated", user.username);
        Ok(ToolReply::new(user.into(), message))
    }
}

struct DeleteKasmUser;

#[derive(Deserialize, JsonSchema)]
struct DeleteUserArgs {
    /// The user's id.
    user_id: UserId,
    /// Delete the user even with sessions, which end then (default false).
    force: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct UserChangeDone {
    user_id: String,
}

impl Tool for DeleteKasmUser {
    type Provider = KasmProvider;
    type Args = DeleteUserArgs;
    type Output = UserChangeDone;
    const NAME: &'static str = "delete_kasm_user";
    const TITLE: &'static str = "Delete a user";
    const ABOUT: &'static str = "Delete a user of the Kasm server. This cannot be undone.";
    const EFFECT: Effect = Effect::Destroy;
    const COST: Option<&'static CostClass> = Some(&COSTLY_TOOLS);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: DeleteUserArgs,
    ) -> Result<ToolReply<UserChangeDone>, ToolError> {
        kasm_for_account(&cx)?
            .api()
            .delete_user(args.user_id, args.force.unwrap_or(false))
            .await?;
        Ok(ToolReply::new(
            UserChangeDone {
                user_id: args.user_id.to_string(),
            },
            "the user was deleted",
        ))
    }
}

struct LogoutKasmUser;

#[derive(Deserialize, JsonSchema)]
struct LogoutArgs {
    /// The user's id.
    user_id: UserId,
}

impl Tool for LogoutKasmUser {
    type Provider = KasmProvider;
    type Args = LogoutArgs;
    type Output = UserChangeDone;
    const NAME: &'static str = "logout_kasm_user";
    const TITLE: &'static str = "Log a user out";
    const ABOUT: &'static str = "End all logins of a user. Sessions continue.";
    const EFFECT: Effect = Effect::Destroy;
    const COST: Option<&'static CostClass> = Some(&COSTLY_TOOLS);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: LogoutArgs,
    ) -> Result<ToolReply<UserChangeDone>, ToolError> {
        kasm_for_account(&cx)?
            .api()
            .logout_user(args.user_id)
            .await?;
        Ok(ToolReply::new(
            UserChangeDone {
                user_id: args.user_id.to_string(),
            },
            "all logins of the user were ended",
        ))
    }
}
