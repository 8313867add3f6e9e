//! Random bytes of the operating system, for tokens, names, keys and nonces.

use std::process;

/// `N` unpredictable bytes. Ends the process if the system's generator fails.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        // Everything made of these bytes must be hard to guess: a token, the id of a session, a key. There is
        // no safe substitute, and a generator that fails once does not recover. A panic would be caught with
        // one request and the server would refuse every later one; after an abort, the service manager restarts
        // it.
        tracing::error!(%error, "the operating system's random generator failed; this process ends");
        process::abort();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn random_bytes_differ_and_fill_the_array() {
        let (one, other) = (bytes::<32>(), bytes::<32>());
        assert_ne!(one, other);
        // One in 2^128 pairs has a half that is all zero.
        assert_ne!(one[..16], [0; 16]);
        assert_ne!(one[16..], [0; 16]);
    }
}
