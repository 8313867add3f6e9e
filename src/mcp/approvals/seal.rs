//! Seals state that clients carry for the server, so that they can neither read nor change nor forge it.
//!
//! AES-256-GCM of aws-lc-rs, the library that TLS uses here too. Nonces are random, so one key can seal about
//! four billion states (NIST SP 800-38D, section 8.3).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::BASE64URL_NOPAD;

use crate::random;

/// Binds the sealed bytes to this purpose, so that they are valid for no other.
const PURPOSE: &[u8] = b"kasm-mcp requestState 1";
/// The longest text that is opened. Sealed states have less than half of it.
const SEALED_CHARS_MAX: usize = 4_096;

/// A key that seals and opens states.
pub(super) struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// A seal with a random key, known only to this process.
    #[must_use]
    pub(super) fn random_key() -> Self {
        let key: [u8; 32] = random::bytes();
        #[expect(
            clippy::expect_used,
            reason = "only the length of a key can be wrong, and the type says it"
        )]
        Self(RandomizedNonceKey::new(&AES_256_GCM, &key).expect("AES-256 takes keys of 32 bytes"))
    }

    /// Seals bytes as text for JSON and headers. None if encryption fails.
    pub(super) fn seal_bytes(&self, mut bytes: Vec<u8>) -> Option<String> {
        let purpose = Aad::from(PURPOSE);
        let nonce = self.0.seal_in_place_append_tag(purpose, &mut bytes).ok()?;
        // The nonce is no secret, and it must be known before the rest can be opened.
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend(bytes);
        Some(BASE64URL_NOPAD.encode(&sealed))
    }

    /// Opens what [`Self::seal_bytes`] sealed. None if it was changed or sealed by another key.
    pub(super) fn open_sealed(&self, sealed: &str) -> Option<Vec<u8>> {
        // Before decoding: the text comes from the client and may be as long as a body.
        if sealed.len() > SEALED_CHARS_MAX {
            return None;
        }
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let purpose = Aad::from(PURPOSE);
        let plain = self.0.open_in_place(nonce, purpose, &mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}
