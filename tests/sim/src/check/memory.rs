//! Memory against the store: what a writer keeps is a copy of what it committed.

use std::collections::BTreeSet;

use ::writer::Writes;
use parking::fact::Fact;
use parking::history::{HistoryRow, Policies};
use parking::rights::Register;
use replication::catchup::{PeerView, Phase};
use replication::positions::Closed;
use wire::position::{SeqRange, StreamHoldings};

use super::Violation;
use crate::sometimes::Rare;
use crate::store::StoredRow;
use crate::world::{Step, World};

impl World {
    /// What the writer keeps in memory is what is stored: head, map, rules, and the rows of its lanes.
    pub(crate) fn check_memory(&mut self, node: usize) -> Step {
        let n = &self.nodes[node];
        let Some(state) = n.ledger.as_ref().and_then(|l| l.state.as_ref()) else { return Ok(()) };
        let wrong =
            |what: String| Err(Violation::new("memory is what is stored", format!("node {node}: {what}")));
        if *state.writer.committed() != n.store.head {
            return wrong(format!("head {:?}, stored {:?}", state.writer.committed(), n.store.head));
        }
        if state.positions != n.store.streams {
            return wrong("the map in memory is another one".to_owned());
        }
        // What means nothing to this release judges nothing.
        let known = |f: &&Fact| !f.foreign;
        let rules: BTreeSet<_> = state.rules().iter().filter(known).map(|f| f.hash).collect();
        let stored = n.store.policies();
        let stored: BTreeSet<_> = stored.iter().filter(known).map(|f| f.hash).collect();
        if rules != stored {
            return wrong(format!("rules {rules:?}, stored {stored:?}"));
        }
        // Taken in one by one, in whatever order they came, and read all at once.
        let register = Register::of(&n.store.register(), state.policies.offsets());
        if *state.register != register {
            return wrong(format!("register {:?}, stored {register:?}", state.register));
        }
        let (kept, awaited) = state.kept();
        if *awaited != n.store.awaited() {
            return wrong(format!("awaited {awaited:?}, of the events {:?}", n.store.awaited()));
        }
        for (tag, facts) in kept {
            // Alone: with whatever shares its tag and nothing else.
            let kept: BTreeSet<_> = facts.iter().map(|f| f.hash).collect();
            let stored: BTreeSet<_> =
                n.store.closure(&BTreeSet::from([tag])).iter().map(|f| f.hash).collect();
            if kept != stored || kept.len() != facts.len() {
                return wrong(format!("facts {kept:?}, stored {stored:?}{}", n.store.story(tag)));
            }
        }
        if let Some(kept) = state.may_be_inside() {
            let open =
                n.store.rows.history().filter(|r| r.row.is_open()).filter_map(|r| r.row.plate_key.as_deref());
            if let Some(key) = open.into_iter().find(|k| !kept.contains(*k)) {
                return wrong(format!("{key} is inside and is not among the plates to search through"));
            }
        }
        let plates_kept = state.may_be_inside().is_some();
        for edge in &n.lanes {
            for row in state.lanes.of(edge) {
                let stored = n.store.rows.named(&row.event_id).map(|s| &*s.row);
                if stored != Some(row) {
                    return wrong(format!("{} of {edge}: {}", row.event_id, difference(&Some(row), &stored)));
                }
            }
        }
        if plates_kept {
            self.rare.saw(Rare::PlatesKept);
        }
        Ok(())
    }

    /// At rest: sync, mesh and people see that nothing is missing, and every event is known to be everywhere.
    pub(crate) fn check_views(&mut self, node: usize) -> Step {
        let (now, nodes) = (self.now, self.plan.nodes);
        let n = &mut self.nodes[node];
        let wrong =
            |what: String| Err(Violation::new("at rest nothing is missing", format!("node {node}: {what}")));
        let Some(sync) = &mut n.sync else { return Ok(()) };
        let catchup = sync.machine.catchup();
        let recovery = catchup.recovery(now);
        if recovery.phase != Phase::None || recovery.missing_own + recovery.waiting_own > 0 {
            return wrong(format!("{recovery:?}"));
        }
        let view = catchup.view(now);
        // What only a destroyed disk held is a gap for good.
        let gaps = |at: &SeqRange| {
            n.store.streams.get(&at.stream).is_some_and(|s| s.gaps().contains(&(at.from, at.to)))
        };
        if view.stalled.is_some() || !view.unavailable.iter().all(gaps) || view.summary.missing > 0 {
            return wrong(format!("{view:?}"));
        }
        // As sync reads them of the ledger: what was given up is no longer named as missing, and nothing else is silenced.
        let lost = n.store.lost_ranges();
        catchup.close(Closed::of(lost.clone()));
        let closed = catchup.view(now);
        let given_up = |r: &SeqRange| lost.contains(r);
        let left: Vec<&SeqRange> = view.unavailable.iter().filter(|r| !given_up(r)).collect();
        if closed.unavailable.iter().collect::<Vec<_>>() != left
            || !lost.iter().all(|r| closed.closed.contains(r))
        {
            return wrong(format!("given up: {lost:?}; {closed:?}"));
        }
        if !lost.is_empty() {
            self.rare.saw(Rare::RangeGivenUp);
        }
        let held = |p: &PeerView| {
            let own =
                n.store.streams.iter().filter(|(s, _)| s.central == p.id).map(|(_, s)| s.held()).sum::<u64>();
            p.connected && p.known && p.backlog == 0 && p.held_events == own && p.gaps.iter().all(gaps)
        };
        if let Some(p) = view.peers.iter().find(|p| !held(p)) {
            return wrong(format!("{p:?}"));
        }
        // Told a while ago: in a full mesh everyone has heard of it from everyone.
        if let Some(e) = n.store.events().first()
            && view.peers.len() + 1 == nodes
        {
            let holders = catchup.holders(&e.frame.header().position);
            if holders != nodes as u64 {
                return wrong(format!("{:?} is known at {holders} of {nodes} centrals", e.frame));
            }
        }
        Ok(())
    }

    /// What is told of a stream after a commit is what was committed.
    pub(crate) fn check_holdings(&self, node: usize, told: &[StreamHoldings]) -> Step {
        let n = &self.nodes[node];
        for h in told {
            let stored = n.store.streams.get(&h.stream).map(|s| s.to_holdings(&h.stream));
            if stored.as_ref() != Some(h) && !(stored.is_none() && h.head == 0) {
                let what = format!("node {node} tells {h:?}, stored is {stored:?}");
                return Err(Violation::new("what is told is stored", what));
            }
        }
        Ok(())
    }

    /// Rows that a transaction replaced: another row has another hash, and (`all`) they are what the events make.
    pub(crate) fn check_rows(&self, node: usize, tx: &Writes, before: &[StoredRow], all: bool) -> Step {
        let store = &self.nodes[node].store;
        for old in before {
            let Some(new) = store.rows.named(&old.row.event_id) else { continue };
            if new.hash == old.hash && digested(&new.row) != digested(&old.row) {
                let what = format!("{:?} and {:?} have one hash", old.row, new.row);
                return Err(Violation::new("a digest sees every column", what));
            }
        }
        // Events stored without their rows are theirs later.
        if !all || store.stale || tx.stale || !tx.later.is_empty() || tx.projection.tags.is_empty() {
            return Ok(());
        }
        let tags = &tx.projection.tags;
        let facts = store.closure(tags);
        let fresh = parking::history::project(&facts, &Policies::of(&store.policies()));
        let fresh: Vec<&HistoryRow> = fresh.rows.iter().filter(|r| tags.contains(&r.plate_tag)).collect();
        for row in &fresh {
            let stored = store.rows.named(&row.event_id).map(|s| &*s.row);
            if stored != Some(*row) {
                let what = format!(
                    "node {node}: {}: {}{}",
                    row.event_id,
                    difference(&Some(*row), &stored),
                    store.story(row.plate_tag)
                );
                return Err(Violation::new("rows are the projection", what));
            }
        }
        let stored = tags.iter().map(|t| store.rows.of(*t).count()).sum::<usize>();
        if stored != fresh.len() {
            let what = format!("node {node}: {stored} rows stored, the events make {}", fresh.len());
            return Err(Violation::new("rows are the projection", what));
        }
        Ok(())
    }
}

/// Where two things begin to differ.
pub(crate) fn difference(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) -> String {
    let (a, b) = (format!("{a:?}"), format!("{b:?}"));
    let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(60);
    let end = |t: &str| t.chars().skip(at).take(200).collect::<String>();
    format!("…{}… against …{}…", end(&a), end(&b))
}

/// The columns that centrals compare.
fn digested(r: &HistoryRow) -> impl PartialEq + use<'_> {
    let exits: Vec<_> = r.exits.iter().map(|e| (&e.event, e.fee, e.confirmed_time, e.abandoned)).collect();
    (
        (&r.opening, r.alias_number, r.plate_tag, r.no_entry, &r.duplicate_of, &r.source_central),
        (&r.edge_id, &r.lot_id, &r.vehicle_class, r.status, &r.exit_central, &r.exit_edge, &r.exit),
        (r.entry_time, r.confirmed_time, r.exit_time, r.exit_confirmed_time, r.duration_s),
        (r.fee, r.charged, r.set_price, r.waived, r.uncollected, r.paid, &r.currency),
        (&r.rate_table, &r.fee_lines, &r.flags, exits),
    )
}
