//! What a test sees of a keyboard, in the terms of X: keysyms, and a mask of modifiers.

/// Layouts that a session can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyboardLayout {
    /// `us`.
    #[default]
    Us,
    /// `de`, with a third level and dead keys.
    De,
}

/// Modifiers as X numbers them in the state of each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModifierMask(pub u8);

impl ModifierMask {
    /// Nothing is down and no lock is on.
    pub const NONE: Self = Self(0);
    /// Shift.
    pub const SHIFT: Self = Self(1);
    /// Caps Lock is on.
    pub const LOCK: Self = Self(2);
    /// Control.
    pub const CONTROL: Self = Self(4);
    /// Alt, `Mod1`.
    pub const ALT: Self = Self(8);
    /// Num Lock is on, `Mod2`.
    pub const NUM_LOCK: Self = Self(0x10);
    /// Super, `Mod4`.
    pub const SUPER: Self = Self(0x40);
    /// `AltGr`, `Mod5`.
    pub const LEVEL_THREE: Self = Self(0x80);

    /// Both of them.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of the other is in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With what `flag` tells about the other.
    #[must_use]
    pub(crate) const fn set(self, other: Self, flag: bool) -> Self {
        if flag {
            self.with(other)
        } else {
            self.without(other)
        }
    }
}

/// A key press as a program receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrokeRecord {
    /// What the key means at its level; 0 if nothing.
    pub keysym: u32,
    /// What was held and on.
    pub state: ModifierMask,
}
