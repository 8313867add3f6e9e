//! The private directory that plays the disk of a container.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// The uid and the gid of the session's user.
const SESSION_USER: u32 = 1000;

/// Home of the session's user as the container sees it.
pub(crate) const HOME: &str = "/home/kasm-user";

/// One container's disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// What plays the root directory.
    pub(crate) root: PathBuf,
    /// What plays it for all below `/home`: a disk with little room is its own.
    pub(crate) home_root: PathBuf,
    /// Whether commands see the root directory as theirs.
    pub(crate) confined: bool,
    /// Whether `root` and the session's user are two users here. They are one
    /// when the emulator itself may not change the owner of a file.
    pub(crate) two_users: bool,
}

impl Disk {
    /// Makes the directories a container starts with.
    pub(super) fn make(root: PathBuf, confined: bool) -> io::Result<Self> {
        let mut disk = Self {
            home_root: root.clone(),
            root,
            confined,
            two_users: true,
        };
        fs::create_dir_all(&disk.root)?;
        open_to_all(&disk.root, 0o755)?;
        for dir in ["home/kasm-user/Desktop", "etc", "tmp", "run/exec"] {
            fs::create_dir_all(disk.root.join(dir))?;
        }
        for dir in ["home", "home/kasm-user", "etc", "run"] {
            open_to_all(&disk.root.join(dir), 0o755)?;
        }
        open_to_all(&disk.root.join("tmp"), 0o1777)?;
        open_to_all(&disk.root.join("run/exec"), 0o700)?;
        let etc = [
            (
                "passwd",
                "root:x:0:0:root:/root:/bin/bash\n\
                 kasm-user:x:1000:1000::/home/kasm-user:/bin/bash\n",
            ),
            ("group", "root:x:0:\nkasm-user:x:1000:\n"),
            ("hostname", "kasm\n"),
            ("hosts", "127.0.0.1 localhost kasm\n::1 localhost\n"),
        ];
        for (name, text) in etc {
            fs::write(disk.root.join("etc").join(name), text)?;
        }
        let home = disk.home();
        for dir in ["Downloads", "Uploads"] {
            fs::create_dir_all(home.join(dir))?;
        }
        fs::write(home.join(".bashrc"), "# Emulated session\n")?;
        symlink(home_link(&disk), home.join("Desktop/Downloads"))?;
        // Who has the number of that user may give files to himself, and no more.
        disk.two_users = rustix::process::geteuid().is_root()
            && chown(&home, Some(SESSION_USER), Some(SESSION_USER)).is_ok()
            && Path::new("/usr/bin/setpriv").exists();
        for name in ["Downloads", "Uploads", "Desktop", ".bashrc"] {
            disk.give(&home.join(name));
        }
        Ok(disk)
    }

    /// Home of the session's user as the host sees it. On a disk with little
    /// room it is there as long as the processes are.
    pub(crate) fn home(&self) -> PathBuf {
        self.home_root.join("home/kasm-user")
    }

    /// Whether the home has only so much room.
    pub(super) fn is_limited(&self) -> bool {
        self.home_root != self.root
    }

    /// Takes all the room that is left. False if there is no end to it.
    pub(super) fn fill(&self) -> io::Result<bool> {
        if !self.is_limited() {
            return Ok(false);
        }
        let mut file = fs::File::create(self.filler())?;
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub(super) fn empty(&self) -> io::Result<()> {
        fs::remove_file(self.filler())
    }

    fn filler(&self) -> PathBuf {
        self.home_root.join("home/.filler")
    }

    /// The same home as the commands see it.
    pub(crate) fn home_inside(&self) -> PathBuf {
        if self.confined {
            PathBuf::from(HOME)
        } else {
            self.home()
        }
    }

    /// A path of the container where the commands of this one find it.
    pub(super) fn inside(&self, path: &str) -> PathBuf {
        match path.strip_prefix(HOME) {
            Some("") => self.home_inside(),
            Some(rest) if rest.starts_with('/') => {
                let rest = rest.trim_start_matches('/');
                self.home_inside().join(rest)
            }
            Some(_) | None => PathBuf::from(path),
        }
    }

    /// Makes the session's user the owner.
    pub(crate) fn give(&self, path: &Path) {
        if self.two_users {
            let _ = chown(path, Some(SESSION_USER), Some(SESSION_USER));
        }
    }

    /// Whether the session's user has this right: 4 to read, 1 to pass.
    pub(crate) fn allows(&self, file: &fs::Metadata, right: u32) -> bool {
        let (uid, gid) = if self.two_users {
            (SESSION_USER, SESSION_USER)
        } else {
            let own = (rustix::process::geteuid(), rustix::process::getegid());
            (own.0.as_raw(), own.1.as_raw())
        };
        let shift = if file.uid() == uid {
            6
        } else if file.gid() == gid {
            3
        } else {
            0
        };
        (file.mode() >> shift) & right == right
    }
}

fn home_link(disk: &Disk) -> PathBuf {
    disk.home_inside().join("Downloads")
}

fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}
