//! Charges that do not fit the session they closed. Money is never rewritten: they are shown.

use wire::event::Body;
use wire::hash::PlateTag;

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

/// The charge was made without this entry, or from another, or by a clock that was wrong, or for another plate, and nobody has
/// found yet that this changes nothing.
fn is_late(index: &Index<'_>, stage1: &Stage1, group: &Group, exit: Ix) -> bool {
    let Some(Body::Exit(charge)) = index.body(exit) else { return false };
    let (entry_time, exit_time, plate_tag) = known(index, stage1, group, exit);
    let same_entry = charge.basis.as_ref().is_some_and(|b| b.entry_time == entry_time);
    let same = same_entry && exit_time.is_none() && plate_tag.is_none();
    !same && difference(index, stage1, group, exit) != Some(0)
}

/// What was found that the charge of an exit should differ by, as far as its entry, its time and its plate are known now. What was
/// told of others is of no account, whenever it was told.
pub(super) fn difference(index: &Index<'_>, stage1: &Stage1, group: &Group, exit: Ix) -> Option<i64> {
    let (entry_time, exit_time, plate_tag) = known(index, stage1, group, exit);
    stage1.told(exit).differences.iter().rev().find_map(|d| match index.body(*d) {
        Some(Body::BasisDifference(d)) if d.is_from(entry_time, exit_time, plate_tag) => Some(d.difference),
        _ => None,
    })
}

/// What is known now of what a charge was made from: the entry; the time, where it is not the one stamped; the vehicle, where it is
/// not the one charged.
fn known(
    index: &Index<'_>,
    stage1: &Stage1,
    group: &Group,
    exit: Ix,
) -> (i64, Option<i64>, Option<PlateTag>) {
    let exit_time = index.is_corrected(exit).then(|| index.occurred_at(exit));
    let charged = charged_for(index, stage1, group, exit);
    (index.occurred_at(group.first), exit_time, (charged != group.tag).then_some(group.tag))
}

/// The vehicle whose rights an exit was charged with. Where nobody corrected a plate since, it is the session's own.
pub(super) fn charged_for(index: &Index<'_>, stage1: &Stage1, group: &Group, exit: Ix) -> PlateTag {
    if let Some(Body::Exit(charge)) = index.body(exit)
        && let Some(tag) = charge.charged_tag
    {
        return tag;
    }
    let is_corrected = |i: Ix| stage1.told(stage1.source(index, i)).corrected.is_some();
    let read = index.fact(exit).tag().filter(|_| is_corrected(exit) || is_corrected(group.first));
    read.unwrap_or(group.tag)
}
