//! The rows a lane remembers: as many as count, never more than it may hold.

use std::collections::{BTreeSet, HashSet};

use parking::history::{HistoryRow, Projection};
use parking::lanes::LaneRows;
use wire::hash::PlateTag;

use crate::central::{Central, entry_lane, open};
use crate::log::T0;

const EDGE: &str = "edge-1";

fn ours() -> HashSet<String> {
    HashSet::from([EDGE.to_owned()])
}

/// The row of an entry at the lane, so many times: each of a vehicle of its own, a millisecond after the one before.
fn entries(many: u64) -> Vec<HistoryRow> {
    let mut c = Central::new(1);
    c.tell(&open(entry_lane(), 0, "29A-123.45"));
    let row = c.project().rows.remove(0);
    assert_eq!(row.edge_id.as_deref(), Some(EDGE));
    let each = |n: u64| {
        let mut row = row.clone();
        row.opening.position.seq = 1000 + n;
        row.plate_tag = PlateTag(u128::from(n).to_be_bytes());
        row.received_at = T0 + n.cast_signed();
        row.entry_time = Some(row.received_at);
        row
    };
    (0..many).map(each).collect()
}

fn projection(rows: &[HistoryRow]) -> Projection {
    let tags: BTreeSet<PlateTag> = rows.iter().map(|r| r.plate_tag).collect();
    Projection { rows: rows.to_vec(), tags, ..Projection::default() }
}

fn held(lanes: &LaneRows) -> BTreeSet<u64> {
    lanes.of(EDGE).iter().map(|r| r.opening.position.seq - 1000).collect()
}

#[test]
fn of_too_many_the_newest_stay() {
    let mut lanes = LaneRows::default();
    for row in entries(300) {
        lanes.note(&projection(&[row]), &ours(), T0 + 400);
    }
    assert_eq!(held(&lanes), (300 - 256..300).collect());
}

#[test]
fn rows_that_count_no_more_make_room_and_the_others_stay() {
    let rows = entries(40);
    let mut lanes = LaneRows::default();
    lanes.note(&projection(&rows[..39]), &ours(), T0 + 100);
    assert_eq!(held(&lanes).len(), 39);
    // An hour later nobody waits for these any more; the next car finds that out.
    let later = T0 + 3_600_000 + 20;
    let mut newest = rows[39].clone();
    (newest.received_at, newest.entry_time) = (later, Some(later));
    lanes.note(&projection(&[newest]), &ours(), later);
    assert_eq!(
        held(&lanes),
        (21..40).collect(),
        "those of the first twenty-one milliseconds are over an hour old"
    );
}

#[test]
fn a_vehicle_whose_row_is_gone_is_forgotten_and_no_other() {
    let rows = entries(5);
    let mut lanes = LaneRows::default();
    lanes.note(&projection(&rows), &ours(), T0 + 100);
    let gone = Projection { rows: Vec::new(), ..projection(&rows[1..3]) };
    lanes.note(&gone, &ours(), T0 + 100);
    assert_eq!(held(&lanes), [0, 3, 4].into());
}
