//! A directory of links to the programs of the host, without those that a
//! container is to lack. Hiding a file under another one does not do: a shell
//! still finds the name.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Where a confined container finds the programs the links point to.
pub(super) const PROGRAMS: &str = "/run/programs";

/// Where the host keeps programs, first come first served.
const HOST: [&str; 6] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
];

/// What a container has and lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) curl: bool,
    pub(super) wget: bool,
    /// Whether changing an owner works. If not, it only seems to.
    pub(super) owners: bool,
}

impl Tools {
    /// Whether the host's own directories will do.
    pub(super) fn are_all(self) -> bool {
        self.curl && self.wget && self.owners
    }

    /// Fills a directory.
    pub(super) fn link(self, dir: &Path, confined: bool) -> io::Result<()> {
        // What an earlier start of the container left.
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, Permissions::from_mode(0o755))?;
        let sources = if confined { &HOST[1..2] } else { &HOST[..] };
        for source in sources {
            for entry in fs::read_dir(source).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if !self.has(&name.to_string_lossy()) {
                    continue;
                }
                let from = if confined { PROGRAMS } else { source };
                // The name is taken by a directory that comes first.
                let _ = symlink(Path::new(from).join(&name), dir.join(&name));
            }
        }
        if !self.owners {
            for name in ["chown", "chgrp"] {
                let path = dir.join(name);
                fs::write(&path, "#!/bin/sh\nexit 0\n")?;
                fs::set_permissions(&path, Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }

    fn has(self, name: &str) -> bool {
        match name {
            "curl" => self.curl,
            "wget" => self.wget,
            "chown" | "chgrp" => self.owners,
            _ => true,
        }
    }
}
