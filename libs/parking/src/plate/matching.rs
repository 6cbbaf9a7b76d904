//! Finding the entry that an exit belongs to.

use super::PlateKey;
use super::correct::confusable;

/// Which open session an exit belongs to, by the steps of [`match_entry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<T> {
    /// The key is the key of an open session.
    Exact(T),
    /// One of the camera's other candidates is the key of exactly one open session.
    Candidate(T),
    /// Exactly one open session differs only by letters and digits that look alike.
    LookAlike(T),
    /// Near, but perhaps another vehicle: staff compare both pictures. Never empty, ordered by key.
    AskStaff(Vec<T>),
    /// Nothing near: the no-entry procedure.
    None,
}

impl<T> Match<T> {
    /// The session that may be taken without asking.
    pub fn sure(self) -> Option<T> {
        match self {
            Self::Exact(t) | Self::Candidate(t) | Self::LookAlike(t) => Some(t),
            Self::AskStaff(_) | Self::None => None,
        }
    }
}

/// Finds the open session an exit belongs to: exact key; one of the camera's candidates equals exactly one open
/// session; a letter/digit look-alike of exactly one; anything else one character away is for staff, because a wrong
/// match takes a stranger's money.
///
/// `open` need only hold sessions that could match; one pass, no allocation unless something is near.
pub fn match_entry<'k, T>(
    key: &PlateKey,
    candidates: &[PlateKey],
    open: impl IntoIterator<Item = (&'k PlateKey, T)>,
) -> Match<T> {
    let mut exact = None;
    let mut near: Vec<(Near, &PlateKey, T)> = Vec::new();
    for (open_key, session) in open {
        if open_key == key {
            exact.get_or_insert(session);
        } else if candidates.contains(open_key) {
            near.push((Near::Candidate, open_key, session));
        } else if is_look_alike(key, open_key) {
            near.push((Near::LookAlike, open_key, session));
        } else if is_one_away(key, open_key) {
            near.push((Near::OneAway, open_key, session));
        }
    }
    if let Some(session) = exact {
        return Match::Exact(session);
    }
    for step in [Near::Candidate, Near::LookAlike] {
        // A candidate may be a look-alike as well: two sessions that look like the key are never "exactly one".
        let of_step = |n: Near, k: &PlateKey| n == step || (step == Near::LookAlike && is_look_alike(key, k));
        if near.iter().filter(|(n, k, _)| of_step(*n, k)).count() == 1
            && let Some(at) = near.iter().position(|(n, k, _)| of_step(*n, k))
        {
            let (_, _, session) = near.swap_remove(at);
            return if step == Near::Candidate {
                Match::Candidate(session)
            } else {
                Match::LookAlike(session)
            };
        }
    }
    if near.is_empty() {
        return Match::None;
    }
    near.sort_by(|a, b| a.1.cmp(b.1));
    Match::AskStaff(near.into_iter().map(|(_, _, session)| session).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    Candidate,
    LookAlike,
    OneAway,
}

/// Whether two different keys of one length differ only where one has a letter and the other a digit like it.
#[must_use]
pub fn is_look_alike(a: &PlateKey, b: &PlateKey) -> bool {
    let (a, b) = (a.as_str().as_bytes(), b.as_str().as_bytes());
    a != b && a.len() == b.len() && a.iter().zip(b).all(|(&x, &y)| x == y || confusable(x, y))
}

/// Whether one character replaced, left out or put in makes one key the other.
#[must_use]
pub fn is_one_away(a: &PlateKey, b: &PlateKey) -> bool {
    let (a, b) = (a.as_str().as_bytes(), b.as_str().as_bytes());
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = long.iter().zip(short).take_while(|(x, y)| x == y).count();
    let rest = if long.len() == short.len() { short.get(same + 1..) } else { short.get(same..) };
    rest.is_some_and(|rest| long.get(same + 1..) == Some(rest))
}
