//! Files of a session over its own web server.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Reply, Server, read};

struct Files {
    server: Server,
    kasm_id: String,
    token: String,
    downloads: PathBuf,
}

impl Files {
    async fn new() -> Self {
        let server = Server::start().await;
        let (kasm_id, token, home) = server.session().await;
        let downloads = home.join("Downloads");
        Self {
            server,
            kasm_id,
            token,
            downloads,
        }
    }

    fn url(&self, path: &str) -> String {
        let service = self.server.service(&self.kasm_id, "vnc");
        format!("{service}/Downloads/Downloads/{path}")
    }

    async fn get(&self, path: &str) -> Reply {
        let request = self.server.visit("GET", &self.url(path), &self.token);
        read(request.send().await.unwrap()).await.unwrap()
    }

    /// The answer to a target that no client would write, headers and all.
    async fn raw(&self, method: &str, path: &str, header: &str) -> String {
        let url = self.url(path);
        let target = url.strip_prefix(self.server.url()).unwrap();
        let mut socket = TcpStream::connect(self.server.addr()).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\n{header}\
             Cookie: a=b; username=demo@kasm.local; session_token={}\r\n\r\n",
            self.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let all = socket.read_to_end(&mut answer);
        let all = tokio::time::timeout(Duration::from_secs(5), all).await;
        all.expect("the connection stays open").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[tokio::test]
async fn download_is_complete_and_closes_the_connection() {
    let files = Files::new().await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(files.downloads.join("a.html"), &bytes).unwrap();
    fs::write(files.downloads.join("none"), "").unwrap();
    let request = files
        .server
        .visit("GET", &files.url("a.html?x=1"), &files.token);
    let answer = request.header("range", "bytes=0-9").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("content-length"), "300000");
    assert_eq!(header("connection"), "close");
    assert_eq!(header("server"), "KasmVNC/4.0");
    assert_eq!(answer.bytes().await.unwrap(), bytes);
    let empty = files.raw("GET", "none", "").await.to_lowercase();
    assert!(empty.contains("\r\ncontent-length: 0\r\n"), "{empty}");
}

#[tokio::test]
async fn download_of_odd_names_works() {
    let files = Files::new().await;
    for (name, encoded) in [
        (".hidden", ".hidden"),
        ("a b", "a%20b"),
        ("q\"<&>", "q%22%3C%26%3E"),
        ("ü漢", "%C3%BC%E6%BC%A2"),
        ("new\nline", "new%0Aline"),
        ("50%#?+", "50%25%23%3F+"),
        ("trail..b", "trail..b"),
        ("x_y", "x%2Fy"),
    ] {
        fs::write(files.downloads.join(name), name).unwrap();
        let reply = files.get(encoded).await;
        assert_eq!((reply.status, reply.body), (200, name.into()), "{name}");
    }
    fs::create_dir(files.downloads.join("d")).unwrap();
    fs::write(files.downloads.join("d/e"), "e").unwrap();
    assert_eq!(
        files
            .raw("GET", "d//.//e", "")
            .await
            .matches(" 200 ")
            .count(),
        1
    );
}

#[tokio::test]
async fn download_of_missing_or_forbidden_path_is_404() {
    let files = Files::new().await;
    fs::write(files.downloads.join("file"), "x").unwrap();
    let long = format!("file?{}", "x".repeat(1024));
    for (method, path, header) in [
        ("GET", "missing", ""),
        ("GET", "file/", ""),
        ("POST", "file", "Content-Length: 0\r\n"),
        ("PUT", "file", "Content-Length: 0\r\n"),
        ("GET", "../Downloads/file", ""),
        ("GET", "%2e%2E/Downloads/file", ""),
        ("GET", "file?../", ""),
        ("GET", "file", "Referer: http://x/../y\r\n"),
        ("GET", long.as_str(), ""),
    ] {
        let answer = files.raw(method, path, header).await;
        assert!(
            answer.starts_with("HTTP/1.1 404"),
            "{method} {path}: {answer}"
        );
        assert!(answer.contains("\r\n404\r\n"), "{answer}");
        assert!(
            !answer.to_lowercase().contains("content-length"),
            "{answer}"
        );
    }
    let head = files.server.visit("HEAD", &files.url("file"), &files.token);
    assert_eq!(head.send().await.unwrap().status(), 404);
    let fill = 1024 - "/Downloads/Downloads/file?".len();
    let path = format!("file?{}", "x".repeat(fill));
    assert_eq!(files.get(&path).await.status, 200);
    assert_eq!(files.get(&format!("{path}x")).await.status, 404);
}

#[tokio::test]
async fn directory_without_slash_redirects_to_inner_path() {
    let files = Files::new().await;
    fs::create_dir(files.downloads.join("sub dir")).unwrap();
    symlink("sub dir", files.downloads.join("link")).unwrap();
    for (path, location) in [
        ("sub%20dir?x=1", "/Downloads/Downloads/sub dir/"),
        ("link", "/Downloads/Downloads/link/"),
        ("..", "/Downloads/Downloads/../"),
    ] {
        let answer = files.raw("GET", path, "").await;
        assert!(answer.starts_with("HTTP/1.1 301"), "{answer}");
        let line = format!("\r\nlocation: {location}\r\n");
        assert!(answer.contains(&line), "{answer}");
    }
}

#[tokio::test]
async fn directory_listing_is_html_and_breaks_non_ascii() {
    let files = Files::new().await;
    for name in [".dot", "a-b_c,d.e", "q<\"t>", "ü"] {
        fs::write(files.downloads.join(name), "").unwrap();
    }
    fs::create_dir(files.downloads.join("d x")).unwrap();
    symlink("d x", files.downloads.join("link")).unwrap();
    let reply = files.get("").await;
    assert_eq!((reply.status, reply.kind.as_str()), (200, "text/html"));
    let expected = "<html><title>Directory Listing</title><body>\
        <h2>/Downloads/Downloads/</h2><hr><ul>\
        <li><a href=\".dot\">.dot</a></li>\
        <li><a href=\"a%2Db%5Fc,d.e\">a-b_c,d.e</a></li>\
        <li><a href=\"d%20x/\">d x/</a></li>\
        <li><a href=\"link\">link</a></li>\
        <li><a href=\"q%3C%22t%3E\">q<\"t></a></li>\
        <li><a href=\"%FF%FF\">ü</a></li></ul></body></html>";
    assert_eq!(String::from_utf8(reply.body).unwrap(), expected);
    assert!(
        files
            .get("link/")
            .await
            .body
            .ends_with(b"<ul></ul></body></html>")
    );
}

#[tokio::test]
async fn symlinks_resolve_inside_the_session() {
    let files = Files::new().await;
    let link = |target: &str, name: &str| symlink(target, files.downloads.join(name)).unwrap();
    link("../.bashrc", "relative");
    link("/home/kasm-user/.bashrc", "absolute");
    link("/etc/hostname", "system");
    link("nowhere", "dangling");
    link("round", "round");
    for name in ["relative", "absolute"] {
        let reply = files.get(name).await;
        assert_eq!((reply.status, &reply.body[..10]), (200, &b"# Emulated"[..]));
    }
    assert_eq!(files.get("system").await.status, 200);
    assert_eq!(files.get("dangling").await.status, 404);
    assert_eq!(files.get("round").await.status, 404);
}

#[tokio::test]
async fn download_of_unreadable_file_is_404() {
    let files = Files::new().await;
    for (name, mode) in [("mine", 0o000), ("open", 0o644)] {
        let path = files.downloads.join(name);
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(files.get("mine").await.status, 404);
    assert_eq!(files.get("open").await.status, 200);
    let closed = files.downloads.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("x"), "x").unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    assert_eq!(files.get("closed/x").await.status, 404);
    assert_eq!(files.get("closed/").await.status, 404);
    fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(files.get("closed/x").await.status, 200);
}

#[tokio::test]
async fn download_of_replaced_file_keeps_old_content() {
    let files = Files::new().await;
    let path = files.downloads.join("big");
    fs::write(&path, vec![b'a'; 8_000_000]).unwrap();
    let request = files.server.visit("GET", &files.url("big"), &files.token);
    let answer = request.send().await.unwrap();
    fs::write(files.downloads.join("new"), "b").unwrap();
    fs::rename(files.downloads.join("new"), &path).unwrap();
    assert_eq!(answer.bytes().await.unwrap(), vec![b'a'; 8_000_000]);
    assert_eq!(files.get("big").await.body, b"b");
}

#[tokio::test]
async fn download_of_a_pipe_blocks() {
    let files = Files::new().await;
    let made = std::process::Command::new("mkfifo")
        .arg(files.downloads.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let wait = tokio::time::timeout(Duration::from_millis(300), files.get("pipe"));
    assert!(wait.await.is_err());
}
