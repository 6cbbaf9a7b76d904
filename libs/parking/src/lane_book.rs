//! What people told lanes, and how lanes work: a function of the events about lanes, in any order, with any duplication.

use std::collections::BTreeMap;

use wire::event::{Body, LaneMode, LaneOrder, LaneOutcome, StaffFact};
use wire::hash::CommandId;
use wire::http::LaneCommandState;
use wire::id::CentralId;

use crate::fact::{Fact, Rank};
use crate::history::EventRef;

/// How long a command that is over is remembered, ms: a late acknowledgement still finds it.
pub const REMEMBERED_MS: i64 = 3_600_000;
/// How long after its end a command waits for the lane's word, ms.
pub const ANSWER_GRACE_MS: i64 = 5_000;
/// A mode is told anew on every connection; the lane may take so long to do it, ms.
pub const MODE_EXPIRES_MS: i64 = 30_000;

/// The mode of a lane, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeSet {
    /// The event.
    pub event: EventRef,
    /// What the lane acknowledges it by.
    pub id: CommandId,
    /// How the lane works.
    pub mode: LaneMode,
    /// Since when, ms.
    pub since: i64,
    /// Who and why.
    pub staff: StaffFact,
}

/// A command to a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneCommand {
    /// The event.
    pub event: EventRef,
    /// Its id.
    pub id: CommandId,
    /// The lane's edge.
    pub edge_id: String,
    /// What to do.
    pub order: LaneOrder,
    /// The session it is for.
    pub event_id: Option<String>,
    /// When it was given, ms.
    pub issued_at: i64,
    /// Not to be done after this, ms.
    pub expires_at: i64,
    /// Who and why.
    pub staff: StaffFact,
}

/// What became of a command, ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fate {
    /// When it went out.
    pub sent_at: Option<i64>,
    /// When it ended, and how.
    pub ended: Option<(i64, LaneOutcome)>,
    /// In the lane's words.
    pub detail: Option<String>,
}

impl Fate {
    /// How far it got.
    #[must_use]
    pub fn state(&self) -> LaneCommandState {
        match (self.ended, self.sent_at) {
            (Some((_, LaneOutcome::Done)), _) => LaneCommandState::Done,
            (Some((_, LaneOutcome::Failed)), _) => LaneCommandState::Failed,
            (Some((_, LaneOutcome::Expired)), _) => LaneCommandState::Expired,
            (Some((_, LaneOutcome::NoAnswer)), _) => LaneCommandState::NoAnswer,
            (None, Some(_)) => LaneCommandState::Sent,
            (None, None) => LaneCommandState::Waiting,
        }
    }
}

/// What a lane is to be told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// How it works; told on every connection.
    Mode(&'a ModeSet),
    /// A command that never went out: its going out is recorded first.
    Fresh(&'a LaneCommand),
    /// A command that went out on a connection that broke. Never an `open`.
    Again(&'a LaneCommand),
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct LaneBook {
    modes: BTreeMap<String, (OwnRank, ModeSet)>,
    commands: BTreeMap<CommandId, (OwnRank, LaneCommand)>,
    fates: BTreeMap<CommandId, Fate>,
}

/// A rank that outlives its fact.
type OwnRank = (i64, EventRef);

fn own(rank: Rank<'_>) -> OwnRank {
    (rank.0, EventRef { position: rank.1.clone(), hash: rank.2 })
}

impl LaneBook {
    /// The book of these events.
    pub fn of<'f>(facts: impl IntoIterator<Item = &'f Fact>) -> Self {
        let mut book = Self::default();
        for f in facts {
            book.note(f);
        }
        book
    }

    /// Takes an event in.
    pub fn note(&mut self, fact: &Fact) {
        let Some(body) = fact.body.as_deref().filter(|_| !fact.foreign) else { return };
        let rank = own(fact.rank());
        match body {
            Body::LaneModeSet(b) => self.set_mode(fact, &rank, b),
            Body::LaneCommanded(b) => {
                let Some(id) = fact.header.command_id else { return };
                // The same command recorded at two centrals is one: the lowest-ranked stands.
                if self.commands.get(&id).is_some_and(|(known, _)| *known <= rank) {
                    return;
                }
                let command = LaneCommand {
                    event: rank.1.clone(),
                    id,
                    edge_id: b.edge_id.clone(),
                    order: b.order,
                    event_id: b.event_id.clone(),
                    issued_at: fact.header.occurred_at,
                    expires_at: b.expires_at,
                    staff: b.staff.clone(),
                };
                self.commands.insert(id, (rank, command));
            }
            Body::LaneCommandSent(b) => {
                let at = fact.header.occurred_at;
                let fate = self.fates.entry(b.command).or_default();
                fate.sent_at = Some(fate.sent_at.map_or(at, |t| t.min(at)));
            }
            Body::LaneCommandEnded(b) => {
                let told = (fact.header.occurred_at, b.outcome);
                let fate = self.fates.entry(b.command).or_default();
                // The lane's own word beats a time-out; of its words the first stands.
                let weight = |(at, o): (i64, LaneOutcome)| (o == LaneOutcome::NoAnswer, at, o);
                if fate.ended.is_none_or(|known| weight(told) < weight(known)) {
                    fate.ended = Some(told);
                    fate.detail.clone_from(&b.detail);
                }
            }
            _ => {}
        }
    }

    fn set_mode(&mut self, fact: &Fact, rank: &OwnRank, b: &wire::event::LaneModeSet) {
        let Some(id) = fact.header.command_id else { return };
        for edge in &b.edges {
            if self.modes.get(edge).is_some_and(|(known, _)| known >= rank) {
                continue;
            }
            let set = ModeSet {
                event: rank.1.clone(),
                id,
                mode: b.mode,
                since: fact.header.occurred_at,
                staff: b.staff.clone(),
            };
            self.modes.insert(edge.clone(), (rank.clone(), set));
        }
    }

    /// How a lane works.
    #[must_use]
    pub fn mode(&self, edge: &str) -> LaneMode {
        self.modes.get(edge).map_or(LaneMode::Normal, |(_, m)| m.mode)
    }

    /// Who set how a lane works; none where nobody ever did.
    #[must_use]
    pub fn mode_set(&self, edge: &str) -> Option<&ModeSet> {
        self.modes.get(edge).map(|(_, m)| m)
    }

    /// Every lane whose mode somebody set.
    pub fn modes(&self) -> impl Iterator<Item = (&str, &ModeSet)> {
        self.modes.iter().map(|(edge, (_, m))| (edge.as_str(), m))
    }

    /// A command.
    #[must_use]
    pub fn command(&self, id: CommandId) -> Option<&LaneCommand> {
        self.commands.get(&id).map(|(_, c)| c)
    }

    /// What became of a command, or of the telling of a mode.
    #[must_use]
    pub fn fate(&self, id: CommandId) -> Fate {
        self.fates.get(&id).cloned().unwrap_or_default()
    }

    /// Commands, in order of id.
    pub fn commands(&self) -> impl Iterator<Item = &LaneCommand> {
        self.commands.values().map(|(_, c)| c)
    }

    /// What the lane is to be told next by this central at `now`, ms. `told`: on this connection already. Only the central that gave
    /// a command sends it, so that a lane connected to two does it once.
    #[must_use]
    pub fn next(&self, edge: &str, here: &CentralId, now: i64, told: &[CommandId]) -> Option<Next<'_>> {
        if let Some((_, set)) = self.modes.get(edge)
            && !told.contains(&set.id)
        {
            return Some(Next::Mode(set));
        }
        let mut open: Vec<&(OwnRank, LaneCommand)> = self
            .commands
            .values()
            .filter(|(_, c)| c.edge_id == edge && c.expires_at > now && !told.contains(&c.id))
            .filter(|(_, c)| c.event.position.stream.central == *here)
            .collect();
        open.sort_by(|a, b| a.0.cmp(&b.0));
        open.into_iter().find_map(|(_, c)| {
            let fate = self.fates.get(&c.id);
            match fate.map(|f| (f.ended, f.sent_at)) {
                None | Some((None, None)) => Some(Next::Fresh(c)),
                Some((None, Some(_))) if c.order != LaneOrder::Open => Some(Next::Again(c)),
                _ => None,
            }
        })
    }

    /// Commands this central gave whose time is over at `now` (ms) and of which nothing was heard, with what is to be recorded.
    #[must_use]
    pub fn over(&self, here: &CentralId, now: i64) -> Vec<(&LaneCommand, LaneOutcome)> {
        self.commands
            .values()
            .map(|(_, c)| c)
            .filter(|c| c.event.position.stream.central == *here)
            .filter(|c| c.expires_at.saturating_add(ANSWER_GRACE_MS) <= now)
            .filter_map(|c| {
                let fate = self.fates.get(&c.id);
                match fate {
                    Some(f) if f.ended.is_some() => None,
                    Some(f) if f.sent_at.is_some() => Some((c, LaneOutcome::NoAnswer)),
                    _ => Some((c, LaneOutcome::Expired)),
                }
            })
            .collect()
    }

    /// Forgets commands that were over long before `now`, ms.
    pub fn forget(&mut self, now: i64) {
        let kept = |c: &LaneCommand| c.expires_at.saturating_add(REMEMBERED_MS) > now;
        let gone: Vec<CommandId> =
            self.commands.values().map(|(_, c)| c).filter(|c| !kept(c)).map(|c| c.id).collect();
        for id in gone {
            self.commands.remove(&id);
            self.fates.remove(&id);
        }
    }
}
