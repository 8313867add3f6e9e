//! The settings of OAuth.

use super::reader::SettingsReader;
use super::variable::{Variable, with_default, without_default};
use crate::caller::Realm;
use crate::oauth::{OAuthConfig, is_safe_url};

const ISSUERS: &str = "MCP_OAUTH_ISSUERS";
const USER_CLAIM: &str = "MCP_OAUTH_USER_CLAIM";

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    without_default(
        ISSUERS,
        "https://login.example.org/realms/kasm",
        "The issuer identifiers of the authorization servers whose access tokens are accepted, separated by commas (docs/security.md). Each must equal the `iss` claim exactly. Needs MCP_PUBLIC_URL and, for Kasm, MCP_OAUTH_USER_CLAIM.",
    ),
    without_default(
        USER_CLAIM,
        "preferred_username",
        "The claim of an access token that names the Kasm user, by username or id. Choose a claim that users cannot change themselves.",
    ),
    without_default(
        "MCP_OAUTH_AUDIENCE",
        "https://mcp.example.org/mcp",
        "The audiences that are accepted in access tokens, separated by commas. Default: MCP_PUBLIC_URL, alone or with the path of an entry point such as /mcp.",
    ),
    with_default(
        "MCP_OAUTH_CLOCK_SKEW_SECONDS",
        "30",
        "The largest accepted clock difference to an authorization server.",
    ),
];

/// The settings, if an issuer is named. `public_url` has no `/mcp`; `realms` are those of the providers that are on.
pub(super) fn read_oauth(
    reader: &mut SettingsReader,
    public_url: Option<&str>,
    realms: &[Realm],
) -> Option<OAuthConfig> {
    let issuers: Vec<String> =
        reader.list_value(ISSUERS, "write each issuer exactly as its `iss` claim");
    let audiences: Vec<String> = reader.list_value(
        "MCP_OAUTH_AUDIENCE",
        "write each audience exactly as the `aud` claim",
    );
    let clock_skew = reader.seconds_value("MCP_OAUTH_CLOCK_SKEW_SECONDS", 0, 600);
    // Only Kasm has users of its own, so without Kasm no claim has to name one.
    let has_users = realms.contains(&Realm::KASM);
    let user_claim = reader.text_value(USER_CLAIM).filter(|_| has_users);
    // Without an issuer, OAuth is off, and its other settings have no effect.
    if issuers.is_empty() {
        return None;
    }
    for issuer in &issuers {
        if !is_issuer(issuer) {
            let problem = format!("`{issuer}` is not a valid issuer");
            let remedy =
                "use https URLs without a query, such as https://login.example.org/realms/kasm";
            reader.add_mistake(ISSUERS, problem, remedy);
        }
    }
    if has_users && user_claim.is_none() {
        let remedy = "name the claim with the Kasm username or id, such as preferred_username; users must not be \
            able to change its value";
        reader.add_mistake(
            USER_CLAIM,
            "not set, but MCP_OAUTH_ISSUERS is".to_owned(),
            remedy,
        );
    }
    if public_url.is_none() {
        let problem = "not set, but MCP_OAUTH_ISSUERS is: clients ask for tokens for this URL";
        let remedy = "give the URL that clients use, such as https://mcp.example.org";
        reader.add_mistake("MCP_PUBLIC_URL", problem.to_owned(), remedy);
    }
    let resource = format!("{}/mcp", public_url?);
    Some(OAuthConfig {
        issuers,
        audiences,
        user_claim,
        realms: realms.into(),
        clock_skew,
        resource,
    })
}

/// Whether a URL is valid as an issuer.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = text.parse::<reqwest::Url>() else {
        return false;
    };
    // An issuer has no query and no fragment (RFC 8414, section 2).
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    plain && is_safe_url(text)
}
