//! Does this central get itself back: its own lost events after a restore, or everything on an empty database.
//!
//! A central writes its own events before anybody else can hold them. So own events that a peer holds and that are missing here were
//! lost here: a copy of the database was restored, swapped or emptied, or somebody else writes under this name.

use wire::position::Position;

use super::Catchup;
use crate::positions::StreamPositions;
use crate::positions::ranges::{Range, len, subtract, union};

/// What a central is getting back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    None,
    /// Own events are missing here; connected peers hold them.
    Recovering,
    /// Own events are missing here; those who hold them are away.
    Waiting,
    /// More is missing than held, none of it known as lost: a new or emptied database.
    Filling,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// What is going on.
    pub phase: Phase,
    /// Since when, ms.
    pub since: Option<i64>,
    /// Own events that connected peers hold and that are missing here.
    pub missing_own: u64,
    /// Own events known to exist that nobody connected holds.
    pub waiting_own: u64,
    /// The newest position of them, in the stream named last.
    pub newest_own: Option<Position>,
    /// Everything that connected peers hold and that is missing here.
    pub missing: u64,
    /// Everything held here.
    pub held: u64,
    /// `missing` at the rate of the last seconds, seconds.
    pub eta_s: Option<u64>,
}

impl Catchup {
    /// What this central is getting back. Asked regularly: the first time it sees a phase is its `since`.
    pub fn recovery(&mut self, now: i64) -> Recovery {
        let (missing_own, waiting_own, newest_own) = self.own_lost();
        let (missing, held) = (self.missing(), self.mine.held());
        // Before the first reading everything would look lost.
        let phase = match (self.loaded, missing_own, waiting_own) {
            (false, _, _) => Phase::None,
            (_, 1.., _) => Phase::Recovering,
            (_, 0, 1..) => Phase::Waiting,
            _ if missing > held => Phase::Filling,
            _ => self.filling_on(missing),
        };
        if self.phase.0 != phase {
            self.phase = (phase, now);
        }
        let rate: f64 = self.peers.values().map(|p| p.rate.per_second(now)).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a finite estimate above 0"
        )]
        let eta = |missing: u64| (missing as f64 / rate).ceil() as u64;
        Recovery {
            phase,
            since: (phase != Phase::None).then_some(self.phase.1),
            missing_own,
            waiting_own,
            newest_own,
            missing,
            held,
            eta_s: (missing > 0 && rate > 0.0).then(|| eta(missing)),
        }
    }

    /// A database that was filling is filling to the end, also when more is held than missing at last.
    fn filling_on(&self, missing: u64) -> Phase {
        if self.phase.0 == Phase::Filling && missing > 0 { Phase::Filling } else { Phase::None }
    }

    /// Own events missing here: how many connected peers hold, how many only others told of, and the newest of them.
    fn own_lost(&self) -> (u64, u64, Option<Position>) {
        let (mut near, mut far, mut newest) = (0, 0, None);
        let own = |map: &super::Positions| -> Vec<wire::position::StreamId> {
            map.iter().filter(|(s, _)| s.central == self.me).map(|(s, _)| s.clone()).collect()
        };
        let mut streams: Vec<_> = self.peers.values().flat_map(|p| own(&p.map)).collect();
        streams.sort_unstable();
        streams.dedup();
        for stream in streams {
            let held = self.mine.get(&stream).map(StreamPositions::holding).unwrap_or_default();
            let (mut connected, mut away): (Vec<Range>, Vec<Range>) = (Vec::new(), Vec::new());
            for p in self.peers.values() {
                let of = if p.linked_at.is_some() { &mut connected } else { &mut away };
                *of = union(of, &p.holding(&stream));
            }
            let connected = subtract(&connected, &held);
            let away = subtract(&subtract(&away, &held), &connected);
            near += len(&connected);
            far += len(&away);
            if let Some((_, to)) = connected.last().max(away.last()) {
                newest = Some(Position { stream, seq: *to });
            }
        }
        (near, far, newest)
    }
}
