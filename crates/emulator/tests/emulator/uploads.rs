//! Files that go into a session.

use std::fs;

use super::support::Server;

/// A chunk as the Dropzone library sends it.
pub(super) fn form(name: &str, data: &[u8], fields: &[(&str, String)]) -> Vec<u8> {
    let mut form = Vec::new();
    for (field, value) in fields {
        let part = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        );
        form.extend(part.bytes());
    }
    let head = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    form.extend(head.bytes());
    form.extend(data);
    form.extend(b"\r\n--edge--\r\n");
    form
}

pub(super) fn fields(
    index: usize,
    count: usize,
    offset: usize,
    total: usize,
) -> Vec<(&'static str, String)> {
    vec![
        ("dzuuid", "8c5a2f1e-0000-4000-8000-3b1f9c7d2e60".to_owned()),
        ("dzchunkindex", index.to_string()),
        ("dztotalfilesize", total.to_string()),
        ("dzchunksize", "10000000".to_owned()),
        ("dztotalchunkcount", count.to_string()),
        ("dzchunkbyteoffset", offset.to_string()),
    ]
}

pub(super) async fn post(server: &Server, url: &str, token: &str, form: Vec<u8>) -> u16 {
    let request = server.visit("POST", url, token).body(form);
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn upload_chunks_become_a_file() {
    let server = Server::start().await;
    let (kasm_id, token, home) = server.session().await;
    let url = server.service(&kasm_id, "uploads/upload");
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
    let total = data.len();
    let file = home.join("Uploads/x y.bin");
    // The second half first.
    let second = form(
        "x y.bin",
        &data[total / 2..],
        &fields(1, 2, total / 2, total),
    );
    assert!((200..300).contains(&post(&server, &url, &token, second).await));
    assert!(!file.exists());
    let first = form("x y.bin", &data[..total / 2], &fields(0, 2, 0, total));
    assert!((200..300).contains(&post(&server, &url, &token, first).await));
    assert_eq!(fs::read(&file).unwrap(), data);
}

#[tokio::test]
async fn upload_form_with_missing_or_wrong_field_is_400() {
    let server = Server::start().await;
    let (kasm_id, token, home) = server.session().await;
    let url = server.service(&kasm_id, "uploads/upload");
    let good = fields(0, 1, 0, 3);
    for missing in 0..good.len() {
        let mut some = good.clone();
        some.remove(missing);
        assert_eq!(
            post(&server, &url, &token, form("a", b"abc", &some)).await,
            400
        );
    }
    for (name, fields) in [
        ("../a", fields(0, 1, 0, 3)),
        ("/etc/a", fields(0, 1, 0, 3)),
        ("a", fields(1, 1, 0, 3)),
        ("a", fields(0, 1, 1, 3)),
        ("a", fields(0, 1, 0, 4)),
    ] {
        let form = form(name, b"abc", &fields);
        assert_eq!(post(&server, &url, &token, form).await, 400, "{fields:?}");
    }
    assert_eq!(post(&server, &url, &token, b"nonsense".to_vec()).await, 400);
    assert_eq!(fs::read_dir(home.join("Uploads")).unwrap().count(), 0);
    let whole = form("a", b"abc", &good);
    assert!((200..300).contains(&post(&server, &url, &token, whole).await));
    assert_eq!(fs::read(home.join("Uploads/a")).unwrap(), b"abc");
}

#[tokio::test]
async fn upload_without_cookie_is_401_and_forbidden_is_403() {
    let server = Server::start().await;
    let (kasm_id, token, home) = server.session().await;
    let url = server.service(&kasm_id, "uploads/upload");
    let whole = || form("a", b"abc", &fields(0, 1, 0, 3));
    assert_eq!(post(&server, &url, "unknown", whole()).await, 401);
    server.configure(|p| p.uploads_allowed = false);
    assert_eq!(post(&server, &url, &token, whole()).await, 403);
    server.configure(|p| p.uploads_allowed = true);
    fs::remove_dir(home.join("Uploads")).unwrap();
    std::os::unix::fs::symlink("/tmp", home.join("Uploads")).unwrap();
    assert_eq!(post(&server, &url, &token, whole()).await, 400);
    assert_eq!(server.request_count("desktop/uploads"), 3);
}

#[tokio::test]
async fn upload_service_switched_off_is_502_but_in_port_map() {
    let server = Server::start().await;
    let (kasm_id, token, _) = server.session().await;
    server.configure(|profile| profile.uploads_run = false);
    let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
    assert!(status["kasm"]["port_map"]["uploads"].is_object());
    let url = server.service(&kasm_id, "uploads/upload");
    let form = form("x", b"abc", &fields(0, 1, 0, 3));
    assert_eq!(post(&server, &url, &token, form).await, 502);
}
