//! Events that no code of this release writes.

use ::writer::{NewEvent, Writes};
use wire::event::{Frame, Kind};
use wire::hash::PlateTag;

use crate::world::{OPERATOR_KEY, Step, World};

/// What an origin of another release, or a damaged one, may write.
#[derive(Debug, Clone, Copy)]
pub(super) enum Strange {
    Unknown,
    Newer,
    Poison,
}

impl World {
    /// An event that no code of this release writes, appended by the central's own writer between two rounds.
    pub(super) fn write_strange(&mut self, node: usize, what: Strange) -> Step {
        let now = self.now;
        let salt = self.chance.id.wide().to_be_bytes();
        let fresh = self.chance.id.wide();
        let n = &mut self.nodes[node];
        let release = n.release;
        if !n.has_database(now) || release.old {
            return Ok(());
        }
        let occurred_at = n.clock.shows(now);
        let Some(l) = n.ledger.as_mut().filter(|l| l.round.is_none()) else { return Ok(()) };
        let Some(state) = &mut l.state else { return Ok(()) };
        let head = state.writer.head(|| wire::id::Incarnation(fresh)).clone();
        let tag = Some(PlateTag::of(OPERATOR_KEY, "29A00000"));
        let (kind, body): (Kind, &[u8]) = match what {
            Strange::Unknown => (Kind::Unknown(4_000), b"{\"later\":true}"),
            Strange::Newer => (Kind::EntryPending, b"{\"later\":true}"),
            Strange::Poison => (Kind::EntryPending, b"{\"plate\":"),
        };
        let header = head.next(kind, occurred_at, None, None, tag);
        let Ok(mut frame) = Frame::write(header, &salt, body) else { return Ok(()) };
        if matches!(what, Strange::Newer) {
            let mut bytes = frame.bytes().to_vec();
            bytes[0] = 2;
            let Ok(newer) = Frame::parse(bytes.into()) else { return Ok(()) };
            frame = newer;
        }
        let fact = release.read(&frame);
        if state.writer.head(|| wire::id::Incarnation(fresh)).advance(&frame).is_err() {
            return Ok(());
        }
        state.positions.insert(&frame.header().position, frame.hash());
        let arrival = state.writer.committed().arrival + 1;
        let stream = frame.header().position.stream.clone();
        let tx = Writes {
            from: *state.writer.committed(),
            to: state.writer.next(arrival),
            streams: vec![state.holdings(&stream)],
            new: vec![NewEvent { frame, fact, branch: 0, arrival }],
            now: occurred_at,
            ..Writes::default()
        };
        self.write_own(node, tx)
    }
}
