//! What is worth having: a pure function of what is held here and what peers said they hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use wire::reference::{DocumentId, DocumentKind};

/// The documents to get, most urgent first: of each kind the best ones of all versions known, as many as are kept.
pub(super) fn wanted(held: &BTreeSet<DocumentId>, told: &BTreeSet<DocumentId>) -> Vec<DocumentId> {
    let mut wanted = Vec::new();
    for kind in DocumentKind::ALL {
        let mut best: BTreeMap<Reverse<i64>, DocumentId> = BTreeMap::new();
        for id in held.iter().chain(told).filter(|id| id.kind == kind) {
            let of_version = best.entry(Reverse(id.version)).or_insert(*id);
            *of_version = (*of_version).max(*id);
        }
        wanted.extend(best.into_values().take(kind.kept()).filter(|id| !held.contains(id)));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::hash::Hash32;

    fn id(kind: DocumentKind, version: i64, hash: u8) -> DocumentId {
        DocumentId { kind, version, hash: Hash32([hash; 32]) }
    }

    #[test]
    fn of_staff_and_passes_only_the_best_of_rate_tables_all_that_are_kept() {
        use DocumentKind::{RateTables, Staff, Subscriptions};
        let held = BTreeSet::from([id(RateTables, 3, 1), id(Staff, 5, 1), id(Subscriptions, 2, 9)]);
        let told = BTreeSet::from([
            id(RateTables, 2, 1),
            id(RateTables, 4, 1),
            id(Staff, 4, 1),
            id(Subscriptions, 2, 8),
            id(Subscriptions, 3, 1),
        ]);
        assert_eq!(
            wanted(&held, &told),
            [id(RateTables, 4, 1), id(RateTables, 2, 1), id(Subscriptions, 3, 1)]
        );
        // Of two that share a version all prefer the same one.
        let told = BTreeSet::from([id(Staff, 5, 2), id(Staff, 5, 0)]);
        assert_eq!(wanted(&held, &told), [id(Staff, 5, 2)]);
    }

    #[test]
    fn what_is_too_old_to_be_kept_is_not_wanted() {
        let kind = DocumentKind::RateTables;
        let kept = i64::try_from(kind.kept()).unwrap();
        let held = (1..=kept).map(|v| id(kind, v + 10, 1)).collect();
        assert!(wanted(&held, &BTreeSet::from([id(kind, 10, 1)])).is_empty());
        assert_eq!(wanted(&held, &BTreeSet::from([id(kind, kept + 11, 1)])), [id(kind, kept + 11, 1)]);
    }
}
