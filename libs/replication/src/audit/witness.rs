//! What proves bytes: the hash that somebody else wrote down when the event was whole. The event after it names it; the position
//! map names it at the head and at forks.

use std::collections::BTreeSet;

use wire::event::Frame;
use wire::hash::Hash32;
use wire::position::Position;

/// What a difference at one position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both hold the same.
    Same,
    /// What is held here is not what its witnesses name, and what the peer holds is: it takes its place.
    Mine,
    /// What the peer holds is not what the witnesses name: it will find out by itself.
    Theirs,
    /// Both were written: a fork, and both branches stand.
    Fork,
}

/// Judges a position where the hashes differ, by the hashes that witnesses here name. Without a witness nothing is replaced.
pub fn judge(mine: &BTreeSet<Hash32>, theirs: &BTreeSet<Hash32>, named: &BTreeSet<Hash32>) -> Verdict {
    if theirs.is_subset(mine) {
        return Verdict::Same;
    }
    let theirs_named = theirs.difference(mine).any(|h| named.contains(h));
    let mine_named = mine.is_subset(named) && !mine.is_empty();
    match (mine_named, theirs_named) {
        (false, true) => Verdict::Mine,
        (true, false) => Verdict::Theirs,
        _ if mine.is_empty() => Verdict::Mine,
        _ => Verdict::Fork,
    }
}

/// True when `frame` is proven to be what was written at `at`. `row` is the hash the damaged row still has beside its bytes. Where
/// no witness is left at all (the last event of a stream that lost its map), its link to the event before it must do.
pub fn proven(
    frame: &Frame,
    at: &Position,
    row: Option<Hash32>,
    named: &BTreeSet<Hash32>,
    before: &BTreeSet<Hash32>,
) -> bool {
    let h = frame.header();
    if h.position != *at {
        return false;
    }
    if !named.is_empty() {
        return named.contains(&frame.hash());
    }
    row == Some(frame.hash()) || before.contains(&h.prev_hash)
}
