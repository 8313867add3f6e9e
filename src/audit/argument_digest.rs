//! Digests of arguments: they show that two calls had the same ones, and nothing else.

use std::io::{self, Write};

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};

use crate::random;

/// Bytes that are given to the hash together. JSON is written in pieces of a few bytes, and each piece would cost
/// a call of the hash.
const PIECE_BYTES: usize = 512;
/// Half of a tag keeps lines short, and 128 bits do not collide by chance.
const DIGEST_BYTES: usize = 16;

/// A digest of the arguments of a call; see [`super::AuditLog::digest_value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentDigest([u8; DIGEST_BYTES]);

impl Serialize for ArgumentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 2 * DIGEST_BYTES];
        serializer.serialize_str(HEXLOWER.encode_mut_str(&self.0, &mut text))
    }
}

/// The random key of the digests of one process, so that nobody can guess arguments and compare.
#[derive(Debug)]
pub(super) struct DigestKey(hmac::Key);

impl DigestKey {
    pub(super) fn random_key() -> Self {
        // Not with aws-lc's own generator: its first use measures the jitter of the CPU for tens of
        // milliseconds, which would delay each start.
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()))
    }

    /// The digest of a value in its JSON form. It is hashed while it is written, so no copy of it is made.
    pub(super) fn digest_value(&self, value: &impl Serialize) -> ArgumentDigest {
        let mut hashed = HashedJson {
            context: hmac::Context::with_key(&self.0),
            piece: [0; PIECE_BYTES],
            filled: 0,
        };
        // Arguments are JSON, which can be written; a value that cannot has the digest of its first part.
        let _written = serde_json::to_writer(&mut hashed, value);
        hashed.hash_piece();
        let tag = hashed.context.sign();
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&tag.as_ref()[..DIGEST_BYTES]);
        ArgumentDigest(digest)
    }
}

/// Hashes what is written to it.
struct HashedJson {
    context: hmac::Context,
    piece: [u8; PIECE_BYTES],
    filled: usize,
}

impl HashedJson {
    fn hash_piece(&mut self) {
        self.context.update(&self.piece[..self.filled]);
        self.filled = 0;
    }
}

impl Write for HashedJson {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled + bytes.len() > PIECE_BYTES {
            self.hash_piece();
        }
        if bytes.len() > PIECE_BYTES {
            self.context.update(bytes);
        } else {
            self.piece[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
            self.filled += bytes.len();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn digest_is_that_of_the_whole_text_however_long_its_parts_are() {
        let key = DigestKey::random_key();
        let of_text = |value: &Value| {
            let tag = hmac::sign(&key.0, value.to_string().as_bytes());
            HEXLOWER.encode(&tag.as_ref()[..DIGEST_BYTES])
        };
        for length in [0, 1, 500, 511, 512, 513, 2_000] {
            let value = json!({ "a": "x".repeat(length), "b": vec![7; length], "c": null });
            let digest = serde_json::to_value(key.digest_value(&value)).unwrap();
            assert_eq!(digest, of_text(&value), "{length}");
        }
        assert_ne!(
            key.digest_value(&1),
            DigestKey::random_key().digest_value(&1)
        );
    }
}
