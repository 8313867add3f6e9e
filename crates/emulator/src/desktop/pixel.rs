//! How a client wants its pixels.

/// A pixel format of RFB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelFormat {
    bytes: usize,
    depth: u8,
    big_endian: bool,
    /// Largest value and shift of red, green and blue.
    channels: [(u32, u8); 3],
}

impl Default for PixelFormat {
    fn default() -> Self {
        Self {
            bytes: 4,
            depth: 24,
            big_endian: false,
            channels: [(255, 16), (255, 8), (255, 0)],
        }
    }
}

impl PixelFormat {
    /// Reads the 16 bytes of a format. One with a colour map becomes the
    /// default.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let at = |n: usize| bytes.get(n).copied();
        let max = |n: usize| Some(u32::from(at(n)?) << 8 | u32::from(at(n + 1)?));
        let channels = [
            (max(4)?, at(10)? % 32),
            (max(6)?, at(11)? % 32),
            (max(8)?, at(12)? % 32),
        ];
        let format = Self {
            bytes: usize::from(at(0)? / 8),
            depth: at(1)?,
            big_endian: at(2)? != 0,
            channels,
        };
        let usable = at(3)? != 0 && matches!(format.bytes, 1 | 2 | 4);
        Some(if usable { format } else { Self::default() })
    }

    /// A pixel as it is in Raw.
    pub(super) fn write(&self, colour: u32, out: &mut Vec<u8>) {
        let value = self.value(colour).to_be_bytes();
        let value = value.get(4 - self.bytes..).unwrap_or_default();
        if self.big_endian {
            out.extend(value);
        } else {
            out.extend(value.iter().rev());
        }
    }

    /// A pixel as it is in ZRLE: without the byte that has no colour.
    pub(super) fn write_compact(&self, colour: u32, out: &mut Vec<u8>) {
        let bits = self.channels.iter().map(|(max, shift)| max << shift);
        let used = bits.fold(0, |all, bits| all | bits);
        if self.bytes != 4 || self.depth > 24 || used & 0xff != 0 && used >> 24 != 0 {
            return self.write(colour, out);
        }
        let [top, high, mid, low] = self.value(colour).to_be_bytes();
        let three = if used >> 24 == 0 {
            [high, mid, low]
        } else {
            [top, high, mid]
        };
        if self.big_endian {
            out.extend(three);
        } else {
            out.extend(three.iter().rev());
        }
    }

    fn value(&self, colour: u32) -> u32 {
        let [_, red, green, blue] = colour.to_be_bytes();
        let parts = [red, green, blue].into_iter().zip(self.channels);
        parts.fold(0, |value, (part, (max, shift))| {
            value | (u32::from(part) * max / 255) << shift
        })
    }
}
