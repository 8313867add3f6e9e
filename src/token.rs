//! Random tokens and their hashes.
//!
//! A token has 256 random bits, and the server stores only its hash. The time of a look-up in a map can reveal
//! something about the hash, but nothing about the token.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random;

/// The prefix of bearer tokens, so that scanners for leaked secrets recognise them.
pub const BEARER_PREFIX: &str = "kmcp_";

/// A new token: 43 characters that are valid in a URL.
#[must_use]
pub fn random_token() -> String {
    BASE64URL_NOPAD.encode(&random::bytes::<32>())
}

/// A new bearer token: [`BEARER_PREFIX`] and [`random_token`].
#[must_use]
pub fn bearer_token() -> String {
    format!("{BEARER_PREFIX}{}", random_token())
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of_token(token: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Parses 64 hex digits, as [`fmt::Display`] writes them.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        // Upper-case digits are accepted as well, because some hash tools write them.
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Not printed: equal hashes would show that two of them belong to one token.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenHash, bearer_token};

    #[test]
    fn token_hash_is_parsed_as_it_is_written() {
        let hash = TokenHash::of_token("abc");
        // FIPS 180-2, appendix B.1.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert!(TokenHash::from_hex(text).unwrap().equals(&hash));
        assert!(!TokenHash::of_token("abd").equals(&hash));
        for wrong in [
            "",
            "ba78",
            &format!("{text}00"),
            &text.replace('b', "g"),
            &text.replace("ba", "+a"),
        ] {
            assert_eq!(TokenHash::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bearer_tokens_are_long_and_differ() {
        let (one, other) = (bearer_token(), bearer_token());
        assert_ne!(one, other);
        let random = one.strip_prefix("kmcp_").unwrap();
        assert_eq!(random.len(), 43);
        assert!(
            random
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }
}
