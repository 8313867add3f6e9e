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

use crate::caller::{Caller, Credential, Realm, Validity};
use crate::token::TokenHash;
use entry::{EntryFault, TokenEntry};
use parking_lot::{Mutex, MutexGuard};

/// How often the file is checked.
const LOOK: Duration = Duration::from_millis(500);
/// The largest file that is read: some thousand entries.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The valid values of an entry.
#[derive(Clone, Debug)]
pub struct TokenFileRules {
    /// The existing toolsets.
    pub toolsets: Vec<&'static str>,
    /// The realms whose scopes an entry may have.
    pub realms: &'static [Realm],
    /// The Kasm user of entries with a scope in Kasm that name none, if this server has Kasm.
    pub kasm_user: Option<String>,
    /// Normalises the id of a Kasm user; None if the text is not an id.
    pub user_id: fn(&str) -> Option<String>,
}

/// All tokens of a file.
#[derive(Debug)]
pub struct TokenFile {
    file: PathBuf,
    rules: TokenFileRules,
    // Held for look-ups and while entries are replaced, never while the file is read.
    state: Mutex<TokenFileState>,
}

#[derive(Debug)]
struct TokenFileState {
    /// The version of the file that was read last, valid or not. None: it could not be read.
    seen: Option<FileStamp>,
    known: HashMap<TokenHash, KnownToken>,
}

#[derive(Debug)]
struct KnownToken {
    entry: TokenEntry,
    caller: Caller,
}

/// Identifies a version of a file: size, inode, and the seconds and nanoseconds of its last changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp([i64; 6]);

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTokenFile {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It has these errors.
    #[error("{}", .0.iter().map(EntryFault::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<EntryFault>),
}

impl TokenFile {
    /// Reads `file`.
    ///
    /// # Errors
    /// The file cannot be read, or has an error.
    pub fn open(file: PathBuf, rules: TokenFileRules) -> Result<Self, UnusableTokenFile> {
        let (seen, entries) = read_file(&file, &rules)?;
        let known = entries.into_iter().map(|entry| rules.known_token(entry));
        Ok(Self {
            state: Mutex::new(TokenFileState {
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
    pub fn find_caller(&self, hash: &TokenHash) -> Option<Caller> {
        let state = self.lock_state();
        let caller = &state.known.get(hash)?.caller;
        (!caller.validity.has_ended()).then(|| caller.clone())
    }

    /// The number of tokens.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.lock_state().known.len()
    }

    /// The path of the file.
    #[must_use]
    pub fn file_path(&self) -> &Path {
        &self.file
    }

    /// Reads the file again whenever it has changed. Never ends.
    pub async fn watch_file(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            // One `stat` call; a thread of its own would cost more.
            self.reload_if_changed();
        }
    }

    fn reload_if_changed(&self) {
        let stamp = std::fs::metadata(&self.file)
            .ok()
            .map(|it| FileStamp::of_metadata(&it));
        if stamp == self.lock_state().seen {
            return;
        }
        let file = self.file.display();
        match read_file(&self.file, &self.rules) {
            Ok((stamp, entries)) => {
                let changed = self.replace_entries(stamp, entries);
                tracing::info!(%file, tokens = self.token_count(), changed, "the tokens file was reloaded");
            }
            Err(problem) => {
                // The broken version is remembered, so it is logged once and not twice a second.
                self.lock_state().seen = stamp;
                tracing::error!(%file, %problem, "the tokens file cannot be reloaded: the previous tokens stay valid");
            }
        }
    }

    /// Applies new entries. Returns how many tokens became invalid.
    fn replace_entries(&self, stamp: FileStamp, entries: Vec<TokenEntry>) -> usize {
        let mut state = self.lock_state();
        state.seen = Some(stamp);
        let mut old = std::mem::take(&mut state.known);
        for entry in entries {
            let same = old.remove(&entry.hash);
            let (hash, known) = match same {
                // An unchanged token keeps its caller, whose cancellation token its running calls watch.
                Some(known) if known.entry == entry => (entry.hash, known),
                // The old caller is put back, so the loop below revokes it: calls with the old permissions
                // end.
                Some(known) => {
                    old.insert(entry.hash, known);
                    self.rules.known_token(entry)
                }
                None => self.rules.known_token(entry),
            };
            state.known.insert(hash, known);
        }
        for known in old.values() {
            known.caller.validity.revoked.cancel();
        }
        old.len()
    }

    fn lock_state(&self) -> MutexGuard<'_, TokenFileState> {
        self.state.lock()
    }
}

impl TokenFileRules {
    fn known_token(&self, entry: TokenEntry) -> (TokenHash, KnownToken) {
        let caller = Caller::new(&entry.name, entry.grants.clone());
        let mut caller = match &entry.kasm_user {
            Some(user) => caller.with_kasm_account(user),
            None => caller.with_usual_kasm_account(self.kasm_user.as_deref()),
        };
        if let Some(tenant) = &entry.tenant {
            caller = caller.with_tenant(tenant);
        }
        caller.reach = entry.reach.clone();
        caller.rate = entry.rate;
        caller.credential = Credential::Token;
        caller.validity = Validity {
            until: entry.expires,
            ..Validity::default()
        };
        (entry.hash, KnownToken { entry, caller })
    }
}

impl FileStamp {
    fn of_metadata(file: &std::fs::Metadata) -> Self {
        let size = i64::try_from(file.size()).unwrap_or(i64::MAX);
        Self([
            size,
            file.ino().cast_signed(),
            file.mtime(),
            file.mtime_nsec(),
            // Programs can set the time of the last change of content but not this one, so it also finds such
            // an edit.
            file.ctime(),
            file.ctime_nsec(),
        ])
    }
}

fn read_file(
    path: &Path,
    rules: &TokenFileRules,
) -> Result<(FileStamp, Vec<TokenEntry>), UnusableTokenFile> {
    let file = File::open(path)?;
    // The stamp is older than the text: a write between the two changes it, and the file is read again.
    let stamp = FileStamp::of_metadata(&file.metadata()?);
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    // `take` ends without an error at its limit, and half a file would revoke the tokens of the other half.
    if bytes as u64 == FILE_BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 4 MiB").into());
    }
    let entries = entry::read_entries(&text, rules).map_err(UnusableTokenFile::Wrong)?;
    Ok((stamp, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(names: &[&str]) -> String {
        let entry = |name: &&str| {
            let hash = TokenHash::of_token(name).to_string();
            format!("[[token]]\nname = \"{name}\"\nscope = \"kasm:use\"\nsha256 = \"{hash}\"\n")
        };
        names.iter().map(entry).collect()
    }

    fn knows(tokens: &TokenFile, name: &str) -> bool {
        tokens.find_caller(&TokenHash::of_token(name)).is_some()
    }

    #[test]
    fn account_and_tenant_follow_from_scopes_and_fields() {
        const OTHER: Realm = Realm::new("other");
        let entry = |name: &str, fields: &str| {
            let hash = TokenHash::of_token(name);
            format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{fields}\n")
        };
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("tokens.toml");
        let text = [
            entry("kasm", "scope = \"kasm:use\""),
            entry("other", "scope = \"other:use\""),
            entry("both", "scope = \"other:use kasm:use\""),
            entry("named", "scope = \"other:use\"\nkasm_user = \"bob\""),
            entry("team", "scope = \"kasm:use\"\ntenant = \"t\""),
        ];
        std::fs::write(&file, text.concat()).unwrap();
        let rules = TokenFileRules {
            toolsets: Vec::new(),
            realms: &[Realm::KASM, OTHER],
            kasm_user: Some("usual".to_owned()),
            user_id: |text| Some(text.to_owned()),
        };
        let tokens = TokenFile::open(file, rules).unwrap();
        for (name, account, tenant) in [
            ("kasm", Some("usual"), "usual"),
            ("other", None, "other"),
            ("both", Some("usual"), "usual"),
            ("named", Some("bob"), "bob"),
            ("team", Some("usual"), "t"),
        ] {
            let caller = tokens.find_caller(&TokenHash::of_token(name)).unwrap();
            assert_eq!(caller.accounts().kasm.as_deref(), account, "{name}");
            assert_eq!(&**caller.tenant_in(OTHER), tenant, "{name}");
        }
    }

    #[test]
    fn token_file_that_is_wrong_keeps_the_old_tokens() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("tokens.toml");
        std::fs::write(&file, text(&["one"])).unwrap();
        let rules = TokenFileRules {
            toolsets: Vec::new(),
            realms: &[Realm::KASM],
            kasm_user: Some("nobody".to_owned()),
            user_id: |text| Some(text.to_owned()),
        };
        let tokens = TokenFile::open(file.clone(), rules).unwrap();
        let before = tokens
            .find_caller(&TokenHash::of_token("one"))
            .unwrap()
            .validity;
        std::fs::write(&file, "[[token]]\nname = 3\n").unwrap();
        tokens.reload_if_changed();
        assert!(knows(&tokens, "one") && !before.has_ended());
        std::fs::write(&file, text(&["one", "two"])).unwrap();
        tokens.reload_if_changed();
        assert!(knows(&tokens, "one") && knows(&tokens, "two") && !before.has_ended());
        std::fs::remove_file(&file).unwrap();
        tokens.reload_if_changed();
        assert!(knows(&tokens, "one") && knows(&tokens, "two") && !before.has_ended());
        std::fs::write(&file, text(&["two"])).unwrap();
        tokens.reload_if_changed();
        assert!(!knows(&tokens, "one") && knows(&tokens, "two") && before.has_ended());
    }
}
