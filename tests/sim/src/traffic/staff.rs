//! People: acts on sessions, and new rules.

use wire::bus::command::SessionAction;

use super::Wish;
use crate::world::{BEGIN, Moment, World};

impl World {
    /// A person acts on some session.
    pub(crate) fn staff_acts(&mut self, node: usize) {
        let rows: Vec<(String, bool)> = self.nodes[node]
            .store
            .rows
            .history()
            .map(|r| (r.row.event_id.clone(), r.row.charged.is_some()))
            .collect();
        if rows.is_empty() {
            return;
        }
        let (event_id, charged) = rows[self.chance.lane.index(rows.len())].clone();
        let act = match (charged, self.chance.lane.below(6)) {
            (false, 0) => SessionAction::Void,
            (_, 1) => SessionAction::CorrectPlate { plate: "51F-970.22".to_owned() },
            (true, _) => SessionAction::Waive { amount: 1_000 },
            (false, 2) => SessionAction::Price { fee: 7_000 },
            (false, 3) => SessionAction::Reopen,
            (false, _) => SessionAction::SoftClose,
        };
        self.say(|| format!("node {node}: staff: {act:?} of {event_id}"));
        let request = self.request(usize::MAX, node, Wish::Act { event_id, act }, false);
        self.at(0, Moment::Attempt { request });
    }

    /// A person sets a rule, for the past too.
    pub(crate) fn sets_rule(&mut self, node: usize) {
        let window_ms = self.chance.lane.between(0, 2) * 1_000 + 500;
        let valid_from = if self.chance.lane.per_mille(500) { BEGIN } else { BEGIN + self.now };
        self.say(|| format!("node {node}: staff: a window of {window_ms} ms from {valid_from}"));
        let request = self.request(usize::MAX, node, Wish::Rule { window_ms, valid_from }, false);
        self.at(0, Moment::Attempt { request });
    }
}
