//! How to connect each client: one list, for the demo and the documents.

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct ClientGuide {
    /// Its name.
    pub name: &'static str,
    /// Where its configuration goes.
    pub place: &'static str,
    template: &'static str,
}

/// The clients, in the order of the documents.
pub const CLIENTS: &[ClientGuide] = &[
    ClientGuide {
        name: "Cline",
        place: "cline_mcp_settings.json",
        template: r#"{"mcpServers": {"kasm": {"type": "streamableHttp", "url": "{url}",
  "headers": {"Authorization": "Bearer {token}"}, "timeout": 300}}}"#,
    },
    ClientGuide {
        name: "Claude Code",
        place: "a shell",
        template: r#"claude mcp add --transport http kasm {url} --header "Authorization: Bearer {token}""#,
    },
    ClientGuide {
        name: "Cursor",
        place: ".cursor/mcp.json",
        template: r#"{"mcpServers": {"kasm": {"url": "{url}",
  "headers": {"Authorization": "Bearer {token}"}}}}"#,
    },
    ClientGuide {
        name: "VS Code",
        place: ".vscode/mcp.json",
        template: r#"{"servers": {"kasm": {"type": "http", "url": "{url}",
  "headers": {"Authorization": "Bearer {token}"}}}}"#,
    },
    ClientGuide {
        name: "curl",
        place: "a shell",
        template: r#"curl -s {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_available_workspaces"}}'"#,
    },
];

impl ClientGuide {
    /// The configuration for a server at `url`.
    #[must_use]
    pub fn fill(&self, url: &str, token: &str) -> String {
        self.template
            .replace("{url}", url)
            .replace("{token}", token)
    }
}
