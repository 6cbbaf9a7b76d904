//! Checks after every commit and reload.

use wire::event::Kind;
use wire::position::{Position, StreamId};

use super::Violation;
use crate::sometimes::Rare;
use crate::store::Tx;
use crate::world::{Step, World};

impl World {
    /// The map of a stream: the row as stored is what memory has, and what the events alone make.
    pub(crate) fn check_stream(&mut self, node: usize, stream: &StreamId, recount: bool) -> Step {
        let n = &self.nodes[node];
        let stored = n.store.streams.get(stream);
        if let Some(state) = n.ledger.as_ref().and_then(|l| l.state.as_ref())
            && state.positions.get(stream) != stored
        {
            let what = format!("node {node}, {stream}: {:?} in memory, {stored:?} stored", state.positions.get(stream));
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
    pub(crate) fn note_stored(&mut self, node: usize, tx: &Tx) {
        for e in &tx.new {
            let h = e.frame.header();
            if e.fact.is_none() {
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

    fn holds(&self, node: usize, at: &Position) -> bool {
        self.nodes[node].store.streams.holds(at)
    }
}
