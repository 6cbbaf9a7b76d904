//! What is told of a round's events after the commit.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};
use parking::history::EventRef;
use parking::world::reference;
use wire::bus::state::{Stored, StoredEvent};

use crate::state::State;
use crate::writes::Writes;

/// The news of a round; none when it stored nothing.
pub(crate) fn of(state: &State, writes: &Writes) -> Option<Stored> {
    if writes.new.is_empty() && writes.erased.is_empty() {
        return None;
    }
    let mut names: HashMap<&EventRef, &str> = HashMap::new();
    for row in &writes.projection.rows {
        names.extend(row.events.iter().map(|e| (e, row.event_id.as_str())));
    }
    let events = writes
        .new
        .iter()
        .filter_map(|e| {
            let fact = e.fact.as_ref().ok()?;
            let (edge_id, fee) = fact.lane_and_fee();
            Some(StoredEvent {
                arrival: e.arrival.unsigned_abs(),
                kind: fact.kind(),
                position: fact.header.position.clone(),
                occurred_at: fact.header.occurred_at,
                event_id: names.get(&reference(fact)).map(|s| (*s).to_owned()),
                edge_id,
                fee,
            })
        })
        .collect();
    let after = writes.new.first().map_or(writes.to.arrival, |e| e.arrival - 1);
    let mut streams: BTreeSet<_> = writes.streams.iter().map(|h| &h.stream).collect();
    streams.extend(writes.erased.iter().map(|e| &e.frame.header().position.stream));
    let holdings = streams.into_iter().map(|s| state.holdings(s)).filter(|h| h.head > 0).collect();
    Some(Stored { epoch: state.epoch.clone(), after: after.unsigned_abs(), events, holdings, brought: false })
}
