//! Requests without a token, with a narrow one, and with one that is taken back in the middle.

use futures::future::join_all;
use serde_json::json;

use super::{begin, finish, surfaces};
use crate::callers::{TokenFile, token};
use crate::support::{TOKEN, TestServer};
use crate::tools::exec;

const USE: &str = "scope = \"kasm:use\"";

async fn server(file: &TokenFile) -> TestServer {
    let settings = [("MCP_TOKENS_FILE", file.path())];
    TestServer::in_front_of(exec::emulator().await, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_it_is_401_on_each_surface() {
    let server = server(&TokenFile::new(&[])).await;
    let id = server.session().await;
    for surface in surfaces(&server, TOKEN, "list_user_sessions", &id).await {
        for (token, code) in [
            (None, "token_missing"),
            (Some("a-wrong-token-0123456789"), "token_invalid"),
        ] {
            let answer = surface.send(&server, token, &surface.body).await;
            let told = (answer.status, answer.code());
            assert_eq!(told, (401, code), "{}: {answer:?}", surface.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_token_reaches_no_more_on_any_surface() {
    let file = TokenFile::new(&[("looks", &format!("{USE}\nread_only = true"))]);
    let server = server(&file).await;
    let id = server.session().await;
    let looks = token("looks");
    for surface in surfaces(&server, &looks, "destroy_kasm_session", &id).await {
        let answer = surface.send(&server, Some(&looks), &surface.body).await;
        let told = (answer.status, answer.code());
        let wanted = match surface.name {
            "rest" | "rest by name" => (404, "tool_unknown"),
            "files" => (403, "transfer_not_offered"),
            // The answer is on the stream, or in the list of answers.
            "messages" => (202, ""),
            "batch" => {
                let code = &answer.body[0]["error"]["data"]["code"];
                assert_eq!(*code, json!("tool_unknown"), "{answer:?}");
                (200, "")
            }
            _ => (200, "tool_unknown"),
        };
        assert_eq!(told, wanted, "{}: {answer:?}", surface.name);
    }
    assert_eq!(server.word_of(&id).as_deref(), Some("running"));
}

/// A header narrows a full token in the same way, on the way of files as well.
#[tokio::test(flavor = "multi_thread")]
async fn headers_narrow_transfers_too() {
    let server = server(&TokenFile::new(&[])).await;
    let id = server.session().await;
    let url = format!("{}/files/{id}/home/kasm-user/x", server.base);
    let put = || server.http.put(&url).bearer_auth(TOKEN).body("x");
    for (header, value) in [("x-mcp-readonly", "true"), ("x-mcp-toolsets", "exec")] {
        let answer = put().header(header, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{header}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "transfer_not_offered", "{header}");
    }
    let answer = put().header("x-mcp-readonly", "maybe").send().await;
    assert_eq!(answer.unwrap().status(), 400);
    assert!(server.bodies("exec_command_kasm").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_ends_what_it_began_on_each_surface() {
    let file = TokenFile::new(&[("goes", USE)]);
    let server = server(&file).await;
    let id = server.session().await;
    let goes = token("goes");
    let surfaces = surfaces(&server, &goes, "list_user_sessions", &id).await;
    // Half of a body: the rest is waited for.
    let begun = join_all(surfaces.iter().map(|surface| async {
        let head = surface.head(Some(&goes), "application/json", 3_000_000);
        let half = " ".repeat(1_000_000);
        begin(&server, &(head + &half)).await
    }));
    let begun = begun.await;
    file.write(&[]);
    for (surface, socket) in surfaces.iter().zip(begun) {
        let answer = finish(socket).await;
        let told = (answer.status, answer.code());
        assert_eq!(told, (401, "token_invalid"), "{}: {answer:?}", surface.name);
    }
}
