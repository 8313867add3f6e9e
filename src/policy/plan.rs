//! What a script would do, as far as that is known without running it.

use std::collections::BTreeSet;

use super::word::ShellWord;

/// All commands of a script, wherever they stand in it.
#[derive(Debug, Default)]
pub(super) struct ScriptPlan {
    pub(super) commands: Vec<PlannedProgram>,
    pub(super) touched: Vec<TouchedFile>,
    /// Why the plan may be incomplete.
    // A set: a reason that occurs in many places is reported once.
    pub(super) doubts: BTreeSet<String>,
    /// What the script itself lacks, if it ends too early.
    pub(super) incomplete: Option<String>,
}

/// A program that would run.
#[derive(Debug)]
pub(super) struct PlannedProgram {
    /// The last component of its path.
    pub(super) program: String,
    /// The program and its arguments.
    pub(super) argv: Vec<ShellWord>,
    /// It runs code that is not on the command line.
    pub(super) opaque: bool,
    /// The folders that it may be started in.
    pub(super) places: PossibleFolders,
}

impl PlannedProgram {
    pub(super) fn display_words(&self) -> String {
        let words: Vec<_> = self.argv.iter().map(ShellWord::display_text).collect();
        words.join(" ")
    }
}

/// A word that names a file, perhaps.
#[derive(Debug)]
pub(super) struct TouchedFile {
    /// The program, or `redirection`.
    pub(super) by: String,
    pub(super) word: ShellWord,
    pub(super) writes: bool,
    pub(super) places: PossibleFolders,
}

/// The working directories that are possible at a point of the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PossibleFolders {
    // A set, because after `test || cd folder` both folders are possible.
    pub(super) known: BTreeSet<String>,
    /// Others are possible too.
    pub(super) unknown: bool,
}

impl PossibleFolders {
    pub(super) fn only(folder: &str) -> Self {
        Self {
            known: BTreeSet::from([folder.to_owned()]),
            unknown: false,
        }
    }

    pub(super) fn merge_with(&mut self, other: &Self) {
        self.known.extend(other.known.iter().cloned());
        self.unknown |= other.unknown;
    }
}
