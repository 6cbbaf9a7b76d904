//! Recent passages by lane: what bursts of reads, a `close` without a name and a repeated exit are compared with.
//!
//! A cache of rows the projection made, loaded with the rest of the writer's memory. Bounded per lane and in time.

use std::collections::{HashMap, HashSet};

use crate::history::{HistoryRow, Projection};
use wire::http::SessionStatus;
use wire::position::Position;

/// How long an unconfirmed passage counts, ms.
pub const KEPT_MS: i64 = 3_600_000;
/// How long any passage counts, ms. A little more than the rules ask for.
const RECENT_MS: i64 = 15_000;
/// Rows per lane at most; the oldest goes first.
const ROWS: usize = 256;
/// A lane with so many is rid of those that count no more before it is given another.
const TIDY: usize = 16;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct LaneRows {
    lanes: HashMap<String, Vec<HistoryRow>>,
}

fn is_open_exit(row: &HistoryRow, edge: &str) -> bool {
    row.exits.iter().any(|e| e.edge_id.as_deref() == Some(edge) && e.confirmed_time.is_none() && !e.abandoned)
}

/// True when its entry or one of its exits was opened at this lane.
fn names(row: &HistoryRow, edge: &str) -> bool {
    row.edge_id.as_deref() == Some(edge) || row.exits.iter().any(|e| e.edge_id.as_deref() == Some(edge))
}

/// True when a row still says something about this lane.
fn counts(row: &HistoryRow, edge: &str, now: i64) -> bool {
    let newest = row
        .exits
        .iter()
        .filter(|e| e.edge_id.as_deref() == Some(edge))
        .map(|e| e.time.max(e.received_at))
        .chain(
            (row.edge_id.as_deref() == Some(edge))
                .then_some(row.entry_time.unwrap_or(row.received_at).max(row.received_at)),
        )
        .max()
        .unwrap_or(i64::MIN);
    let unsettled = (row.edge_id.as_deref() == Some(edge) && row.status == SessionStatus::Pending)
        || is_open_exit(row, edge);
    newest > now - RECENT_MS || (unsettled && newest > now - KEPT_MS)
}

/// Keeps some. Rows are large and in no order: the last one takes the place of one that goes, and none is moved up.
fn keep(lane: &mut Vec<HistoryRow>, mut stays: impl FnMut(&HistoryRow) -> bool) {
    let mut i = 0;
    while let Some(row) = lane.get(i) {
        if stays(row) {
            i += 1;
        } else {
            lane.swap_remove(i);
        }
    }
}

impl LaneRows {
    /// The rows of a lane, in no order.
    pub fn of(&self, edge: &str) -> &[HistoryRow] {
        self.lanes.get(edge).map_or(&[], Vec::as_slice)
    }

    /// Takes in the rows of a projection as they stand now, for the lanes of this central. Rows that are gone are forgotten (an exit
    /// whose entry became known is part of the entry's row), and those that name the lane no more (an erased one names none).
    pub fn note(&mut self, projection: &Projection, ours: &HashSet<String>, now: i64) {
        for (edge, lane) in &mut self.lanes {
            keep(lane, |r| {
                !projection.tags.contains(&r.plate_tag)
                    || projection
                        .row_at(&r.opening.position, &r.opening.hash)
                        .is_some_and(|row| names(row, edge))
            });
        }
        for row in &projection.rows {
            let exits = row.exits.iter().filter_map(|e| e.edge_id.as_deref());
            let mut edges: Vec<&str> =
                exits.chain(row.edge_id.as_deref()).filter(|e| ours.contains(*e)).collect();
            edges.sort_unstable();
            edges.dedup();
            for edge in edges {
                self.place(edge, row, now);
            }
        }
    }

    fn place(&mut self, edge: &str, row: &HistoryRow, now: i64) {
        let counts_now = counts(row, edge, now);
        if !counts_now && !self.lanes.contains_key(edge) {
            return;
        }
        let lane = self.lanes.entry(edge.to_owned()).or_default();
        let at =
            |p: &Position, r: &HistoryRow| r.opening.position == *p && r.opening.hash == row.opening.hash;
        let found = lane.iter().position(|r| at(&row.opening.position, r));
        match (found, counts_now) {
            (Some(i), true) => lane[i] = row.clone(),
            (Some(i), false) => {
                lane.swap_remove(i);
            }
            (None, true) => {
                if lane.len() >= TIDY {
                    keep(lane, |r| counts(r, edge, now));
                    while lane.len() >= ROWS
                        && let Some((oldest, _)) = lane.iter().enumerate().min_by_key(|(_, r)| r.received_at)
                    {
                        lane.swap_remove(oldest);
                    }
                }
                lane.push(row.clone());
            }
            (None, false) => {}
        }
    }
}
