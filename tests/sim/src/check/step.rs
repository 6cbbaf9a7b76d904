//! Checks after every commit and reload.

use ::writer::Writes;
use replication::positions::{StreamPositions, missing_of};
use wire::event::Kind;
use wire::mesh::Message;
use wire::position::{Position, StreamId};

use super::Violation;
use crate::sometimes::Rare;
use crate::world::{Step, World};

/// So long sync may not know that its disk is another one: it reads its map every ten seconds, if the bus lets it.
const DISK_NEWS_MS: i64 = 60_000;

impl World {
    /// The map of a stream: the row as stored is what memory has, and what the events alone make.
    pub(crate) fn check_stream(&mut self, node: usize, stream: &StreamId, recount: bool) -> Step {
        let n = &self.nodes[node];
        let stored = n.store.streams.get(stream);
        if let Some(state) = n.ledger.as_ref().and_then(|l| l.state.as_ref())
            && state.positions.get(stream) != stored
        {
            let what = format!(
                "node {node}, {stream}: {:?} in memory, {stored:?} stored",
                state.positions.get(stream)
            );
            return Err(Violation::new("memory is what is stored", what));
        }
        let Some(stored) = stored else { return Ok(()) };
        if recount {
            let counted = n.store.recount(stream);
            if counted != *stored {
                let what = format!("node {node}, {stream}: events make {counted:?}, stored is {stored:?}");
                return Err(Violation::new("the map is what the events make", what));
            }
        }
        let suspected = stored.forks().iter().any(|(_, h)| h.len() == 1);
        let forked = stored.forks().iter().any(|(_, h)| h.len() > 1);
        if suspected {
            self.rare.saw(Rare::BranchSuspected);
        }
        if forked {
            self.rare.saw(Rare::ForkStored);
        }
        Ok(())
    }

    /// After loading: every stream counted anew.
    pub(crate) fn check_reload(&mut self, node: usize) -> Step {
        let streams: Vec<StreamId> = self.nodes[node].store.streams.iter().map(|(s, _)| s.clone()).collect();
        for s in streams {
            self.check_stream(node, &s, true)?;
        }
        Ok(())
    }

    /// Rare paths that a commit shows, and forks on record.
    pub(crate) fn note_stored(&mut self, node: usize, tx: &Writes) {
        for e in &tx.new {
            let h = e.frame.header();
            if e.fact.is_err() {
                self.rare.saw(Rare::PoisonStored);
            }
            if e.frame.version() > 1 {
                self.rare.saw(Rare::NewerStored);
            }
            if h.kind == Kind::Exit
                && let Some(o) = &h.opening
                && !self.holds(node, o)
            {
                self.rare.saw(Rare::ExitBeforeEntry);
            }
        }
        if !tx.erased.is_empty() {
            self.rare.saw(Rare::Erased);
        }
    }

    /// A central never says it holds what it does not. After its disk went back it may, until it has read its map again.
    pub(crate) fn check_told(&mut self, node: usize, message: &Message) -> Step {
        let Message::Positions(told) = message else { return Ok(()) };
        let n = &self.nodes[node];
        if n.disk_changed_at.is_some_and(|at| self.now - at < DISK_NEWS_MS) {
            return Ok(());
        }
        for s in &told.streams {
            let (id, told) = StreamPositions::from_holdings(s.clone());
            let nothing = StreamPositions::default();
            let lacks = missing_of(&told, n.store.streams.get(&id).unwrap_or(&nothing));
            if !lacks.is_empty() {
                let what = format!("node {node} tells of {id} {lacks:?}, which its disk does not hold");
                return Err(Violation::new("what is told is stored", what));
            }
        }
        Ok(())
    }

    fn holds(&self, node: usize, at: &Position) -> bool {
        self.nodes[node].store.streams.holds(at)
    }
}
