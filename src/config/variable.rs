//! One setting. Each file of this module has a group of them, and reads their values; `.env.example`, the README
//! table and the sources of settings all come from these groups.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The environment variable. In the TOML file the same name in lower case.
    pub name: &'static str,
    /// The default. Empty: none.
    pub default: &'static str,
    /// Whether the value is secret. `NAME_FILE` can then name a file that holds it.
    pub secret: bool,
    /// The description.
    pub about: &'static str,
    /// An example for `.env.example`, where there is no default.
    pub example: &'static str,
}

pub(super) const fn with_default(
    name: &'static str,
    default: &'static str,
    about: &'static str,
) -> Variable {
    Variable {
        name,
        default,
        secret: false,
        about,
        example: "",
    }
}

pub(super) const fn without_default(
    name: &'static str,
    example: &'static str,
    about: &'static str,
) -> Variable {
    Variable {
        name,
        default: "",
        secret: false,
        about,
        example,
    }
}

pub(super) const fn secret_variable(
    name: &'static str,
    example: &'static str,
    about: &'static str,
) -> Variable {
    Variable {
        name,
        default: "",
        secret: true,
        about,
        example,
    }
}

impl Variable {
    /// Whether `.env.example` has it active: a provider needs it.
    pub(super) fn is_required(&self) -> bool {
        self.about.ends_with("Required for Kasm.")
    }
}
