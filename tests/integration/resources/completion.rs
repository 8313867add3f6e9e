//! Completion of arguments.

use serde_json::{Value, json};

use super::{Asker, WAYS};
use crate::support::TestServer;

const TEMPLATE: &str = "kasm://sessions/{kasm_id}/screenshot";

fn of_prompt(prompt: &str, argument: &str, value: &str) -> Value {
    json!({
        "ref": { "type": "ref/prompt", "name": prompt },
        "argument": { "name": argument, "value": value },
    })
}

fn of_template(uri: &str, argument: &str, value: &str) -> Value {
    json!({
        "ref": { "type": "ref/resource", "uri": uri },
        "argument": { "name": argument, "value": value },
    })
}

async fn values(asker: &mut Asker<'_>, params: Value) -> Vec<String> {
    let result = asker.result("completion/complete", params).await;
    let completion = &result["completion"];
    let values = completion["values"].as_array().unwrap().iter();
    let values: Vec<_> = values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(completion["total"], values.len());
    assert_eq!(completion["hasMore"], false);
    values
}

#[tokio::test]
async fn completion_of_kasm_id_lists_own_sessions() {
    let server = TestServer::start().await;
    let foreign = server.foreign_session().await;
    let mut own = [server.session().await, server.session().await];
    own.sort();
    let [first, second] = &own;
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        for of in [
            |value: &str| of_prompt("research_in_browser", "kasm_id", value),
            |value: &str| of_template(TEMPLATE, "kasm_id", value),
        ] {
            assert_eq!(values(&mut asker, of("")).await, own, "{way}");
            assert_eq!(values(&mut asker, of(first)).await, [first.as_str()]);
            assert_eq!(
                values(&mut asker, of(&second[3..].to_uppercase())).await,
                [second.as_str()]
            );
            assert_eq!(
                values(&mut asker, of("TERMINAL")).await,
                own,
                "by their workspace"
            );
            assert!(values(&mut asker, of(&foreign)).await.is_empty());
            assert!(values(&mut asker, of(&foreign[..8])).await.is_empty());
        }
    }
}

#[tokio::test]
async fn completion_of_image_name_lists_enabled_workspaces() {
    let server = TestServer::start().await;
    let workspaces = server.ok("get_available_workspaces", json!({})).await;
    let workspaces = workspaces["workspaces"].as_array().unwrap();
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let of = |value: &str| of_prompt("try_out_software", "image_name", value);
        let all = values(&mut asker, of("")).await;
        assert_eq!(all.len(), workspaces.len(), "{way}");
        assert!(all.is_sorted());
        let found = values(&mut asker, of("termin")).await;
        assert_eq!(found, ["Terminal"], "{way}");
        // What begins with the text comes first.
        let found = values(&mut asker, of("c")).await;
        let begins = found
            .iter()
            .map(|name| name.to_lowercase().starts_with('c'));
        assert!(begins.is_sorted_by_key(|begins| !begins), "{found:?}");
        assert!(values(&mut asker, of("no such workspace")).await.is_empty());
    }
}

#[tokio::test]
async fn completion_of_unknown_prompt_or_argument_is_refused() {
    let server = TestServer::start().await;
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let anything = of_prompt("find_out_why", "problem", "my");
        assert!(values(&mut asker, anything).await.is_empty(), "{way}");
        for (params, words) in [
            (of_prompt("nope", "kasm_id", ""), "find_out_why"),
            (
                of_prompt("find_out_why", "image_name", ""),
                "problem, kasm_id",
            ),
            (
                of_template("kasm://other/{kasm_id}", "kasm_id", ""),
                "templates",
            ),
            (of_template("kasm://sessions", "kasm_id", ""), "templates"),
            (of_template(TEMPLATE, "image_name", ""), "kasm_id"),
        ] {
            let (code, message) = asker.error("completion/complete", params).await;
            assert_eq!(code, -32602, "{way}: {message}");
            assert!(message.contains(words), "{way}: {message}");
        }
    }
}
