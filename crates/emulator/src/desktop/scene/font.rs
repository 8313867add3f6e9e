//! Letters of 5 by 7 dots, drawn for this. Whatever is not ASCII is a pattern
//! that spells its number, so that no two characters look the same.

/// Dots in a row.
pub(super) const WIDTH: u16 = 5;

/// The printable characters of ASCII from the space on; one digit of base 32
/// for each row.
const ASCII: [&str; 95] = [
    "0000000", "4444004", "aaa0000", "aavavaa", "4fke5u4", "op248j3", "cik8lid", "4480000",
    "2488842", "8422248", "04lel40", "044v440", "0000c48", "000v000", "00000cc", "01248g0",
    "ehjlphe", "4c4444e", "eh1248v", "v2421he", "26aiv22", "vgu11he", "68guhhe", "v124888",
    "ehhehhe", "ehhf12c", "0cc0cc0", "0cc0c48", "248g842", "00v0v00", "8421248", "eh12404",
    "eh1dlle", "ehhvhhh", "uhhuhhu", "ehggghe", "uhhhhhu", "vgguggv", "vgguggg", "ehgnhhf",
    "hhhvhhh", "e44444e", "72222ic", "hikokih", "ggggggv", "hrllhhh", "hhpljhh", "ehhhhhe",
    "uhhuggg", "ehhhlid", "uhhukih", "fgge11u", "v444444", "hhhhhhe", "hhhhha4", "hhhllla",
    "hha4ahh", "hhha444", "v1248gv", "e88888e", "0g84210", "e22222e", "4ah0000", "000000v",
    "8420000", "00e1fhf", "ggmphhu", "00egghe", "11djhhf", "00ehvge", "698s888", "0fhhf1e",
    "ggmphhh", "40c444e", "20622ic", "ggikoki", "c44444e", "00qllhh", "00mphhh", "00ehhhe",
    "00uhugg", "00djf11", "00mpggg", "00ege1u", "88s8896", "00hhhjd", "00hhha4", "00hhlla",
    "00ha4ah", "00hhf1e", "00v248v", "2448442", "4444444", "8442448", "008l200",
];

/// The rows of a character, the first dot in the highest of five bits.
pub(super) fn glyph(letter: char) -> [u8; 7] {
    let number = u32::from(letter);
    let index = number.checked_sub(32).and_then(|n| usize::try_from(n).ok());
    let known = index.and_then(|index| ASCII.get(index));
    let mut rows = [0; 7];
    match known {
        Some(digits) => {
            for (row, digit) in rows.iter_mut().zip(digits.chars()) {
                let digit = digit.to_digit(32).unwrap_or(0);
                *row = u8::try_from(digit).unwrap_or(0);
            }
        }
        None => {
            // Where a letter begins and ends with a full row, its others are
            // beyond all numbers.
            rows = [31, 0, 0, 0, 0, 0, 31];
            for (row, shift) in rows.iter_mut().skip(1).zip([20, 15, 10, 5, 0]) {
                *row = u8::try_from(number >> shift & 31).unwrap_or(0);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::glyph;

    #[test]
    fn font_glyphs_are_all_different() {
        let ascii = (' '..='~').chain("äöüß€漢字かな🙂🙃ЖД\u{1}".chars());
        let count = ascii.clone().count();
        let shapes: BTreeSet<_> = ascii.map(glyph).collect();
        assert_eq!(shapes.len(), count);
    }
}
