//! `/files/…` and the links to it.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{HOME, noise, server, sha256};
use crate::support::{TOKEN, TestServer, confinement};
use crate::tools::exec;

/// A server that knows its own address, so that links work.
async fn linked(settings: &[(&str, &str)]) -> Option<TestServer> {
    if confinement::skips_test() {
        return None;
    }
    Some(exec::relayed_with(settings).await)
}

impl TestServer {
    async fn link(&self, kasm_id: &str, path: &str, direction: &str) -> String {
        let args = json!({ "kasm_id": kasm_id, "file_path": path, "direction": direction });
        let data = self.ok("link_kasm_file", args).await;
        data["url"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_link_works_once_in_each_direction() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/a b/ü?#%.bin");
    let bytes = noise(3 << 20);
    let url = server.link(&id, &path, "upload").await;
    let answer = server
        .http
        .put(&url)
        .body(bytes.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let stored: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(stored["sha256"], sha256(&bytes));
    assert_eq!(stored["path"], path);
    let again = server.http.put(&url).body("other").send().await.unwrap();
    assert_eq!(again.status(), 404);

    let touch = format!("touch -d @784111777 '{path}'");
    assert_eq!(server.run(&id, &touch).await["exit_code"], 0);
    let url = server.link(&id, &path, "download").await;
    let head = server.http.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 405, "a preview does not use it up");
    let answer = server.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-length"), bytes.len().to_string());
    assert_eq!(
        header("content-disposition"),
        "attachment; filename*=UTF-8''%C3%BC%3F%23%25.bin"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    let digest = BASE64.encode(&Sha256::digest(&bytes));
    assert_eq!(header("repr-digest"), format!("sha-256=:{digest}:"));
    // RFC 9110 has this very date as its example.
    assert_eq!(header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert!(answer.bytes().await.unwrap() == bytes);
    assert_eq!(server.http.get(&url).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_link_for_other_file_or_direction_is_404() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    for name in ["f", "g"] {
        server
            .write_text(&id, &format!("{HOME}/{name}"), name)
            .await;
    }
    let path = format!("{HOME}/f");
    let url = server.link(&id, &path, "download").await;
    let other = url.replace("/f?", "/g?");
    assert_eq!(server.http.get(&other).send().await.unwrap().status(), 404);
    assert_eq!(
        server.http.get(&url).send().await.unwrap().status(),
        404,
        "a misuse ends it"
    );
    let url = server.link(&id, &path, "download").await;
    assert_eq!(
        server
            .http
            .put(&url)
            .body("x")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let url = server.link(&id, &path, "upload").await;
    assert_eq!(server.http.get(&url).send().await.unwrap().status(), 404);
    let base = url.split('?').next().unwrap();
    for query in ["", "?link=", "?link=0000", "?x=1"] {
        let answer = server
            .http
            .get(format!("{base}{query}"))
            .send()
            .await
            .unwrap();
        assert!(
            [401, 404].contains(&answer.status().as_u16()),
            "{query}: {}",
            answer.status()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a link is good for a second at least"]
async fn slow_file_link_after_its_time_or_session_is_404() {
    let Some(server) = linked(&[("KASM_FILE_LINK_SECONDS", "1")]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server.write_text(&id, &path, "x").await;
    let url = server.link(&id, &path, "download").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(server.http.get(&url).send().await.unwrap().status(), 404);
    let url = server.link(&id, &path, "download").await;
    server.emulator.kill_session(&id);
    assert_eq!(server.http.get(&url).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_kasm_file_without_public_url_is_unsupported() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "file_path": format!("{HOME}/f"), "direction": "download" });
    let reply = server.fails("link_kasm_file", args, "unsupported").await;
    assert!(reply["hint"].as_str().unwrap().contains("MCP_PUBLIC_URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_with_read_scope_is_permission() {
    let Some(server) = linked(&[("MCP_AUTH_SCOPE", "kasm:read")]).await else {
        return;
    };
    let kasm_id = crate::support::kasm::NO_SUCH_ID;
    let args =
        json!({ "kasm_id": kasm_id, "file_path": format!("{HOME}/f"), "direction": "upload" });
    server.fails("link_kasm_file", args, "permission").await;
    let url = format!("{}/files/{kasm_id}{HOME}/f", server.base);
    let answer = server
        .http
        .put(&url)
        .bearer_auth(TOKEN)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_without_length_is_411_and_too_long_is_400() {
    let Some(server) = linked(&[("KASM_FILE_LINK_BYTES", "2048")]).await else {
        return;
    };
    let id = server.session().await;
    let url = format!("{}/files/{id}{HOME}/f", server.base);
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>("x")]);
    let body = reqwest::Body::wrap_stream(chunks);
    let put = |body: reqwest::Body| server.http.put(&url).bearer_auth(TOKEN).body(body).send();
    assert_eq!(put(body).await.unwrap().status(), 411);
    assert_eq!(put(vec![0; 4_096].into()).await.unwrap().status(), 400);
    assert_eq!(put(vec![0; 2_048].into()).await.unwrap().status(), 201);
    assert_eq!(put(Vec::new().into()).await.unwrap().status(), 201);
    server.run(&id, "head -c 3000 /dev/zero > ~/f").await;
    let answer = server
        .http
        .get(&url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400, "too large to go out");
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_that_breaks_off_keeps_the_old_file() {
    use tokio::io::AsyncWriteExt;
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    server.write_text(&id, &format!("{HOME}/f"), "old").await;
    let address = server.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /files/{id}{HOME}/f HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 25000000\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![1; 12_000_000]).await.unwrap();
    drop(socket);
    // The next call waits in the same queue to the session.
    let gone = "for i in $(seq 50); do [ -z \"$(ls -A ~/Uploads)\" ] && break; sleep 0.1; done; ls -A ~/Uploads; cat ~/f";
    assert_eq!(server.run(&id, gone).await["stdout"], "old");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 12 s of processor time, 1.5 GB of disk"]
async fn slow_half_a_gigabyte_is_uploaded_and_downloaded() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/half");
    let block = bytes::Bytes::from(noise(1 << 20));
    let blocks = 512_u64;
    let mut hasher = Sha256::new();
    (0..blocks).for_each(|_| hasher.update(&block));
    let expected = HEXLOWER.encode(&hasher.finalize());
    let chunks = (0..blocks).map(move |_| Ok::<_, std::io::Error>(block.clone()));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let url = server.link(&id, &path, "upload").await;
    let slow = reqwest::Client::builder().build().unwrap();
    let put = slow
        .put(&url)
        .header("content-length", blocks << 20)
        .body(body);
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let url = server.link(&id, &path, "download").await;
    let mut answer = slow.get(&url).send().await.unwrap();
    let mut hasher = Sha256::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        hasher.update(&chunk);
    }
    let received = HEXLOWER.encode(&hasher.finalize());
    assert_eq!(received, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn download_with_downloads_forbidden_uses_the_relay() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let id = server.session().await;
    let bytes = noise(9 << 20);
    let path = format!("{HOME}/f");
    let url = server.link(&id, &path, "upload").await;
    assert_eq!(
        server
            .http
            .put(&url)
            .body(bytes.clone())
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
    let url = server.link(&id, &path, "download").await;
    let answer = server.http.get(&url).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn download_of_changing_file_breaks_off() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let id = server.session().await;
    server.run(&id, "head -c 20000000 /dev/zero > ~/f").await;
    let url = server.link(&id, &format!("{HOME}/f"), "download").await;
    let mut answer = server.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let first = answer.chunk().await.unwrap();
    assert!(first.is_some());
    server.run(&id, "echo x >> ~/f").await;
    let rest = async {
        while answer.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    };
    assert!(rest.await.is_err(), "it ends like a whole file");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_link_over_transfer_limit_is_503_and_stays_usable() {
    let Some(server) = linked(&[("MCP_MAX_TRANSFERS", "1")]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server.run(&id, "head -c 50000000 /dev/zero > ~/f").await;
    let first = server.link(&id, &path, "download").await;
    let second = server.link(&id, &path, "download").await;
    let under_way = server.http.get(&first).send().await.unwrap();
    assert_eq!(under_way.status(), 200);
    let answer = server.http.get(&second).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    under_way.bytes().await.unwrap();
    let mut status = 503;
    for _ in 0..50 {
        status = server
            .http
            .get(&second)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16();
        if status != 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
}
