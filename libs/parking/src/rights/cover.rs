//! Which part of a stay a pass covers.
//!
//! Of a pass's vehicles that are inside together the first `max_inside` to enter are covered; one that came later pays until a
//! place of the pass is free. Those who leave free a place for whoever came next.

use wire::event::RightFact;
use wire::http::SessionStatus;

use super::pass::Held;
use crate::history::HistoryRow;

/// What passes do for a stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// The rights that hold for it, wherever they begin and end.
    pub rights: Vec<RightFact>,
    /// A pass was for it, but all its places were taken when it entered.
    pub waited: bool,
}

impl Cover {
    /// Those that cover a part of the stay from `entry` until `exit`, ms.
    #[must_use]
    pub fn used(&self, entry: i64, exit: i64) -> Vec<RightFact> {
        self.rights.iter().filter(|r| r.from < exit && entry < r.to).cloned().collect()
    }
}

/// What these passes do for the stay of a row. `rows` are the sessions of the passes' vehicles, as far as they are known here.
#[must_use]
pub fn cover<'r>(
    row: &HistoryRow,
    passes: &[Held<'_>],
    rows: impl IntoIterator<Item = &'r HistoryRow> + Clone,
) -> Cover {
    let mut cover = Cover::default();
    let Some(entry) = row.entry_time else { return cover };
    for held in passes.iter().filter(|held| held.is_for(row)) {
        let (pass, valid_to) = (held.pass, held.valid_to());
        let before: Vec<Option<i64>> = rows
            .clone()
            .into_iter()
            .filter(|other| shares(held, other, row) && entered_before(other, row))
            .filter(|other| other.exit_time.is_none_or(|exit| exit > entry))
            .map(|other| other.exit_time)
            .collect();
        let from = match free_from(&before, pass.max_inside) {
            Free::Now => pass.valid_from,
            Free::At(at) => pass.valid_from.max(at),
            Free::Never => valid_to,
        };
        cover.waited |= !matches!(free_from(&before, pass.max_inside), Free::Now) && held.is_valid(entry);
        if from < valid_to {
            let right = RightFact { id: pass.id.clone(), version: held.version, from, to: valid_to };
            cover.rights.push(right);
        }
    }
    cover
}

/// How many vehicles of a pass are inside now, but for this one.
#[must_use]
pub fn in_use<'r>(
    held: &Held<'_>,
    but: wire::hash::PlateTag,
    rows: impl IntoIterator<Item = &'r HistoryRow>,
) -> u32 {
    let inside = rows.into_iter().filter(|r| r.is_open() && r.plate_tag != but && held.is_for(r));
    u32::try_from(inside.count()).unwrap_or(u32::MAX)
}

/// Another vehicle's stay under the same pass.
fn shares(held: &Held<'_>, other: &HistoryRow, row: &HistoryRow) -> bool {
    let counts = other.is_open() || other.status == SessionStatus::Exited;
    counts && !other.no_entry && other.plate_tag != row.plate_tag && held.is_for(other)
}

fn entered_before(other: &HistoryRow, row: &HistoryRow) -> bool {
    (other.entry_time, &other.opening) < (row.entry_time, &row.opening)
}

enum Free {
    Now,
    At(i64),
    Never,
}

/// When fewer than `places` of those that were there before are left; `exits` says when each left.
fn free_from(exits: &[Option<i64>], places: u32) -> Free {
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if exits.len() < places {
        return Free::Now;
    }
    let mut left: Vec<i64> = exits.iter().flatten().copied().collect();
    left.sort_unstable();
    // So many must leave first.
    match (exits.len() - places).checked_add(1).and_then(|n| left.get(n - 1)) {
        Some(at) if places > 0 => Free::At(*at),
        _ => Free::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(exits: &[Option<i64>], places: u32) -> Option<i64> {
        match free_from(exits, places) {
            Free::Now => Some(0),
            Free::At(at) => Some(at),
            Free::Never => None,
        }
    }

    #[test]
    fn a_place_is_free_when_enough_have_left() {
        assert_eq!(from(&[], 1), Some(0));
        assert_eq!(from(&[None], 1), None);
        assert_eq!(from(&[Some(50)], 1), Some(50));
        assert_eq!(from(&[Some(50), Some(30)], 1), Some(50));
        assert_eq!(from(&[Some(50), None], 1), None);
        assert_eq!(from(&[Some(50), None], 2), Some(50));
        assert_eq!(from(&[Some(50), Some(30), None], 2), Some(50));
        assert_eq!(from(&[None], 2), Some(0));
        assert_eq!(from(&[], 0), None);
        assert_eq!(from(&[Some(5)], 0), None);
    }
}
