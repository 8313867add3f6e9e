//! Numbers that differ from run to run. They name things and pick wordings;
//! nothing here protects anything, since the server is for loopback only.

use crate::id::Id;

/// A SplitMix64 generator, seeded once from the system.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(Self)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 UUID.
    pub(crate) fn id(&mut self) -> Id {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let versioned = (bits & !(0xf << 76)) | (0x4 << 76);
        Id::new((versioned & !(0x3 << 62)) | (0x2 << 62))
    }

    /// Lower-case hex, 16 digits per word.
    pub(crate) fn hex(&mut self, words: usize) -> String {
        (0..words)
            .map(|_| format!("{:016x}", self.next()))
            .collect()
    }

    /// Something that looks like a signed JSON web token.
    pub(crate) fn jwt(&mut self) -> String {
        format!(
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}",
            self.hex(3),
            self.hex(4)
        )
    }
}
