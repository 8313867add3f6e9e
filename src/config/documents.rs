//! Documents made from the table of settings.

use std::fmt::Write as _;

use super::table::VARIABLES;

/// Documents made from the table.
#[derive(Clone, Copy, Debug)]
pub struct Variables;

impl Variables {
    /// The text of `.env.example`.
    #[must_use]
    pub fn env_example(self) -> String {
        let mut out = String::from(
            "# Settings of kasm-mcp. Copy to .env and fill in. Made by `kasm-mcp settings --format env`.\n\
             # A secret NAME can also be given as NAME_FILE=/path/of/a/file that holds it.\n",
        );
        for variable in VARIABLES {
            let value = if variable.default.is_empty() {
                variable.example
            } else {
                variable.default
            };
            let off = if variable.about.ends_with("Required.") {
                ""
            } else {
                "#"
            };
            let _ = write!(
                out,
                "\n# {}\n{off}{}={value}\n",
                variable.about, variable.name
            );
        }
        out
    }

    /// The rows of the README's table.
    #[must_use]
    pub fn markdown(self) -> String {
        let mut out = String::from("| Variable | Default | Meaning |\n| --- | --- | --- |\n");
        for variable in VARIABLES {
            let default = if variable.default.is_empty() {
                String::new()
            } else {
                format!("`{}`", variable.default)
            };
            let file = if variable.secret {
                " Secret: or `_FILE`."
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "| `{}` | {default} | {}{file} |",
                variable.name, variable.about
            );
        }
        out
    }
}
