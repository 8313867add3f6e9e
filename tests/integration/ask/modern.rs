//! Revision 2026-07-28: the question goes out as a result, the answer comes with the next call.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use kasm_mcp::clock::ManualClock;
use kasm_mcp::mcp::approvals::ApprovalBook;
use serde_json::{Value, json};

use super::{SHARED, Server, refused, start};

/// A call of `run` by a client that can ask. Returns the result.
async fn call(server: &Server, params: Value) -> Value {
    let capabilities = json!({ "elicitation": { "form": {} } });
    let name = params["name"].as_str().unwrap().to_owned();
    let answer = server
        .modern("tools/call", params, &name, capabilities)
        .await;
    answer["result"].clone()
}

fn params(command: &str) -> Value {
    json!({ "name": "run", "arguments": { "command": command } })
}

/// The same call with a person's answer.
fn answered(mut params: Value, state: &Value, answer: &Value) -> Value {
    params["requestState"] = state.clone();
    params["inputResponses"] = json!({ "consent": answer });
    params
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "answer": "once" } })
}

/// Asks for consent to a command and returns the state.
async fn state(server: &Server, command: &str) -> Value {
    let result = call(server, params(command)).await;
    assert_eq!(result["resultType"], "input_required", "{result}");
    result["requestState"].clone()
}

#[tokio::test]
async fn approved_call_runs_once() {
    let server = start("agreed", &SHARED).await;
    let result = call(&server, params("rm -r x")).await;
    assert_eq!(result["resultType"], "input_required", "{result}");
    let form = &result["inputRequests"]["consent"];
    assert_eq!(form["method"], "elicitation/create");
    assert_eq!(form["params"]["mode"], "form");
    let message = form["params"]["message"].as_str().unwrap();
    assert!(
        message.contains("Run a command") && message.contains("rm -r x in ~"),
        "{message}"
    );
    let schema = &form["params"]["requestedSchema"];
    assert_eq!(
        schema["properties"]["answer"]["enum"],
        json!(["once", "no"])
    );
    assert_eq!(schema["required"], json!(["answer"]));
    let named = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
    assert_eq!(*named, "kasm-mcp");
    assert_eq!(server.times(), 0, "nothing is done before the answer");

    let state = &result["requestState"];
    let result = call(&server, answered(params("rm -r x"), state, &yes())).await;
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["structuredContent"]["data"]["times"], 1, "{result}");
}

#[tokio::test]
async fn approval_answer_other_than_yes_is_refused() {
    let server = start("no", &SHARED).await;
    for (answer, code) in [
        (json!({ "action": "decline" }), "approval_declined"),
        (json!({ "action": "cancel" }), "approval_unanswered"),
        (
            json!({ "action": "accept", "content": { "answer": "no" } }),
            "approval_declined",
        ),
        (json!({ "action": "accept" }), "approval_invalid"),
        (
            json!({ "action": "accept", "content": { "answer": true } }),
            "approval_invalid",
        ),
        (json!({ "action": "sure" }), "approval_invalid"),
        (json!("yes"), "approval_invalid"),
    ] {
        let state = state(&server, "rm").await;
        let result = call(&server, answered(params("rm"), &state, &answer)).await;
        refused(&result["structuredContent"], code);
        assert_eq!(result["isError"], true);
        // The answer is used up, whatever it was.
        let result = call(&server, answered(params("rm"), &state, &yes())).await;
        refused(&result["structuredContent"], "request_state_used");
    }
    assert_eq!(server.times(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_state_used_twice_is_refused() {
    let server = start("replay", &SHARED).await;
    let state = state(&server, "rm").await;
    let again = answered(params("rm"), &state, &yes());
    let together = (0..8).map(|_| call(&server, again.clone()));
    let results = join_all(together).await;
    let agreed = |result: &&Value| result["structuredContent"]["success"] == true;
    assert_eq!(results.iter().filter(agreed).count(), 1, "{results:?}");
    let result = call(&server, again).await;
    refused(&result["structuredContent"], "request_state_used");
    assert_eq!(server.times(), 1);
}

#[tokio::test]
async fn request_state_changed_or_forged_is_refused() {
    let server = start("tampered", &SHARED).await;
    let state = state(&server, "rm").await;
    let text = state.as_str().unwrap();
    let mut forged = vec![
        String::new(),
        "x".to_owned(),
        "=".repeat(40),
        "A".repeat(text.len()),
        "A".repeat(1 << 16),
        text[1..].to_owned(),
        format!("{text}AAAA"),
    ];
    for at in (0..text.len()).step_by(7) {
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        let mut changed = text.to_owned();
        changed.replace_range(at..=at, other);
        forged.push(changed);
    }
    for forged in forged {
        let result = call(&server, answered(params("rm"), &json!(forged), &yes())).await;
        refused(&result["structuredContent"], "request_state_unknown");
    }
    assert_eq!(server.times(), 0);
    let result = call(&server, answered(params("rm"), &state, &yes())).await;
    assert_eq!(
        result["structuredContent"]["success"], true,
        "the true one still counts: {result}"
    );
}

#[tokio::test]
async fn request_state_for_other_caller_tool_or_arguments_is_refused() {
    let server = start("first", &SHARED).await;
    let other = start("second", &SHARED).await;
    let state = state(&server, "rm a").await;

    let result = call(&other, answered(params("rm a"), &state, &yes())).await;
    refused(&result["structuredContent"], "request_state_unknown");
    assert_eq!(other.times(), 0);

    let tool = json!({ "name": "run_elsewhere", "arguments": { "command": "rm a" } });
    let result = call(&server, answered(tool, &state, &yes())).await;
    refused(&result["structuredContent"], "request_state_of_other_call");

    let result = call(&server, answered(params("rm b"), &state, &yes())).await;
    refused(&result["structuredContent"], "request_state_of_other_call");

    let elsewhere = json!({ "name": "run", "arguments": { "command": "rm a", "place": "/" } });
    let result = call(&server, answered(elsewhere, &state, &yes())).await;
    refused(&result["structuredContent"], "request_state_of_other_call");

    // The same call means something else since the rules have changed.
    server.provider.rules.store(1, Ordering::SeqCst);
    let result = call(&server, answered(params("rm a"), &state, &yes())).await;
    refused(
        &result["structuredContent"],
        "request_state_of_other_subject",
    );
    server.provider.rules.store(0, Ordering::SeqCst);

    assert_eq!(server.times(), 0);
    let result = call(&server, answered(params("rm a"), &state, &yes())).await;
    assert_eq!(result["structuredContent"]["success"], true, "{result}");
}

#[tokio::test]
async fn request_state_with_reordered_arguments_is_accepted() {
    let server = start("order", &SHARED).await;
    let one = json!({ "name": "run", "arguments": { "command": "rm", "place": "/" } });
    let two = json!({ "name": "run", "arguments": { "place": "/", "command": "rm" } });
    let state = call(&server, one).await["requestState"].clone();
    let result = call(&server, answered(two, &state, &yes())).await;
    assert_eq!(result["structuredContent"]["success"], true, "{result}");
}

#[tokio::test]
async fn request_state_too_old_or_before_restart_is_refused() {
    let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
    let consent = ApprovalBook::with_clock(Duration::from_secs(60), clock.wall_clock());
    let server = start("late", &consent).await;
    let state = state(&server, "rm").await;
    clock.advance_by(Duration::from_secs(60));
    let late = answered(params("rm"), &state, &yes());
    let result = call(&server, late.clone()).await;
    refused(&result["structuredContent"], "request_state_expired");
    let restarted = start("late", &ApprovalBook::new(Duration::from_secs(60))).await;
    let result = call(&restarted, late).await;
    refused(&result["structuredContent"], "request_state_unknown");
}

#[tokio::test]
async fn approval_answer_without_state_asks_again() {
    let server = start("stateless", &SHARED).await;
    let mut guess = params("rm");
    guess["inputResponses"] = json!({ "consent": yes() });
    let asked = call(&server, guess).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let mut silent = params("rm");
    silent["requestState"] = asked["requestState"].clone();
    let asked = call(&server, silent).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(server.times(), 0);
}

#[tokio::test]
async fn approval_without_form_elicitation_is_refused() {
    let server = start("formless", &SHARED).await;
    for capabilities in [
        json!({}),
        json!({ "elicitation": { "url": {} } }),
        json!({ "sampling": {} }),
    ] {
        let answer = server
            .modern("tools/call", params("rm"), "run", capabilities)
            .await;
        refused(
            &answer["result"]["structuredContent"],
            "approval_unavailable",
        );
    }
    for capabilities in [
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {}, "url": {} } }),
    ] {
        let answer = server
            .modern("tools/call", params("rm"), "run", capabilities)
            .await;
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    }
}

#[tokio::test]
async fn ninth_open_approval_of_a_caller_is_rate_limited() {
    let consent = ApprovalBook::new(Duration::from_secs(60));
    let server = start("many", &consent).await;
    let first = state(&server, "rm").await;
    for _ in 1..8 {
        state(&server, "rm").await;
    }
    let result = call(&server, params("rm")).await;
    assert_eq!(
        result["structuredContent"]["code"], "too_many_approvals",
        "{result}"
    );
    let other = start("other", &consent).await;
    state(&other, "rm").await;
    // An answer makes room.
    let result = call(&server, answered(params("rm"), &first, &yes())).await;
    assert_eq!(result["structuredContent"]["success"], true, "{result}");
    state(&server, "rm").await;
}
