//! Callers and their permissions.
//!
//! A caller is a principal: a name, a tenant, and the accounts that it has in other systems. Nothing here needs an
//! account; a provider asks for the one of its system.

mod grants;
mod scope;
mod tool_filter;
mod tool_names;
mod validity;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use grants::Grants;
pub use scope::{Level, Realm, Scope, UnknownScope};
pub use tool_filter::{FilteredTool, ToolFilter};
pub use tool_names::{MalformedPattern, MalformedToolNames, ToolNameList, ToolNamePattern};
pub use validity::Validity;

/// The credential of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// None: the caller is on this machine.
    #[default]
    Local,
    /// A token from the operator.
    Token,
    /// An access token of an authorization server, where the client can request more scopes.
    OAuth,
}

/// The request of a call, and the client's address. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The request id, in log lines and in the answer: up to 64 letters, digits, `-` and `_`. The client may
    /// have chosen it.
    pub request_id: Arc<str>,
    /// The client's address, if known: the peer of the connection, or the address that a trusted proxy names.
    pub address: Option<IpAddr>,
}

/// The accounts of a caller in other systems. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerAccounts {
    /// The id of the Kasm user whose sessions it may use.
    pub kasm: Option<Arc<str>>,
}

impl CallerAccounts {
    /// The account in the system of this realm.
    #[must_use]
    pub fn account_in(&self, realm: Realm) -> Option<&Arc<str>> {
        self.kasm.as_ref().filter(|_| realm == Realm::KASM)
    }
}

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A stable name for logs and limits. Not a secret.
    pub name: Arc<str>,
    /// The scopes.
    pub grants: Grants,
    /// The tools that it is offered.
    pub reach: ToolFilter,
    /// The requests per minute that its credential allows, if it says so.
    pub rate: Option<NonZeroU32>,
    /// The kind of credential.
    pub credential: Credential,
    /// How long the credential is valid.
    pub validity: Validity,
    // These three belong together: the owner is made of the others, so only methods set them.
    tenant: Arc<str>,
    accounts: CallerAccounts,
    owner: Arc<str>,
}

impl Caller {
    /// A caller with all tools of its scopes, without accounts and expiry. It is its own tenant.
    #[must_use]
    pub fn new(name: &str, grants: impl Into<Grants>) -> Self {
        let name: Arc<str> = name.into();
        let mut caller = Self {
            grants: grants.into(),
            reach: ToolFilter::default(),
            rate: None,
            credential: Credential::default(),
            validity: Validity::default(),
            tenant: name.clone(),
            accounts: CallerAccounts::default(),
            owner: name.clone(),
            name,
        };
        caller.renew_owner();
        caller
    }

    /// The same with an account in Kasm, which is its tenant as well.
    #[must_use]
    pub fn with_kasm_account(mut self, user_id: &str) -> Self {
        let user_id: Arc<str> = user_id.into();
        self.tenant = user_id.clone();
        self.accounts.kasm = Some(user_id);
        self.renew_owner();
        self
    }

    /// The same with the account in Kasm of callers that name none, if it has a scope there. A caller without such a
    /// scope does not become one tenant with all the others.
    #[must_use]
    pub fn with_usual_kasm_account(self, user_id: Option<&str>) -> Self {
        match user_id {
            Some(user_id) if self.grants.level_in(Realm::KASM).is_some() => {
                self.with_kasm_account(user_id)
            }
            Some(_) | None => self,
        }
    }

    /// The same for this tenant. Set it after the accounts.
    #[must_use]
    pub fn with_tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.into();
        self.renew_owner();
        self
    }

    fn renew_owner(&mut self) {
        // None of the parts contains a line break, so the ends are unambiguous.
        let kasm = self.accounts.kasm.as_deref().unwrap_or_default();
        self.owner = format!("{}\n{}\n{kasm}", self.name, self.tenant).into();
    }

    /// The caller that the layers in front of a request's handler found. The only place where a request keeps
    /// it, for the surfaces of HTTP and for the handler of MCP alike.
    #[must_use]
    pub fn of_request(extensions: &http::Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The accounts in other systems.
    #[must_use]
    pub fn accounts(&self) -> &CallerAccounts {
        &self.accounts
    }

    /// Whose things it shares in a realm: those of its account there, or of its tenant. Callers with the same one
    /// are notified of each other's changes.
    #[must_use]
    pub fn tenant_in(&self, realm: Realm) -> &Arc<str> {
        // A system with accounts decides by them who has what. One tenant may have several accounts there, and
        // must not learn of one what another does.
        let account = self.accounts.account_in(realm);
        account.unwrap_or(&self.tenant)
    }

    /// Whose things are its own: its name together with its tenant and its accounts. A token that is made anew for
    /// another Kasm user has nothing of what the former one had.
    #[must_use]
    pub fn owner_key(&self) -> &Arc<str> {
        &self.owner
    }

    /// Whether the caller has `scope` or a larger one of its realm.
    #[must_use]
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.grants.includes_scope(scope)
    }

    /// A copy of the caller with fewer tools. No method adds tools.
    #[must_use]
    pub fn narrowed_by(mut self, reach: &ToolFilter) -> Self {
        self.reach = self.reach.intersect(reach);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Realm = Realm::new("other");

    fn caller(name: &str) -> Caller {
        Caller::new(name, Scope::new(Realm::KASM, Level::Use))
    }

    #[test]
    fn owner_is_of_one_name_one_tenant_and_one_account() {
        let callers = [
            caller("a"),
            caller("b"),
            caller("a").with_kasm_account("1"),
            caller("a").with_kasm_account("2"),
            caller("a").with_tenant("1"),
            caller("a").with_kasm_account("1").with_tenant("2"),
            caller("a").with_kasm_account("2").with_tenant("1"),
        ];
        for (index, one) in callers.iter().enumerate() {
            for (other_index, other) in callers.iter().enumerate() {
                let same = one.owner_key() == other.owner_key();
                assert_eq!(same, index == other_index, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn tenant_is_the_account_of_the_realm_before_the_named_one() {
        let tenants =
            |caller: &Caller| [Realm::KASM, OTHER].map(|realm| caller.tenant_in(realm).to_string());
        assert_eq!(tenants(&caller("a")), ["a", "a"]);
        assert_eq!(tenants(&caller("a").with_tenant("t")), ["t", "t"]);
        let with_account = caller("a").with_kasm_account("1");
        assert_eq!(tenants(&with_account), ["1", "1"]);
        assert_eq!(tenants(&with_account.with_tenant("t")), ["1", "t"]);
    }
}
