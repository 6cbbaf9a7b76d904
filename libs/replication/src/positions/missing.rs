//! What one central can give another.

use wire::position::{SeqRange, StreamId};

use super::ranges::{self, Range};
use super::{Positions, StreamPositions};

/// What they hold and I lack: (their heads − their gaps) ∩ (my gaps ∪ above my head), and positions where they hold a branch of
/// a fork that I lack. Ascending by stream and seq.
pub fn missing(theirs: &Positions, mine: &Positions) -> Vec<SeqRange> {
    let nothing = StreamPositions::default();
    let mut out = Vec::new();
    for (id, t) in theirs.iter() {
        push(&mut out, id, missing_of(t, mine.get(id).unwrap_or(&nothing)));
    }
    out
}

/// The same for one stream, as inclusive ranges.
pub fn missing_of(theirs: &StreamPositions, mine: &StreamPositions) -> Vec<(u64, u64)> {
    let mut wanted = ranges::intersect(&theirs.holding(), &mine.lacking(theirs.head()));
    let before = wanted.len();
    wanted.extend(branches(theirs, mine));
    if wanted.len() > before {
        wanted = ranges::normalise(wanted, theirs.head());
    }
    wanted
}

/// Positions both hold where they have a hash that I have not.
fn branches<'a>(t: &'a StreamPositions, m: &'a StreamPositions) -> impl Iterator<Item = Range> + 'a {
    let forked = t.forks().iter().filter(|(seq, hashes)| {
        m.holds(**seq)
            && match m.forks().get(seq) {
                Some(have) => !hashes.is_subset(have),
                // Not listed here: one hash is held, so of two at least one is missing.
                None if **seq == m.head() => hashes.iter().any(|h| *h != m.head_hash()),
                None => hashes.len() > 1,
            }
    });
    let head = (t.head() > 0 && t.head() == m.head() && t.head_hash() != m.head_hash())
        .then(|| t.head())
        .filter(|seq| !m.forks().get(seq).is_some_and(|have| have.contains(&t.head_hash())));
    forked.map(|(seq, _)| (*seq, *seq)).chain(head.map(|seq| (seq, seq)))
}

/// Positions where a branch is known to be missing here (a successor names it) and the other holds something, maybe that
/// branch. Worth asking once per peer; an answer may bring nothing new.
pub fn suspected(theirs: &Positions, mine: &Positions) -> Vec<SeqRange> {
    let mut out = Vec::new();
    for (id, m) in mine.iter() {
        if let Some(t) = theirs.get(id) {
            push(&mut out, id, suspected_of(t, m));
        }
    }
    out
}

/// The same for one stream, as inclusive ranges.
pub fn suspected_of(theirs: &StreamPositions, mine: &StreamPositions) -> Vec<(u64, u64)> {
    let open = mine
        .forks()
        .iter()
        .filter(|(seq, have)| have.len() == 1 && theirs.holds(**seq) && !theirs.forks().contains_key(seq));
    open.map(|(seq, _)| (*seq, *seq)).collect()
}

fn push(out: &mut Vec<SeqRange>, stream: &StreamId, ranges: Vec<Range>) {
    out.extend(ranges.into_iter().map(|(from, to)| SeqRange { stream: stream.clone(), from, to }));
}

/// How many positions the ranges name.
pub fn count(ranges: &[SeqRange]) -> u64 {
    ranges.iter().fold(0, |n, r| n.saturating_add(r.len()))
}
