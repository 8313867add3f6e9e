//! Session tokens. Despite the name a token is a login of a whole user; only a
//! viewer's token is tied to one session.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::date;
use crate::id::Id;

/// Tokens kept per server; the oldest go first.
const TOKENS_MAX: usize = 10_000;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The answer of `request_kasm` for this session.
    Request(Id),
    /// A status call for this session.
    Status(Id),
    /// Somebody joined this session as a viewer.
    Viewer(Id),
    /// Made on purpose for a user.
    Login,
    /// The link of `get_login`.
    Link,
}

/// One token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The name it is managed under.
    pub(crate) name: String,
    /// The value a browser would keep as its cookie.
    pub(crate) jwt: String,
    pub(crate) user_id: Id,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) origin: Origin,
}

impl Token {
    pub(crate) fn json(&self) -> Value {
        json!({
            "session_token": self.name,
            "session_token_date": date::plain(self.created),
            "expires_at": date::plain(self.expires),
            "session_jwt": self.jwt,
        })
    }
}

/// All tokens in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<Token>);

impl Tokens {
    pub(crate) fn add(&mut self, token: Token) {
        if self.0.len() >= TOKENS_MAX {
            self.0.drain(..TOKENS_MAX / 2);
        }
        self.0.push(token);
    }

    /// Ends every token this session's owner got for it.
    pub(crate) fn void_session(&mut self, kasm_id: Id) {
        self.0.retain(|t| {
            t.origin != Origin::Request(kasm_id) && t.origin != Origin::Status(kasm_id)
        });
    }

    /// Ends every token of a user.
    pub(crate) fn void_user(&mut self, user_id: Id) {
        self.0.retain(|t| t.user_id != user_id);
    }

    pub(crate) fn logins(&self, user_id: Id) -> impl Iterator<Item = &Token> {
        self.0
            .iter()
            .filter(move |t| t.origin == Origin::Login && t.user_id == user_id)
    }

    pub(crate) fn login_mut(&mut self, name: &str) -> Option<&mut Token> {
        self.0
            .iter_mut()
            .find(|t| t.origin == Origin::Login && t.name == name)
    }

    pub(crate) fn remove_login(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0
            .retain(|t| t.origin != Origin::Login || t.name != name);
        self.0.len() < before
    }

    pub(crate) fn by_cookie(&self, jwt: &str) -> Option<&Token> {
        self.0.iter().find(|t| t.jwt == jwt)
    }
}
