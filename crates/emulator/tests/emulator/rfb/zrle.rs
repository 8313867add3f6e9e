//! Bytes of RFB taken apart.

use flate2::{Decompress, FlushDecompress};

/// Unpacks what continues a stream.
pub(super) fn inflate(zlib: &mut Decompress, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(packed.len() * 8 + 4096);
    let before = zlib.total_in();
    loop {
        let taken = (zlib.total_in() - before) as usize;
        let rest = &packed[taken..];
        zlib.decompress_vec(rest, &mut plain, FlushDecompress::Sync)
            .unwrap();
        let taken = (zlib.total_in() - before) as usize;
        if taken == packed.len() && plain.len() < plain.capacity() {
            return plain;
        }
        plain.reserve(plain.capacity());
    }
}

/// One tile of ZRLE.
pub(super) fn tile(bytes: &mut impl Iterator<Item = u8>, width: usize, height: usize) -> Vec<u32> {
    let count = width * height;
    let kind = bytes.next().unwrap();
    let colour = |bytes: &mut dyn Iterator<Item = u8>| {
        let three: Vec<u8> = bytes.take(3).collect();
        pixel(&three)
    };
    let run = |bytes: &mut dyn Iterator<Item = u8>| {
        let mut length = 1;
        loop {
            let byte = bytes.next().unwrap();
            length += usize::from(byte);
            if byte < 255 {
                return length;
            }
        }
    };
    let palette: Vec<u32> = (0..kind % 128).map(|_| colour(bytes)).collect();
    let mut pixels = Vec::new();
    match kind {
        0 => pixels = (0..count).map(|_| colour(bytes)).collect(),
        1 => pixels = vec![palette[0]; count],
        2..=16 => {
            let bits = [1, 2, 2, 4][usize::from(kind - 2).min(3)];
            for _ in 0..height {
                let row: Vec<u8> = bytes.take((width * bits).div_ceil(8)).collect();
                for x in 0..width {
                    let byte = row[x * bits / 8];
                    let shift = 8 - bits - x * bits % 8;
                    let index = byte >> shift & ((1 << bits) - 1);
                    pixels.push(palette[usize::from(index)]);
                }
            }
        }
        128 => {
            while pixels.len() < count {
                let pixel = colour(bytes);
                let length = run(bytes);
                pixels.extend(vec![pixel; length]);
            }
        }
        130.. => {
            while pixels.len() < count {
                let index = bytes.next().unwrap();
                let length = if index < 128 { 1 } else { run(bytes) };
                pixels.extend(vec![palette[usize::from(index % 128)]; length]);
            }
        }
        other => panic!("tile {other}"),
    }
    assert_eq!(pixels.len(), count);
    pixels
}

pub(super) fn pixel(bytes: &[u8]) -> u32 {
    u32::from(bytes[2]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[0])
}

pub(super) fn u16s(bytes: &[u8]) -> Vec<usize> {
    let pairs = bytes.chunks(2);
    pairs
        .map(|pair| usize::from(pair[0]) << 8 | usize::from(pair[1]))
        .collect()
}

/// The answer to a challenge that proves the empty password.
pub(in super::super) fn under_zeros(challenge: &[u8]) -> Vec<u8> {
    use des::cipher::{Array, BlockCipherEncrypt, KeyInit};
    let cipher = des::Des::new(&Array::default());
    let blocks = challenge.chunks(8).flat_map(|half| {
        let mut block = Array::default();
        block.copy_from_slice(half);
        cipher.encrypt_block(&mut block);
        block
    });
    blocks.collect()
}
