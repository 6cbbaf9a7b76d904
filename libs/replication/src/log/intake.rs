//! Takes frames of other centrals in: what is new, known, an erasure or a fork, and whether its neighbours link to it.
//!
//! The caller loads what is held around the positions that come in, hands over frame by frame, and stores what comes out.

use std::collections::HashMap;

use wire::event::Frame;
use wire::hash::Hash32;
use wire::position::Position;

use super::{Acceptance, Held, accept, links};
use crate::positions::Positions;

/// An event held, and the hash of the one before it, as it names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldEvent {
    /// What is held.
    pub held: Held,
    /// The hash it names before it.
    pub prev_hash: Hash32,
}

/// What is held at and beside the positions that come in. Positions that were not put in count as not held.
#[derive(Debug, Default)]
pub struct Intake {
    around: HashMap<Position, Vec<HeldEvent>>,
    placed: Vec<Position>,
}

impl Intake {
    /// Notes an event that is held.
    pub fn put(&mut self, at: Position, event: HeldEvent) {
        self.around.entry(at).or_default().push(event);
    }

    /// What is held at a position.
    pub fn at(&self, at: &Position) -> &[HeldEvent] {
        self.around.get(at).map_or(&[], Vec::as_slice)
    }

    /// Takes a frame in: decides, and keeps the position map in step.
    pub fn take(&mut self, positions: &mut Positions, frame: &Frame) -> Acceptance {
        let h = frame.header();
        let held: Vec<Held> = self.at(&h.position).iter().map(|e| e.held).collect();
        let taken = accept(&held, frame.hash(), frame.is_erased());
        let branch = match taken {
            Acceptance::Known => return taken,
            Acceptance::Erase { branch } => {
                for e in self.around.entry(h.position.clone()).or_default() {
                    e.held.erased |= e.held.branch == branch;
                }
                return taken;
            }
            Acceptance::New => 0,
            Acceptance::Fork { branch } => branch,
        };
        positions.insert(&h.position, frame.hash());
        if !held.is_empty() {
            let hashes = held.iter().map(|e| e.hash).chain([frame.hash()]);
            positions.entry(&h.position.stream).mark_forked(h.position.seq, hashes);
        }
        let held = Held { hash: frame.hash(), branch, erased: frame.is_erased() };
        self.put(h.position.clone(), HeldEvent { held, prev_hash: h.prev_hash });
        self.placed.push(h.position.clone());
        taken
    }

    /// Where neighbours of what was taken are both held and do not link, a branch is missing: the position is listed as forked until
    /// the branch comes. Returns those positions.
    pub fn check_links(&mut self, positions: &mut Positions) -> Vec<Position> {
        let mut broken = Vec::new();
        for at in std::mem::take(&mut self.placed) {
            let before = Position { stream: at.stream.clone(), seq: at.seq.saturating_sub(1) };
            for p in [before, at] {
                if p.seq >= 1 && self.is_broken_after(&p) {
                    let held: Vec<Hash32> = self.at(&p).iter().map(|e| e.held.hash).collect();
                    positions.entry(&p.stream).mark_forked(p.seq, held);
                    broken.push(p);
                }
            }
        }
        broken
    }

    /// True when some event after a position continues a branch that is not held there.
    fn is_broken_after(&self, at: &Position) -> bool {
        let before: Vec<Hash32> = self.at(at).iter().map(|e| e.held.hash).collect();
        let after = Position { stream: at.stream.clone(), seq: at.seq.saturating_add(1) };
        self.at(&after).iter().any(|e| !links(e.prev_hash, &before))
    }
}

#[cfg(test)]
mod tests {
    use wire::event::{Header, Kind};
    use wire::id::{CentralId, Incarnation};
    use wire::position::StreamId;

    use super::*;

    fn frame(seq: u64, prev_hash: Hash32, body: &str) -> Frame {
        let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(7) };
        let header = Header {
            kind: Kind::PolicySet,
            position: Position { stream, seq },
            occurred_at: 0,
            prev_hash,
            command_id: None,
            opening: None,
            plate_tag: None,
        };
        Frame::write(header, &[0; 16], body.as_bytes()).unwrap()
    }

    #[test]
    fn forks_and_missing_branches_show_in_the_map_in_any_order() {
        let one = frame(1, Hash32::default(), "1");
        let (a, b) = (frame(2, one.hash(), "a"), frame(2, one.hash(), "b"));
        let after_b = frame(3, b.hash(), "3");
        let stream = &one.header().position.stream;
        let run = |order: &[&Frame]| {
            let (mut intake, mut map) = (Intake::default(), Positions::new());
            for f in order {
                intake.take(&mut map, f);
                intake.check_links(&mut map);
            }
            map
        };
        let without_b = run(&[&one, &a, &after_b]);
        assert_eq!(without_b, run(&[&after_b, &a, &one]));
        assert_eq!(without_b.get(stream).unwrap().forks()[&2].len(), 1);
        let whole = run(&[&one, &a, &after_b, &b]);
        assert_eq!(whole, run(&[&b, &after_b, &a, &one]));
        assert_eq!(whole.get(stream).unwrap().forks()[&2].len(), 2);
    }

    #[test]
    fn of_two_forms_the_erased_one_stays() {
        let full = frame(1, Hash32::default(), "1");
        let (mut intake, mut map) = (Intake::default(), Positions::new());
        assert_eq!(intake.take(&mut map, &full), Acceptance::New);
        assert_eq!(intake.take(&mut map, &full.erased()), Acceptance::Erase { branch: 0 });
        assert_eq!(intake.take(&mut map, &full), Acceptance::Known);
        assert_eq!(intake.take(&mut map, &full.erased()), Acceptance::Known);
    }
}
