//! Charges that do not fit the session they closed. Money is never rewritten: they are shown.

use wire::event::Body;

use super::conflict::ConflictKind;
use super::fold::{Clash, Folded, Group};
use super::index::{Index, Ix};
use super::stage1::Stage1;

/// The clashes between each session's entry and the exit that stands.
pub(super) fn clashes(index: &Index<'_>, stage1: &Stage1, folded: &Folded) -> Vec<Clash> {
    let mut out = Vec::new();
    for (g, group) in folded.groups.iter().enumerate() {
        let Some(exit) = group.closed_by.filter(|_| !group.no_entry) else { continue };
        let mut clash = |kind, winner| {
            let mut sides = vec![group.first, exit];
            sides.sort_unstable();
            out.push(Clash::by_no_policy(kind, g, sides, winner));
        };
        if index.occurred_at(exit) < index.occurred_at(group.first) {
            clash(ConflictKind::ClockAnomaly, None);
        }
        if is_late(index, stage1, group, exit) {
            clash(ConflictKind::LateBasis, Some(exit));
        }
    }
    out
}

/// The charge was made without this entry, or from another, or by a clock that was wrong, and nobody has found yet that this
/// changes nothing.
fn is_late(index: &Index<'_>, stage1: &Stage1, group: &Group, exit: Ix) -> bool {
    let entry_time = index.occurred_at(group.first);
    let exit_time = index.is_corrected(exit).then(|| index.occurred_at(exit));
    let Some(Body::Exit(charged)) = index.body(exit) else { return false };
    if charged.basis.as_ref().is_some_and(|b| b.entry_time == entry_time) && exit_time.is_none() {
        return false;
    }
    match stage1.told(exit).difference.and_then(|d| index.body(d)) {
        Some(Body::BasisDifference(d)) => {
            d.basis.entry_time != entry_time || d.exit_time != exit_time || d.difference != 0
        }
        _ => true,
    }
}
