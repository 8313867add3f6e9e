//! Much output: what is shown, what is paged, what is kept.

use std::fmt::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server;
use crate::support::TestServer;

const MIB: usize = 1 << 20;

/// Everything that is kept of standard output, and the last reply.
async fn paged(server: &TestServer, kasm_id: &str, job_id: &str) -> (Vec<u8>, Value) {
    let (mut bytes, mut offset) = (Vec::new(), 0);
    loop {
        let args = json!({ "kasm_id": kasm_id, "job_id": job_id, "offset": offset });
        let reply = server.ok("get_command_output", args).await;
        assert_eq!(reply["stderr"], "", "{job_id}");
        let text = reply["stdout"].as_str().unwrap();
        match reply["stdout_encoding"].as_str() {
            None => bytes.extend(text.as_bytes()),
            Some("base64") => {
                bytes.extend(BASE64.decode(text.as_bytes()).unwrap());
            }
            Some(other) => panic!("{other}"),
        }
        if reply["running"] == false {
            return (bytes, reply);
        }
        offset = reply["next_offset"].as_u64().unwrap();
        assert_eq!(offset, bytes.len() as u64);
    }
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The numbers from 1 on, one a line, cut after so many bytes.
fn numbers(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut number = 1;
    while text.len() < bytes {
        writeln!(text, "{number}").unwrap();
        number += 1;
    }
    text.truncate(bytes);
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 10 MiB through a shell"]
async fn slow_ten_mebibytes_of_random_output_arrive_unchanged() {
    let server = server(&[("KASM_COMMAND_OUTPUT_BYTES", "1048576")]).await;
    let id = server.session().await;
    let command = "cd; head -c 10485760 /dev/urandom | tee >(sha256sum >sum) && sync sum";
    let data = server.run(&id, command).await;
    assert_eq!(data["exit_code"], 0);
    assert_eq!(data["stdout_truncated"], true, "a reply has 1 MiB");
    assert_eq!(data["stdout_encoding"], "base64");
    let (bytes, last) = paged(&server, &id, data["job_id"].as_str().unwrap()).await;
    assert_eq!(bytes.len(), 10 * MIB);
    assert_eq!(last["stdout_truncated"], false, "all of it was kept");
    assert_eq!(last["exit_code"], 0);
    let sum = server.run(&id, "cut -c 1-64 ~/sum").await;
    assert_eq!(sum["stdout"].as_str().unwrap().trim_end(), sha256(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 12 MiB through a shell"]
async fn slow_output_over_the_cap_is_truncated_and_says_so() {
    let server = server(&[("KASM_COMMAND_OUTPUT_BYTES", "1048576")]).await;
    let id = server.session().await;
    let data = server.run(&id, "seq 1 99999999 | head -c 12582912").await;
    assert_eq!(data["exit_code"], 0);
    assert_eq!(data["stdout_truncated"], true);
    assert_eq!(data["stderr_truncated"], false);
    let kept = numbers(10 * MIB);
    let text = data["stdout"].as_str().unwrap();
    assert!(text.starts_with("1\n2\n3\n"));
    assert!(text.ends_with(&kept[kept.len() - 1_000..]));
    let left_out = format!("[{} bytes left out]", 9 * MIB);
    assert!(text.contains(&left_out), "half a reply each");
    let (bytes, last) = paged(&server, &id, data["job_id"].as_str().unwrap()).await;
    assert_eq!(bytes.len(), kept.len());
    assert_eq!(sha256(&bytes), sha256(kept.as_bytes()));
    assert_eq!(last["stdout_truncated"], true, "it wrote 12 MiB");
    assert_eq!(last["exit_code"], 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 200,000 lines through a shell"]
async fn slow_two_hundred_thousand_lines_arrive_complete() {
    let server = server(&[]).await;
    let id = server.session().await;
    let data = server.run(&id, "seq 1 200000").await;
    let (bytes, last) = paged(&server, &id, data["job_id"].as_str().unwrap()).await;
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 200_000);
    for (line, number) in text.lines().zip(1..) {
        assert_eq!(line.parse(), Ok(number));
    }
    assert_eq!(last["stdout_truncated"], false);
    assert_eq!(last["exit_code"], 0);
}
