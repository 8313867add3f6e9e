//! Two realms on one server: a scope in one gives nothing in the other. The tools are those of a test, behind the
//! production stack.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jsonwebtoken::Algorithm;
use kasm_mcp::access::{TokenFile as OpenTokenFile, TokenFileRules};
use kasm_mcp::caller::{Caller, Level, Realm, Scope};
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::oauth::{OAuthConfig, TokenVerifier};
use kasm_mcp::tool::{AnyTool, Effect, Tool, ToolCallContext, ToolError, ToolReply, Toolset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::issuer::{Issuer, Key, OPENID};
use super::{TokenFile, token};
use crate::support::toolbox::Toolbox;
use crate::support::{TOKEN, rpc};

const OTHER: Realm = Realm::new("other");
const REALMS: &[Realm] = &[Realm::KASM, OTHER];
const RESOURCE: &str = "https://mcp.example.org/mcp";

/// The provider of both toolsets. Its tools have no state.
#[derive(Debug)]
struct Rooms;

#[derive(Deserialize, JsonSchema)]
struct NoRoomArgs {}

#[derive(Serialize, JsonSchema)]
struct RoomReply {
    caller: String,
}

/// A tool that reads in a room.
struct LookIn<const ROOM: char>;
/// A tool that changes a room.
struct WorkIn<const ROOM: char>;

async fn enter(cx: ToolCallContext<'_, Rooms>) -> Result<ToolReply<RoomReply>, ToolError> {
    let caller = cx.caller.name.to_string();
    Ok(ToolReply::new(RoomReply { caller }, "entered"))
}

impl<const ROOM: char> Tool for LookIn<ROOM> {
    type Provider = Rooms;
    type Args = NoRoomArgs;
    type Output = RoomReply;
    const NAME: &'static str = if ROOM == 'k' {
        "look_in_kasm"
    } else {
        "look_in_other"
    };
    const TITLE: &'static str = "Look";
    const ABOUT: &'static str = "Looks into a room.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, Rooms>,
        _: NoRoomArgs,
    ) -> Result<ToolReply<RoomReply>, ToolError> {
        enter(cx).await
    }
}

impl<const ROOM: char> Tool for WorkIn<ROOM> {
    type Provider = Rooms;
    type Args = NoRoomArgs;
    type Output = RoomReply;
    const NAME: &'static str = if ROOM == 'k' {
        "work_in_kasm"
    } else {
        "work_in_other"
    };
    const TITLE: &'static str = "Work";
    const ABOUT: &'static str = "Works in a room.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, Rooms>,
        _: NoRoomArgs,
    ) -> Result<ToolReply<RoomReply>, ToolError> {
        enter(cx).await
    }
}

const KASM_TOOLS: &[&dyn AnyTool<Rooms>] = &[&LookIn::<'k'>, &WorkIn::<'k'>];
const OTHER_TOOLS: &[&dyn AnyTool<Rooms>] = &[&LookIn::<'o'>, &WorkIn::<'o'>];

const TOOLSETS: &[Toolset<Rooms>] = &[
    Toolset {
        name: "kasm_rooms",
        about: "Rooms of one realm.",
        scope: Scope::new(Realm::KASM, Level::Read),
        tools: KASM_TOOLS,
    },
    Toolset {
        name: "other_rooms",
        about: "Rooms of another one.",
        scope: Scope::new(OTHER, Level::Read),
        tools: OTHER_TOOLS,
    },
];

fn rules() -> TokenFileRules {
    TokenFileRules {
        toolsets: TOOLSETS.iter().map(|toolset| toolset.name).collect(),
        realms: REALMS,
        kasm_user: None,
        user_id: |text| Some(text.to_owned()),
    }
}

/// A server whose usual token has every scope.
async fn serve(change: impl FnOnce(Authenticator) -> Authenticator) -> Toolbox<Rooms> {
    let scopes = REALMS.iter().map(|realm| Scope::new(*realm, Level::Admin));
    let caller = Caller::new("token", scopes.collect::<kasm_mcp::caller::Grants>());
    let auth = change(Authenticator::new(Some(&TOKEN.into()), caller));
    Toolbox::serve(Arc::new(Rooms), TOOLSETS, auth).await
}

async fn serve_tokens(entries: &[(&str, &str)]) -> Toolbox<Rooms> {
    let file = TokenFile::new(entries);
    let tokens = OpenTokenFile::open(file.path().into(), rules()).unwrap();
    serve(|auth| auth.with_tokens(Arc::new(tokens))).await
}

struct Answer {
    status: u16,
    challenge: String,
    body: Value,
}

async fn post(server: &Toolbox<Rooms>, token: Option<&str>, body: &Value) -> Answer {
    let url = format!("{}/mcp", server.base);
    let request = server.http.post(url).json(body);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate");
    Answer {
        status: answer.status().as_u16(),
        challenge: challenge
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        body: answer.json().await.unwrap_or_default(),
    }
}

fn call(tool: &str) -> Value {
    rpc("tools/call", json!({ "name": tool, "arguments": {} }))
}

async fn offered(server: &Toolbox<Rooms>, token: &str) -> Vec<String> {
    let list = post(server, Some(token), &rpc("tools/list", json!({}))).await;
    let tools = list.body["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn scope_of_one_realm_gives_nothing_in_another() {
    let server = serve_tokens(&[
        ("kasm", "scope = \"kasm:use\""),
        ("other", "scope = \"other:admin\""),
        ("both", "scope = \"kasm:read other:use\""),
        (
            "list",
            "scope = [\"other:use\", \"kasm:read\", \"other:read\"]",
        ),
        ("scopes", "scopes = [\"kasm:read\", \"other:use\"]"),
    ])
    .await;
    let all = [
        "look_in_kasm",
        "work_in_kasm",
        "look_in_other",
        "work_in_other",
    ];
    assert_eq!(offered(&server, TOKEN).await, all);
    let mixed = &["look_in_kasm", "look_in_other", "work_in_other"][..];
    for (name, tools) in [
        ("kasm", &all[..2]),
        ("other", &all[2..]),
        ("both", mixed),
        ("list", mixed),
        ("scopes", mixed),
    ] {
        let token = token(name);
        assert_eq!(offered(&server, &token).await, tools, "{name}");
        for tool in all {
            let answer = post(&server, Some(&token), &call(tool)).await;
            let reply = &answer.body["result"]["structuredContent"];
            if tools.contains(&tool) {
                assert_eq!(reply["data"]["caller"], name, "{name} {tool}: {reply}");
            } else {
                assert_eq!(reply["code"], "scope_missing", "{name} {tool}: {reply}");
            }
        }
    }
}

#[tokio::test]
async fn metrics_need_an_administrator_of_every_realm() {
    let server = serve_tokens(&[
        ("kasm", "scope = \"kasm:admin other:use\""),
        ("other", "scope = \"other:admin\""),
        ("both", "scope = \"kasm:admin other:admin\""),
    ])
    .await;
    for (name, status) in [("kasm", 403), ("other", 403), ("both", 200)] {
        let url = format!("{}/metrics", server.base);
        let answer = server.http.get(url).bearer_auth(token(name));
        assert_eq!(answer.send().await.unwrap().status(), status, "{name}");
    }
}

#[test]
fn unknown_realm_in_a_token_file_names_the_known_ones() {
    let file = TokenFile::new(&[("a", "scope = \"kasm:use nodes:use\"")]);
    let refused = OpenTokenFile::open(file.path().into(), rules()).unwrap_err();
    let words = "token 1 (`a`), `scope`: unknown realm `nodes`; the realms are kasm, other";
    assert!(refused.to_string().contains(words), "{refused}");
}

/// A server that accepts access tokens for both realms, and knows one Kasm user by id.
async fn serve_oauth(issuer: &Issuer) -> Toolbox<Rooms> {
    let verifier = TokenVerifier::new(OAuthConfig {
        issuers: vec![issuer.url.clone()],
        audiences: Vec::new(),
        user_claim: Some("kasm".to_owned()),
        realms: REALMS.into(),
        clock_skew: Duration::from_secs(5),
        resource: RESOURCE.to_owned(),
    });
    let known = |text: &str| (text == "known").then(|| text.to_owned());
    let find = |_| async { Err("no name is looked up here".to_owned()) }.boxed();
    let verifier = verifier.unwrap().with_users(known, Box::new(find));
    serve(|auth| auth.with_oauth(Arc::new(verifier))).await
}

#[tokio::test]
async fn challenges_name_the_scopes_of_the_realms_in_question() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let server = serve_oauth(&issuer).await;
    // The tokens name no Kasm user, and need none for another realm.
    let signed = |scope: &str| {
        let mut claims = issuer.claims(RESOURCE, scope, "");
        claims.as_object_mut().unwrap().remove("kasm");
        key.sign(&claims)
    };
    let other = signed("openid other:read");
    assert_eq!(offered(&server, &other).await, ["look_in_other"]);
    let answer = post(&server, Some(&other), &call("look_in_other")).await;
    let name = &answer.body["result"]["structuredContent"]["data"]["caller"];
    assert_eq!(*name, format!("oauth:alice@{}", issuer.url));
    let foreign = signed("sandboxes:admin");
    let batch = json!([
        call("work_in_kasm"),
        call("look_in_kasm"),
        call("work_in_other")
    ]);
    for (token, body, scopes) in [
        (&other, call("look_in_kasm"), "kasm:read"),
        (&other, call("work_in_kasm"), "kasm:read kasm:use"),
        (&other, call("work_in_other"), "other:read other:use"),
        (&other, batch, "kasm:read kasm:use other:read other:use"),
        (&foreign, call("look_in_other"), "kasm:read other:read"),
    ] {
        let answer = post(&server, Some(token), &body).await;
        assert_eq!(answer.status, 403, "{body}");
        for words in [
            "error=\"insufficient_scope\"",
            &format!("scope=\"{scopes}\""),
        ] {
            assert!(
                answer.challenge.contains(words),
                "{words}: {}",
                answer.challenge
            );
        }
    }
    let nobody = post(&server, None, &call("look_in_other")).await;
    assert_eq!(nobody.status, 401);
    let usual = "scope=\"kasm:read kasm:use other:read other:use\"";
    assert!(nobody.challenge.contains(usual), "{}", nobody.challenge);
    let url = format!("{}/.well-known/oauth-protected-resource", server.base);
    let metadata: Value = server
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let supported = json!(["kasm:read", "kasm:use", "other:read", "other:use"]);
    assert_eq!(metadata["scopes_supported"], supported);
}

#[tokio::test]
async fn access_token_needs_a_kasm_user_only_for_scopes_in_kasm() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let server = serve_oauth(&issuer).await;
    let list = rpc("tools/list", json!({}));
    for (scope, user, status, code) in [
        ("other:use", "", 200, ""),
        ("other:use", "name", 200, ""),
        ("kasm:use", "", 403, "no_kasm_user"),
        ("kasm:use other:use", "", 403, "no_kasm_user"),
        ("kasm:use other:use", "known", 200, ""),
        ("kasm:use", "name", 503, "token_not_judged"),
    ] {
        let claims = issuer.claims(RESOURCE, scope, user);
        let answer = post(&server, Some(&key.sign(&claims)), &list).await;
        assert_eq!(
            answer.status, status,
            "{scope} of `{user}`: {}",
            answer.body
        );
        let found = &answer.body["error"]["data"]["code"];
        assert_eq!(
            found.as_str().unwrap_or_default(),
            code,
            "{scope} of `{user}`"
        );
    }
}
