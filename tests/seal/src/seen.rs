//! What a run has seen.

use std::collections::BTreeMap;

/// What really happened: each must happen in some run.
#[derive(Debug, Clone, Default)]
pub struct Seen(pub BTreeMap<&'static str, u64>);

impl Seen {
    /// Everything that must happen in some run.
    pub const ALL: [&'static str; 12] = [
        "sealed in the incarnation that was bound",
        "sealed after all others were asked",
        "adopted from one that had applied it",
        "an attempt ended by a new incarnation",
        "a content repeated because somebody was bound to it",
        "all disks went back at once",
        "another content under a number that all had forgotten",
        "a late proof stopped by a question",
        "a returning central set its own seals aside",
        "two contents bound under one number",
        "bytes pruned",
        "people had to help",
    ];

    pub(crate) fn saw(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

/// What may never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Two seals of one number, and somebody remembered the other.
    Disagree(String),
    /// Bytes are gone that somebody had said to have, and had not.
    Lost(String),
    /// Something is sealed or held that never happened.
    Untrue(String),
    /// Nothing is wrong any more, and still nothing moves.
    Stuck(String),
}
