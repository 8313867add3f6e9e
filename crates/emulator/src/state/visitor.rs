//! Who stands behind a pair of cookies.

use jiff::Timestamp;

use super::State;
use super::token::Origin;
use crate::id::Id;
use crate::profile::RequestToken;

/// Somebody whose cookies are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) user_id: Id,
    /// The one session a viewer may look at. An owner has all their own.
    pub(crate) views: Option<Id>,
}

impl State {
    /// The visitor these cookies belong to.
    pub(crate) fn visitor(&self, username: &str, token: &str, now: Timestamp) -> Option<Visitor> {
        let token = self.tokens.by_cookie(token)?;
        let views = match token.origin {
            Origin::Login => None,
            Origin::Request(_) | Origin::Status(_) => {
                if self.profile.request_token == RequestToken::Refused {
                    return None;
                }
                None
            }
            Origin::Viewer(kasm_id) => Some(kasm_id),
            Origin::Link => return None,
        };
        let is_theirs = self.username(token.user_id) == username && now < token.expires;
        is_theirs.then_some(Visitor {
            user_id: token.user_id,
            views,
        })
    }
}
