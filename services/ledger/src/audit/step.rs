//! From a fault to a finding and its cure.

use std::collections::BTreeSet;

use replication::audit::Fault;
use replication::keeping::{Month, month_name};
use replication::positions::StreamPositions;
use wire::hash::PlateTag;
use wire::position::StreamId;

use super::log::position;
use crate::store::findings::{Evidence, Finding};
use crate::verify::rows::RowFault;
use crate::writer::repair::{Cure, Step};

/// What a fault in the log asks for.
pub(super) fn of_fault(number: i32, stream: &StreamId, held: &StreamPositions, fault: &Fault) -> Step {
    let event =
        |seq: u64, branch: u16| Evidence::Event { stream: number, seq: seq as i64, branch: branch as i16 };
    let place = |seq: u64, branch: u16| match branch {
        0 => format!("{stream}/{seq}"),
        b => format!("{stream}/{seq}~{b}"),
    };
    let step = |what, place, detail: String, seq: u64, evidence, cure| Step {
        finding: Finding { what, place, detail, at: Some(position(stream, seq)), tag: None, evidence },
        cure,
    };
    match fault {
        Fault::Twice { seq, branch } => {
            let cure = Cure::Twice { stream: number, seq: *seq as i64, branch: *branch as i16 };
            let rows = Evidence::Rows { stream: number, seq: *seq as i64, branch: *branch as i16 };
            let detail = "more than one row stands there".to_owned();
            step("event_twice", place(*seq, *branch), detail, *seq, rows, cure)
        }
        Fault::Bytes { seq, branch, why } => {
            let detail = format!("{why}; the event is asked for from a holder");
            step("event_bytes", place(*seq, *branch), detail, *seq, event(*seq, *branch), Cure::Wait)
        }
        Fault::HashColumn { seq, branch } => {
            let cure = Cure::OwnBytes { stream: number, seq: *seq as i64, branch: *branch as i16 };
            let detail =
                "the hash beside the bytes is not theirs; the event after it names theirs".to_owned();
            step("event_hash", place(*seq, *branch), detail, *seq, event(*seq, *branch), cure)
        }
        Fault::Columns { seq, branch, names } => {
            let cure = Cure::OwnBytes { stream: number, seq: *seq as i64, branch: *branch as i16 };
            let detail = format!("not what the bytes say: {}", names.join(", "));
            step("event_columns", place(*seq, *branch), detail, *seq, event(*seq, *branch), cure)
        }
        Fault::Misplaced { seq, branch, says } => {
            let cure = Cure::Move { stream: number, seq: *seq as i64, branch: *branch as i16 };
            let detail = format!("the bytes belong to {says}");
            step("event_misplaced", place(*seq, *branch), detail, *seq, event(*seq, *branch), cure)
        }
        Fault::Link { seq, hash } => {
            let detail = "the event is whole and is not the one the event after it or the map names; holders are asked";
            let cure = if held.head() == *seq {
                Cure::Head { stream: stream.clone(), seq: *seq, row: *hash, confirmed: None }
            } else {
                Cure::Wait
            };
            step("event_chain", place(*seq, 0), detail.to_owned(), *seq, event(*seq, 0), cure)
        }
        Fault::Missing { from, to } => {
            let place = if from == to { format!("{stream}/{from}") } else { format!("{stream}/{from}-{to}") };
            let detail = format!("{} events are listed as held and no row is there", to - from + 1);
            let cure = Cure::Map { number, stream: stream.clone(), missing: Some((*from, *to)) };
            step("event_missing", place, detail, *to, Evidence::Stream(number), cure)
        }
        Fault::Map { from, to } => Step {
            finding: Finding {
                what: "stream",
                place: stream.to_string(),
                detail: format!("rows {from} to {to} are there and the map says something else"),
                at: None,
                tag: None,
                evidence: Evidence::Stream(number),
            },
            cure: Cure::Map { number, stream: stream.clone(), missing: None },
        },
    }
}

/// A stream whose own row is missing, cannot be read, or names another stream than its events do.
pub(super) fn of_stream(number: i32, stream: &StreamId, detail: String) -> Step {
    Step {
        finding: Finding {
            what: "stream",
            place: stream.to_string(),
            detail,
            at: None,
            tag: None,
            evidence: Evidence::Stream(number),
        },
        cure: Cure::Map { number, stream: stream.clone(), missing: None },
    }
}

/// A stream whose list of months is not what is filed there.
pub(super) fn of_months(number: i32, stream: &StreamId, wrong: &BTreeSet<Month>) -> Step {
    let names: Vec<String> = wrong.iter().map(|m| month_name(*m)).collect();
    Step {
        finding: Finding {
            what: "stream_months",
            place: stream.to_string(),
            detail: format!("listed otherwise than filed: {}", names.join(", ")),
            at: None,
            tag: None,
            evidence: Evidence::Months(number),
        },
        cure: Cure::Months(number),
    }
}

/// What rows that are not what the events say ask for.
pub(super) fn of_rows(faults: &[RowFault], tags: &[PlateTag]) -> Vec<Step> {
    let tags: BTreeSet<PlateTag> = tags.iter().copied().collect();
    faults
        .iter()
        .map(|f| Step {
            finding: Finding {
                what: if f.conflict.is_some() { "conflict_row" } else { "history_row" },
                place: f.place.clone(),
                detail: f.kind.to_owned(),
                at: None,
                tag: None,
                evidence: match (&f.history, f.conflict) {
                    (Some(name), _) => Evidence::History(name.clone()),
                    (None, Some(id)) => Evidence::Conflict(id),
                    (None, None) => Evidence::None,
                },
            },
            cure: Cure::Rows(tags.clone()),
        })
        .collect()
}
