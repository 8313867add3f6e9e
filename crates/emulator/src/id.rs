//! Identifiers. Kasm writes one UUID in two ways, sometimes within one answer;
//! both are read, and each place says which one it writes.

use std::fmt;

/// One UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u128);

impl Id {
    pub(crate) const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Reads 32 hex digits, or the same in five groups joined by dashes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        let mut digits = String::with_capacity(32);
        for (at, c) in text.char_indices() {
            if text.len() == 36 && DASHES.contains(&at) {
                if c != '-' {
                    return None;
                }
            } else if c.is_ascii_hexdigit() {
                digits.push(c);
            } else {
                return None;
            }
        }
        if digits.len() != 32 {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(Self)
    }

    /// The dashed form, as it stands in the paths of a port map.
    pub(crate) fn dashed(self) -> String {
        let hex = self.to_string();
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn emulator_id_in_both_forms_is_equal() {
        let hex = "0123456789abcdef0123456789abcdef";
        let id = Id::parse(hex).unwrap();
        assert_eq!(id.to_string(), hex);
        assert_eq!(id.dashed(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(Id::parse(&id.dashed().to_uppercase()), Some(id));
    }

    #[test]
    fn emulator_id_in_any_other_form_is_refused() {
        for text in [
            "",
            "chromium",
            "+123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcde",
            "0123456-789ab-cdef-0123-456789abcdef0",
            "01234567-89ab-cdef-0123-456789abcdé",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
