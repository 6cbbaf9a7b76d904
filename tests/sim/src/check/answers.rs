//! One command has one outcome. What a central must answer follows from what its disk holds and what it answered before; the
//! barrier obeys what was decided.
//!
//! The observer writes every first answer down on the disk it was committed to ([`Told`]): a copy of the disk knows it, an older
//! one does not.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use ::writer::{Arrived, Outcome};
use parking::fact::Fact;
use parking::history::Offsets;
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::event::{Body, Kind};
use wire::hash::CommandId;
use wire::http::{BarrierWish, Closed, Decision, DecisionKind, LaneDecision};

use super::Violation;
use crate::ledger::{CommandJob, Round};
use crate::sometimes::Rare;
use crate::store::Store;
use crate::traffic::ask;
use crate::traffic::read;
use crate::world::World;

/// A delivery later than this never opens a barrier, ms.
const LATE_MS: i64 = 30_000;

/// A first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    status: u16,
    body: Rc<str>,
    /// Whom it is about, as far as a repetition must say the same.
    about: Rc<About>,
}

/// Lane and plate of a request, or the session and what is done to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct About {
    edge: String,
    plate: String,
}

impl About {
    fn of(command: &Command) -> Self {
        match command {
            Command::Open { lane, seen, .. } => {
                Self { edge: lane.edge_id.clone(), plate: seen.plate.clone() }
            }
            Command::Close { lane, .. } => Self { edge: lane.edge_id.clone(), plate: String::new() },
            _ => Self::default(),
        }
    }

    /// What an event says of it.
    fn of_event(fact: &Fact) -> Option<Self> {
        match fact.body.as_deref() {
            Some(Body::EntryPending(b)) => Some(Self { edge: b.edge_id.clone(), plate: b.plate.raw.clone() }),
            Some(Body::Exit(b)) => Some(Self { edge: b.edge_id.clone(), plate: b.plate.raw.clone() }),
            _ => None,
        }
    }
}

/// The first answers given over a disk.
#[derive(Debug, Clone, Default)]
pub struct Told(BTreeMap<CommandId, First>);

impl Told {
    /// These were committed.
    pub fn note(&mut self, told: &[(CommandId, First)]) {
        for (id, first) in told {
            self.0.entry(*id).or_insert_with(|| first.clone());
        }
    }
}

/// What must come of a command.
#[derive(Debug)]
pub enum Wanted {
    /// Nothing: its caller has gone.
    Late,
    /// This answer, again.
    Again(First),
    /// The answer these events stand behind.
    Recorded(Vec<Fact>),
    /// A refusal: its key stands for another lane or plate.
    KeyReused,
    /// A decision.
    Decision,
}

/// A request that never opens a barrier any more: recorded also after its caller has gone.
fn is_late(command: &Command) -> bool {
    let (Command::Open { seen, .. } | Command::Detect { seen, .. }) = command else { return false };
    seen.sent_at.zip(seen.captured_at).is_some_and(|(sent, captured)| sent - captured > LATE_MS)
}

/// What must come of each of these commands, over this disk and the events of the same round.
pub fn wanted<'a>(
    store: &Store,
    commands: &[CommandJob],
    came: impl Iterator<Item = &'a Arrived>,
    now: i64,
) -> Vec<Wanted> {
    if commands.is_empty() {
        return Vec::new();
    }
    let mut beside: HashMap<CommandId, Vec<Fact>> = HashMap::new();
    for e in came {
        if let (Some(id), Ok(fact)) = (e.frame.header().command_id, &e.fact) {
            beside.entry(id).or_default().push((**fact).clone());
        }
    }
    let of = |job: &CommandJob| {
        let e = &job.envelope;
        if now > e.deadline && !is_late(&e.command) {
            return Wanted::Late;
        }
        let Some(id) = ask::known_by(e) else { return Wanted::Decision };
        let about = About::of(&e.command);
        if let Some(first) = store.told.0.get(&id) {
            return if *first.about == about { Wanted::Again(first.clone()) } else { Wanted::KeyReused };
        }
        let mut facts = store.of_commands(&[id]);
        facts.extend(beside.get(&id).into_iter().flatten().cloned());
        match facts.first() {
            None => Wanted::Decision,
            Some(f) if About::of_event(f).is_some_and(|other| other != about) => Wanted::KeyReused,
            Some(_) => Wanted::Recorded(facts),
        }
    };
    commands.iter().map(of).collect()
}

/// An answer as far as it is the same wherever it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gist {
    decision: LaneDecision,
    kind: DecisionKind,
    fee: Option<i64>,
}

impl World {
    /// Compares what came of a round's commands with what must. Returns the first answers it gives for good.
    pub(crate) fn check_outcomes(
        &mut self,
        node: usize,
        round: &Round,
        wanted: Vec<Wanted>,
    ) -> Result<Vec<(CommandId, First)>, Violation> {
        let mut told: Vec<(CommandId, First)> = Vec::new();
        for ((job, outcome), wanted) in round.commands.iter().zip(&round.done.outcomes).zip(wanted) {
            let e = &job.envelope;
            let id = ask::known_by(e);
            let before = told.iter().find(|(t, _)| Some(*t) == id).map(|(_, first)| first.clone());
            let wanted = match (wanted, before) {
                (Wanted::Late, _) => Wanted::Late,
                (_, Some(first)) => Wanted::Again(first),
                (wanted, None) => wanted,
            };
            let wrong = |what: String| {
                let who = id.map(|id| id.to_string()).unwrap_or_default();
                Violation::new("one command, one outcome", format!("node {node}, command {who:.12}: {what}"))
            };
            let own: Vec<&Fact> =
                round.done.writes.new.iter().filter_map(|n| n.fact.as_deref().ok()).collect();
            let own: Vec<&Fact> =
                own.into_iter().filter(|f| id.is_some() && f.header.command_id == id).collect();
            let (status, replayed, body) = match outcome {
                Outcome::Reply(CommandReply::Answer { status, replayed, body }, _) => {
                    (*status, *replayed, body.get())
                }
                other => {
                    self.no_answer(&wanted, other).map_err(wrong)?;
                    continue;
                }
            };
            match &wanted {
                Wanted::Late => return Err(wrong("answered after its deadline".to_owned())),
                Wanted::KeyReused => return Err(wrong(format!("its key stands for another: {body}"))),
                Wanted::Again(first) => {
                    if !replayed || status != first.status || *body != *first.body {
                        let what = format!("first told {}, now {body} (replayed {replayed})", first.body);
                        return Err(wrong(what));
                    }
                }
                Wanted::Recorded(facts) => {
                    let offsets = Offsets::of(&self.nodes[node].store.policies());
                    stands_behind(&e.command, facts, &offsets, replayed, body).map_err(wrong)?;
                }
                Wanted::Decision => {
                    if replayed {
                        return Err(wrong(format!("a first answer is called a replay: {body}")));
                    }
                    decided(e, &own, body).map_err(wrong)?;
                }
            }
            if let Some(id) = id.filter(|_| is_final(&e.command, body)) {
                self.compare_centrals(id, &e.command, body)?;
                told.push((
                    id,
                    First { status, body: Rc::from(body), about: Rc::new(About::of(&e.command)) },
                ));
            }
        }
        Ok(told)
    }

    /// A command without an answer: late, refused, or asked of the peers first.
    fn no_answer(&mut self, wanted: &Wanted, outcome: &Outcome) -> Result<(), String> {
        match (wanted, outcome) {
            (Wanted::Late, Outcome::Reply(CommandReply::Unavailable(_), _))
            | (Wanted::Decision, Outcome::AskPeers(_)) => Ok(()),
            (Wanted::KeyReused, Outcome::Reply(CommandReply::Refused(p), _))
                if p.code == "idempotency_key_reused" =>
            {
                self.rare.saw(Rare::KeyReused);
                Ok(())
            }
            // An act on a session that is still on its way.
            (Wanted::Recorded(_), Outcome::Reply(CommandReply::Refused(p), _))
                if p.code == "unknown_session" =>
            {
                Ok(())
            }
            (Wanted::Decision, Outcome::Reply(CommandReply::Refused(_), _)) => {
                self.rare.saw(Rare::CommandRefused);
                Ok(())
            }
            (wanted, outcome) => Err(format!("wanted {wanted:?}, got {outcome:?}")),
        }
    }

    /// The same command answered over another disk that knew nothing of the first answer: it happens, and is counted.
    fn compare_centrals(&mut self, id: CommandId, command: &Command, body: &str) -> Result<(), Violation> {
        let Command::Open { .. } = command else { return Ok(()) };
        let d: Decision = read(body)?;
        let gist = Gist { decision: d.decision, kind: d.kind, fee: d.fee };
        match self.gists.get(&id) {
            None => {
                self.gists.insert(id, gist);
            }
            Some(first) if *first != gist => self.rare.saw(Rare::AnsweredTwice),
            Some(_) => {}
        }
        Ok(())
    }
}

/// What was answered so far, by command.
#[derive(Debug, Default)]
pub struct Gists(BTreeMap<CommandId, Gist>);

impl Gists {
    fn get(&self, id: &CommandId) -> Option<&Gist> {
        self.0.get(id)
    }

    fn insert(&mut self, id: CommandId, gist: Gist) {
        self.0.insert(id, gist);
    }
}

/// True for an answer that a repetition of its request gets again.
fn is_final(command: &Command, body: &str) -> bool {
    match command {
        Command::Detect { .. } => false,
        Command::Open { .. } => {
            read::<Decision>(body).is_ok_and(|d| d.recorded && d.decision != LaneDecision::AskStaff)
        }
        // Of a session that is still on its way more is said later.
        Command::Close { .. } => read::<Closed>(body).is_ok_and(|c| c.session.is_some()),
        _ => true,
    }
}

/// The answer is that of the lowest-ranked event of the command.
fn stands_behind(
    command: &Command,
    facts: &[Fact],
    offsets: &Offsets,
    replayed: bool,
    body: &str,
) -> Result<(), String> {
    if !replayed {
        return Err(format!("recorded already, and answered anew: {body}"));
    }
    let rank = |f: &&Fact| (offsets.occurred_at(f), f.position().clone(), f.hash);
    let Some(first) = facts.iter().min_by_key(rank) else { return Ok(()) };
    match command {
        Command::Open { .. } => {
            let d: Decision = serde_json::from_str(body).map_err(|e| e.to_string())?;
            let (kind, fee) = match (first.body.as_deref(), first.kind()) {
                (Some(Body::Exit(b)), _) => (DecisionKind::Exit, b.charged()),
                (_, Kind::Exit) => (DecisionKind::Exit, None),
                _ => (DecisionKind::Entry, None),
            };
            if d.decision != LaneDecision::Open || d.kind != kind || d.fee != fee || !d.recorded {
                return Err(format!("the event stands for {kind:?} {fee:?}, answered {body}"));
            }
            let alias = first.position().stream.central.to_string();
            let names =
                d.event_id.as_deref().is_some_and(|id| kind == DecisionKind::Exit || id.starts_with(&alias));
            if first.body.is_some() && !names {
                return Err(format!("the answer names {:?}, the event is {}", d.event_id, first.position()));
            }
            barrier(command, &d)
        }
        Command::Close { .. } => {
            let c: Closed = serde_json::from_str(body).map_err(|e| e.to_string())?;
            let kind = match first.kind() {
                Kind::EntryConfirmed => "CONFIRMED",
                Kind::EntryAbandoned => "ABANDONED",
                Kind::ExitConfirmed => "EXIT_CONFIRMED",
                _ => "EXIT_ABANDONED",
            };
            if c.kind == kind { Ok(()) } else { Err(format!("the event stands for {kind}, answered {body}")) }
        }
        _ => Ok(()),
    }
}

/// A first answer says what was recorded, and the barrier what was decided.
fn decided(e: &CommandEnvelope, own: &[&Fact], body: &str) -> Result<(), String> {
    let recorded = |kinds: &[Kind]| match own {
        [one] if kinds.contains(&one.kind()) => Ok(()),
        _ => Err(format!("answered {body}, recorded {:?}", own.iter().map(|f| f.kind()).collect::<Vec<_>>())),
    };
    match &e.command {
        Command::Detect { .. } if own.is_empty() => Ok(()),
        Command::Detect { .. } => Err(format!("a suggestion recorded something: {body}")),
        Command::Open { lane, .. } => {
            let d: Decision = serde_json::from_str(body).map_err(|e| e.to_string())?;
            barrier(&e.command, &d)?;
            match d.kind {
                DecisionKind::Entry | DecisionKind::Exit => {
                    let kind = if d.kind == DecisionKind::Exit { Kind::Exit } else { Kind::EntryPending };
                    recorded(&[kind])?;
                    let (fee, edge) = match own.first().and_then(|f| f.body.as_deref()) {
                        Some(Body::Exit(b)) => (b.charged(), &b.edge_id),
                        Some(Body::EntryPending(b)) => (None, &b.edge_id),
                        _ => return Err(format!("answered {body}, and the event says nothing")),
                    };
                    if let Some(f) = own.first()
                        && let Some(Body::Exit(b)) = f.body.as_deref()
                        && b.basis.is_some() != f.header.opening.is_some()
                        && !b.flags.iter().any(|f| f == "standing_charge")
                    {
                        return Err(format!("charged from {:?}, and names {:?}", b.basis, f.header.opening));
                    }
                    if !d.recorded || fee != d.fee || *edge != lane.edge_id {
                        return Err(format!("answered {body}, recorded {fee:?} at {edge}"));
                    }
                    Ok(())
                }
                DecisionKind::Duplicate | DecisionKind::None if own.is_empty() => Ok(()),
                _ => Err(format!("nothing was answered as recorded, yet something was: {body}")),
            }
        }
        // What was told already is not recorded twice.
        Command::Close { .. } if own.is_empty() => Ok(()),
        Command::Close { .. } => {
            recorded(&[Kind::EntryConfirmed, Kind::EntryAbandoned, Kind::ExitConfirmed, Kind::ExitAbandoned])
        }
        Command::Act { .. } => recorded(&[
            Kind::PlateCorrected,
            Kind::Voided,
            Kind::Waived,
            Kind::PriceSet,
            Kind::SoftClosed,
            Kind::Reopened,
        ]),
        Command::SetPolicy { .. } => recorded(&[Kind::PolicySet]),
        // No lane here asks for it.
        _ => Ok(()),
    }
}

/// Only what opens opens, and nothing late ever does.
fn barrier(command: &Command, d: &Decision) -> Result<(), String> {
    let opens = d.decision == LaneDecision::Open && !is_late(command);
    let replay_of_late = d.reason == "late_delivery";
    match d.barrier {
        BarrierWish::Open if !opens => Err(format!("the barrier opens for {:?} {}", d.decision, d.reason)),
        BarrierWish::KeepClosed if opens && !replay_of_late => {
            Err(format!("the barrier stays closed for {:?} {}", d.decision, d.reason))
        }
        _ => Ok(()),
    }
}
