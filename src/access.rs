//! The callers of a tokens file, updated while the server runs.
//!
//! The file is checked twice a second. A token that was removed or changed becomes invalid at once, and its
//! work ends ([`crate::caller::Validity`]); other tokens are not affected. A file with an error is logged and
//! ignored.

pub mod edit;
pub mod entry;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::caller::{Caller, Credential, Validity};
use crate::token::Hash;
use entry::{Entry, Fault};
use parking_lot::{Mutex, MutexGuard};

/// How often the file is checked.
const LOOK: Duration = Duration::from_millis(500);
/// The largest file that is read: some thousand entries.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The valid values of an entry.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The existing toolsets.
    pub toolsets: Vec<&'static str>,
    /// The default Kasm user.
    pub kasm_user: String,
    /// Normalises the id of a Kasm user; None if the text is not an id.
    pub user_id: fn(&str) -> Option<String>,
}

/// All tokens of a file.
#[derive(Debug)]
pub struct Tokens {
    file: PathBuf,
    rules: Rules,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The version of the file that was read last, valid or not. None: it could not be read.
    seen: Option<Stamp>,
    known: HashMap<Hash, Known>,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    caller: Caller,
}

/// Identifies a version of a file: size, inode, and the seconds and nanoseconds of its last changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([i64; 6]);

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It has these errors.
    #[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<Fault>),
}

impl Tokens {
    /// Reads `file`.
    ///
    /// # Errors
    /// The file cannot be read, or has an error.
    pub fn open(file: PathBuf, rules: Rules) -> Result<Self, Unusable> {
        let (seen, entries) = read(&file, &rules)?;
        let known = entries.into_iter().map(|entry| rules.known(entry));
        Ok(Self {
            state: Mutex::new(State {
                seen: Some(seen),
                known: known.collect(),
            }),
            file,
            rules,
        })
    }

    /// The caller of the token with this hash. None: unknown or expired.
    ///
    /// The look-up needs no constant time: its time depends on the hash of the token, and an attacker cannot
    /// choose tokens by their hashes.
    #[must_use]
    pub fn find(&self, hash: &Hash) -> Option<Caller> {
        let state = self.state();
        let caller = &state.known.get(hash)?.caller;
        (!caller.validity.is_over()).then(|| caller.clone())
    }

    /// The number of tokens.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().known.len()
    }

    /// The path of the file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the file again whenever it has changed. Never ends.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            // One `stat` call; a thread of its own would cost more.
            self.look();
        }
    }

    fn look(&self) {
        let stamp = std::fs::metadata(&self.file).ok().map(|it| Stamp::of(&it));
        if stamp == self.state().seen {
            return;
        }
        let file = self.file.display();
        match read(&self.file, &self.rules) {
            Ok((stamp, entries)) => {
                let changed = self.replace(stamp, entries);
                tracing::info!(%file, tokens = self.count(), changed, "the tokens file was reloaded");
            }
            Err(problem) => {
                self.state().seen = stamp;
                tracing::error!(%file, %problem, "the tokens file cannot be reloaded: the previous tokens stay valid");
            }
        }
    }

    /// Applies new entries. Returns how many tokens became invalid.
    fn replace(&self, stamp: Stamp, entries: Vec<Entry>) -> usize {
        let mut state = self.state();
        state.seen = Some(stamp);
        let mut old = std::mem::take(&mut state.known);
        for entry in entries {
            let same = old.remove(&entry.hash);
            let (hash, known) = match same {
                Some(known) if known.entry == entry => (entry.hash, known),
                Some(known) => {
                    old.insert(entry.hash, known);
                    self.rules.known(entry)
                }
                None => self.rules.known(entry),
            };
            state.known.insert(hash, known);
        }
        for known in old.values() {
            known.caller.validity.revoked.cancel();
        }
        old.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Rules {
    fn known(&self, entry: Entry) -> (Hash, Known) {
        let user = entry.kasm_user.as_deref().unwrap_or(&self.kasm_user);
        let mut caller = Caller::new(&entry.name, entry.scope, user);
        caller.reach = entry.reach.clone();
        caller.rate = entry.rate;
        caller.credential = Credential::Token;
        caller.validity = Validity {
            until: entry.expires,
            ..Validity::default()
        };
        (entry.hash, Known { entry, caller })
    }
}

impl Stamp {
    fn of(file: &std::fs::Metadata) -> Self {
        let size = i64::try_from(file.size()).unwrap_or(i64::MAX);
        Self([
            size,
            file.ino().cast_signed(),
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
        ])
    }
}

fn read(path: &Path, rules: &Rules) -> Result<(Stamp, Vec<Entry>), Unusable> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    if bytes as u64 == FILE_BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 4 MiB").into());
    }
    let entries = entry::read(&text, rules).map_err(Unusable::Wrong)?;
    Ok((stamp, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(names: &[&str]) -> String {
        let entry = |name: &&str| {
            let hash = Hash::of(name).to_string();
            format!("[[token]]\nname = \"{name}\"\nscope = \"kasm:use\"\nsha256 = \"{hash}\"\n")
        };
        names.iter().map(entry).collect()
    }

    fn knows(tokens: &Tokens, name: &str) -> bool {
        tokens.find(&Hash::of(name)).is_some()
    }

    #[test]
    fn token_file_that_is_wrong_keeps_the_old_tokens() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("tokens.toml");
        std::fs::write(&file, text(&["one"])).unwrap();
        let rules = Rules {
            toolsets: Vec::new(),
            kasm_user: "nobody".to_owned(),
            user_id: |text| Some(text.to_owned()),
        };
        let tokens = Tokens::open(file.clone(), rules).unwrap();
        let before = tokens.find(&Hash::of("one")).unwrap().validity;
        std::fs::write(&file, "[[token]]\nname = 3\n").unwrap();
        tokens.look();
        assert!(knows(&tokens, "one") && !before.is_over());
        std::fs::write(&file, text(&["one", "two"])).unwrap();
        tokens.look();
        assert!(knows(&tokens, "one") && knows(&tokens, "two") && !before.is_over());
        std::fs::remove_file(&file).unwrap();
        tokens.look();
        assert!(knows(&tokens, "one") && knows(&tokens, "two") && !before.is_over());
        std::fs::write(&file, text(&["two"])).unwrap();
        tokens.look();
        assert!(!knows(&tokens, "one") && knows(&tokens, "two") && before.is_over());
    }
}
