//! Completeness as the other services and people see it.

use jiff::tz::TimeZone;
use replication::catchup::{Catchup, Summary};
use serde::Serialize;
use wire::alarm::AlarmNow;
use wire::bus::query::{QueryReply, RangeState, SyncPeer, SyncPeers, SyncQuery};
use wire::bus::state::SyncState;
use wire::http::{Problem, SyncPeerView, SyncStateView};
use wire::id::CentralId;
use wire::time::rfc3339;

use crate::keeping::Keeping;
use crate::metrics::Metrics;
use crate::recency::Recency;
use crate::recovery;
use crate::reference::Reference;

/// Positions one question may name.
const POSITIONS: usize = 10_000;

/// In short.
pub(crate) fn state(s: &Summary, reference: &Reference) -> SyncState {
    SyncState {
        catching_up: s.catching_up,
        missing: s.missing,
        positions_digest: s.digest,
        no_external_api: reference.is_stale(),
        external_api: reference.is_configured(),
    }
}

/// What is kept beside the state machine.
pub(crate) struct Kept<'a> {
    pub(crate) recency: &'a Recency,
    pub(crate) metrics: &'a Metrics,
    pub(crate) keeping: &'a Keeping,
    pub(crate) alarms: Vec<AlarmNow>,
}

fn at_length(
    me: &CentralId,
    catchup: &mut Catchup,
    kept: &Kept<'_>,
    tz: &TimeZone,
    now: i64,
) -> SyncStateView {
    let bytes = kept.metrics.bytes_per_event();
    let v = catchup.view(now);
    let unread = (!catchup.is_loaded()).then(|| "this central's holdings were not read yet".to_owned());
    SyncStateView {
        central_id: me.to_string(),
        catching_up: v.summary.catching_up,
        backlog: v.summary.missing,
        unavailable: v.unavailable.iter().map(ToString::to_string).collect(),
        nowhere: v.nowhere.iter().map(ToString::to_string).collect(),
        closed: v.closed.iter().map(ToString::to_string).collect(),
        spread: kept.keeping.view(tz),
        stalled: v.stalled.or(unread),
        raw_bytes_per_event: bytes.map(|(raw, _)| raw),
        bytes_per_event: bytes.map(|(_, packed)| packed),
        peers: v
            .peers
            .into_iter()
            .map(|p| {
                let recent = kept.recency.of(&p.id);
                SyncPeerView {
                    peer_central_id: p.id.to_string(),
                    last_sync_timestamp: recent.newest,
                    last_sync_time: recent.stored_at.map(|at| rfc3339(at, tz)),
                    gaps: p.gaps.iter().map(ToString::to_string).collect(),
                    backlog: p.backlog,
                    rate: (p.rate * 10.0).round() / 10.0,
                    eta_s: p.eta_s.map(|s| (s * 10.0).round() / 10.0),
                }
            })
            .collect(),
    }
}

/// Answers a question.
pub(crate) fn answer(
    question: &SyncQuery,
    me: &CentralId,
    catchup: &mut Catchup,
    kept: Kept<'_>,
    reference: &Reference,
    tz: &TimeZone,
    now: i64,
) -> QueryReply {
    match question {
        SyncQuery::Reference => reply(&reference.now()),
        SyncQuery::State => reply(&at_length(me, catchup, &kept, tz, now)),
        SyncQuery::Range(range) => {
            let seen = catchup.range(range);
            reply(&RangeState {
                missing: seen.missing,
                known: seen.known,
                holders: seen.holders,
                away: seen.away,
            })
        }
        SyncQuery::Spread => reply(&kept.keeping.view(tz)),
        SyncQuery::Holders(positions) if positions.len() > POSITIONS => QueryReply::Problem(Problem::new(
            422,
            "too_many",
            "Too many positions",
            format!("at most {POSITIONS} positions may be asked about at once"),
        )),
        SyncQuery::Holders(positions) => {
            reply(&positions.iter().map(|p| catchup.holders(p)).collect::<Vec<u64>>())
        }
        SyncQuery::Peers => {
            let view = catchup.view(now);
            reply(&SyncPeers {
                alarms: kept.alarms,
                spread: kept.keeping.view(tz),
                held_only_here: catchup.held_only_here(),
                recovery: Some(recovery::told(&catchup.recovery(now), tz)),
                // Of a peer that never told its map since this process started, nothing is known.
                peers: view
                    .peers
                    .into_iter()
                    .filter(|p| p.known)
                    .map(|p| SyncPeer {
                        id: p.id,
                        behind_events: p.behind_events,
                        held_events: p.held_events,
                    })
                    .collect(),
            })
        }
    }
}

fn reply<T: Serialize>(value: &T) -> QueryReply {
    match serde_json::value::to_raw_value(value) {
        Ok(body) => QueryReply::Ok(body),
        Err(e) => QueryReply::Problem(Problem::new(500, "internal", "Internal error", e.to_string())),
    }
}
