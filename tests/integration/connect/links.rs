//! Links that install the server with one click: what a client makes of them, and that no token is in them.

use data_encoding::BASE64;
use kasm_mcp::clients::{self, CLIENTS, TemplateValues};
use reqwest::Url;
use serde_json::{Value, json};

use super::{connect, printed, text};

const SECRET: &str = "t0ken-that-is-secret";

/// The links that `connect` prints on standard error: direct, then over https.
fn links(id: &str, url: &str) -> Vec<Url> {
    let output = connect(&[id, "--url", url], &[("KASM_MCP_TOKEN", SECRET)]);
    let said = text(&output.stderr);
    assert!(output.status.success() && !said.contains(SECRET), "{said}");
    let lines = said.lines().filter(|line| line.contains("/install"));
    lines.map(|line| line.parse().unwrap()).collect()
}

fn parameter(link: &Url, name: &str) -> Option<String> {
    let mut pairs = link.query_pairs().filter(|(key, _)| key == name);
    pairs.next().map(|(_, value)| value.into_owned())
}

fn json_parameter(link: &Url, name: &str) -> Value {
    serde_json::from_str(&parameter(link, name).unwrap()).unwrap()
}

#[test]
fn vs_code_link_has_the_entry_and_asks_for_the_token() {
    for address in [
        "http://127.0.0.1:8080",
        "https://h.example/a'b;&+=/mcp/readonly",
    ] {
        let links = links("vs-code", address);
        let [direct, https] = links.as_slice() else {
            panic!("{links:?}")
        };
        let client = clients::find_client("vs-code").unwrap();
        let file: Value = serde_json::from_str(&printed(client, address, SECRET)).unwrap();
        let mut entry = file["servers"]["kasm"].clone();
        assert_eq!(
            (
                json_parameter(https, "inputs"),
                json_parameter(https, "config")
            ),
            (file["inputs"].clone(), entry.clone())
        );
        assert_eq!(parameter(https, "name").as_deref(), Some("kasm"));
        assert_eq!(https.host_str(), Some("insiders.vscode.dev"));

        // VS Code takes `name` and `inputs` out; the rest is the entry.
        assert_eq!((direct.scheme(), direct.path()), ("vscode", "mcp/install"));
        let query = percent_encoding::percent_decode_str(direct.query().unwrap());
        let whole: Value = serde_json::from_str(&query.decode_utf8().unwrap()).unwrap();
        entry["name"] = json!("kasm");
        entry["inputs"] = file["inputs"].clone();
        assert_eq!(whole, entry);
    }
}

#[test]
fn cursor_link_has_the_entry_with_the_environments_token() {
    for address in ["http://127.0.0.1:8080", "https://h.example/kasm"] {
        let links = links("cursor", address);
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(
            links[0]
                .as_str()
                .starts_with("cursor://anysphere.cursor-deeplink/mcp/install?")
        );
        assert!(links[1].as_str().starts_with("https://cursor.com/"));
        for link in &links {
            assert_eq!(parameter(link, "name").as_deref(), Some("kasm"));
            let entry = BASE64
                .decode(parameter(link, "config").unwrap().as_bytes())
                .unwrap();
            let entry: Value = serde_json::from_slice(&entry).unwrap();
            assert_eq!(
                entry,
                json!({
                    "url": format!("{address}/mcp"),
                    "headers": { "Authorization": "Bearer ${env:KASM_MCP_TOKEN}" },
                })
            );
        }
    }
}

#[test]
fn connect_without_link_prints_none() {
    let with_link = CLIENTS.iter().filter(|client| client.link.is_some());
    assert!((1..CLIENTS.len()).contains(&with_link.count()));
    for client in CLIENTS.iter().filter(|client| client.link.is_none()) {
        assert!(
            links(client.id, "https://h.example").is_empty(),
            "{}",
            client.id
        );
    }
}

#[test]
fn readme_has_the_install_links_of_the_demo() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let address = "http://127.0.0.1:8080".parse().unwrap();
    let values = TemplateValues::new(address, SECRET, "kasm-mcp").unwrap();
    for client in CLIENTS.iter().filter(|client| client.link.is_some()) {
        let links = client.install_links(&values).unwrap();
        assert!(
            readme.contains(&format!("]: {}\n", links.https)),
            "{}",
            links.https
        );
    }
}
