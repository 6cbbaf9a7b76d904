//! What becomes of a frame that comes in. Depends on what is held at its position and on nothing else: an event is never
//! refused for its neighbours, its clock or its content.

use wire::hash::Hash32;

/// An event held at the position of the one that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its hash.
    pub hash: Hash32,
    /// Its number among the events of this position, 0 for the first that came. Local to this central.
    pub branch: u16,
    /// True when its body is gone.
    pub erased: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// Nothing is held there: store it.
    New,
    /// The same event is held, in this form or in the erased one, which the full one never replaces.
    Known,
    /// The full form is held in this branch and the erased one comes: it takes its place.
    Erase {
        /// Where it is held.
        branch: u16,
    },
    /// Another event is held there: both were acknowledged, both are stored.
    Fork {
        /// The branch it gets.
        branch: u16,
    },
}

/// Decides on a frame (its hash and form) against what is held at its position.
pub fn accept(held: &[Held], hash: Hash32, erased: bool) -> Acceptance {
    if let Some(same) = held.iter().find(|h| h.hash == hash) {
        return if erased && !same.erased {
            Acceptance::Erase { branch: same.branch }
        } else {
            Acceptance::Known
        };
    }
    match held.iter().map(|h| h.branch).max() {
        None => Acceptance::New,
        Some(highest) => Acceptance::Fork { branch: highest.saturating_add(1) },
    }
}

/// True when an event's `prev_hash` is the hash of one held before it (or nothing is held there to compare with). False means
/// that a branch of the position before is missing here.
pub fn links(prev_hash: Hash32, held_before: &[Hash32]) -> bool {
    held_before.is_empty() || held_before.contains(&prev_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Hash32 = Hash32([1; 32]);
    const B: Hash32 = Hash32([2; 32]);

    #[test]
    fn what_becomes_of_a_frame() {
        let full = Held { hash: A, branch: 0, erased: false };
        let erased = Held { erased: true, ..full };
        assert_eq!(accept(&[], A, false), Acceptance::New);
        assert_eq!(accept(&[full], A, false), Acceptance::Known);
        assert_eq!(accept(&[full], A, true), Acceptance::Erase { branch: 0 });
        assert_eq!(accept(&[erased], A, false), Acceptance::Known);
        assert_eq!(accept(&[erased], A, true), Acceptance::Known);
        assert_eq!(accept(&[full], B, true), Acceptance::Fork { branch: 1 });
        let other = Held { hash: B, branch: 3, erased: false };
        assert_eq!(accept(&[full, other], Hash32([3; 32]), false), Acceptance::Fork { branch: 4 });
    }

    #[test]
    fn links_where_there_is_something_to_link_to() {
        assert!(links(A, &[]));
        assert!(links(A, &[B, A]));
        assert!(!links(A, &[B]));
    }
}
