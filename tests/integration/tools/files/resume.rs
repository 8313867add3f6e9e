//! Downloads in parts: what a link survives, and what is sent of a file.

use super::links::linked;
use super::{HOME, noise};
use crate::support::TOKEN;

#[tokio::test(flavor = "multi_thread")]
async fn link_survives_ranges_and_prefetches_until_a_complete_download() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server.write_text(&id, &path, "0123456789").await;
    let url = server.link(&id, &path, "download").await;
    let get = |name: &'static str, value: &'static str| {
        let request = server.http.get(&url).header(name, value);
        async move { request.send().await.unwrap() }
    };
    let first = get("range", "bytes=0-0").await;
    assert_eq!(first.status(), 206);
    assert_eq!(first.headers()["content-range"], "bytes 0-0/10");
    assert_eq!(first.text().await.unwrap(), "0");
    let last = get("range", "bytes=-3").await;
    assert_eq!(last.text().await.unwrap(), "789");
    assert_eq!(get("sec-purpose", "prefetch;prerender").await.status(), 403);
    assert_eq!(get("purpose", "prefetch").await.status(), 403);
    let behind = get("range", "bytes=10-").await;
    assert_eq!(behind.status(), 416);
    assert_eq!(behind.headers()["content-range"], "bytes */10");

    let whole = get("accept", "*/*").await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    assert_eq!(get("range", "bytes=0-0").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_download_is_resumed_by_ranges() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    let bytes = noise(20 << 20);
    let url = server.link(&id, &path, "upload").await;
    let stored = server.http.put(&url).body(bytes.clone()).send().await;
    assert_eq!(stored.unwrap().status(), 201);

    let url = server.link(&id, &path, "download").await;
    let mut answer = server.http.get(&url).send().await.unwrap();
    let etag = answer.headers()["etag"].clone();
    let mut received = answer.chunk().await.unwrap().unwrap().to_vec();
    drop(answer);
    // In two parts: a large one, which KasmVNC serves, and a small one, which a script reads.
    let middle = 19 << 20;
    let ranges = [
        format!("bytes={}-{}", received.len(), middle - 1),
        format!("bytes={middle}-"),
    ];
    for range in ranges {
        let rest = server.http.get(&url).header("range", range);
        let rest = rest.header("if-range", etag.clone()).send().await.unwrap();
        assert_eq!(rest.status(), 206);
        received.extend(rest.bytes().await.unwrap());
    }
    assert!(received == bytes);
    // All of it was delivered, in three parts.
    let mut status = 0;
    for _ in 0..50 {
        status = server
            .http
            .head(&url)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16();
        if status == 404 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_range_of_a_changed_file_sends_the_whole_file() {
    let Some(server) = linked(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server.write_text(&id, &path, "old text").await;
    let url = format!("{}/files/{id}{path}", server.base);
    let get = |etag: String| {
        let request = server.http.get(&url).bearer_auth(TOKEN);
        let request = request.header("range", "bytes=4-").header("if-range", etag);
        async move { request.send().await.unwrap() }
    };
    let head = server.http.head(&url).bearer_auth(TOKEN).send().await;
    let etag = head.unwrap().headers()["etag"].to_str().unwrap().to_owned();
    let part = get(etag.clone()).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.text().await.unwrap(), "text");
    server.write_text(&id, &path, "new text").await;
    let whole = get(etag).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.text().await.unwrap(), "new text");
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_link_survives_a_failed_upload() {
    let Some(server) = linked(&[("KASM_FILE_LINK_BYTES", "2048")]).await else {
        return;
    };
    let id = server.session().await;
    let url = server.link(&id, &format!("{HOME}/f"), "upload").await;
    let put = |size: usize| {
        let request = server.http.put(&url).body(vec![b'x'; size]);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(put(4_096).await, 413);
    assert_eq!(put(100).await, 201);
    assert_eq!(put(100).await, 404);
}
