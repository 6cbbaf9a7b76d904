//! Decides the commands of a round, one after the other; each sees what those before it did.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking::decision::{self, Draft, OpenSession, Reply, Ruling};
use parking::fact::Fact;
use parking::history::{HistoryRow, Policies, Projection};
use parking::plate::PlateKey;
use parking::rights::{Counts, Place, Register};
use parking::view::View;
use parking::world::{World, reference};
use serde_json::value::RawValue;
use wire::bus::command::{Command, CommandReply};
use wire::event::Body;
use wire::hash::PlateTag;
use wire::http::Problem;

use crate::append::{NotWritten, append};
use crate::cases::{Case, Cases};
use crate::here::{Here, Random};
use crate::notice::Notice;
use crate::state::State;
use crate::work::Outcome;
use crate::writes::{Answer, LogChanges};

/// What deciding works on.
pub(crate) struct Deciding<'a, R> {
    pub(crate) state: &'a mut State,
    pub(crate) changes: &'a mut LogChanges,
    pub(crate) notices: &'a mut Vec<Notice>,
    pub(crate) world: &'a mut World,
    pub(crate) random: &'a mut R,
    pub(crate) here: &'a Here<'a>,
    pub(crate) policies: &'a Policies,
    pub(crate) register: &'a Register,
    /// Vehicles inside, where a command asks for it; what this round lets in is added.
    pub(crate) inside: Counts,
    /// Answers to keep.
    pub(crate) keep: &'a mut Vec<Answer>,
}

impl<R: Random> Deciding<'_, R> {
    /// Appends an event; `command` is the place in the work of the command behind it.
    pub(crate) fn append(&mut self, draft: Draft, command: Option<usize>) -> Result<Arc<Fact>, NotWritten> {
        append(self.state, self.changes, self.notices, self.random, self.here, draft, command)
    }

    /// What comes next in this round finds one more inside.
    fn count(&mut self, fact: &Fact) {
        if let Some(Body::EntryPending(b)) = fact.body.as_deref() {
            let place = Place {
                central: self.here.central.to_string(),
                lot: b.lot_id.clone(),
                class: b.vehicle_class.clone(),
            };
            self.inside.at(place).pending += 1;
        }
    }
}

fn edge_of(c: &Command) -> Option<&str> {
    match c {
        Command::Detect { lane, .. } | Command::Open { lane, .. } | Command::Close { lane, .. } => {
            Some(&lane.edge_id)
        }
        Command::TellLane { edge_id, .. }
        | Command::NextForLane { edge_id, .. }
        | Command::EndLaneCommand { edge_id, .. } => Some(edge_id),
        Command::Act { .. }
        | Command::SetPolicy { .. }
        | Command::LoseRange { .. }
        | Command::Register { .. }
        | Command::SetLaneMode { .. }
        | Command::Resolve { .. } => None,
    }
}

/// The plate a command is compared by: none for a vehicle without one, whose key is drawn anew each time.
fn compared_plate(case: &Case<'_>) -> Option<PlateTag> {
    let has_key = case.prepared.plate.as_ref().is_some_and(|p| p.key.is_some());
    if has_key { case.prepared.tag } else { None }
}

fn refuse(problem: Problem) -> Outcome {
    Outcome::Reply(CommandReply::Refused(problem), None)
}

fn unavailable(why: impl ToString) -> Outcome {
    Outcome::Reply(CommandReply::Unavailable(why.to_string()), None)
}

impl Cases<'_> {
    /// Decides them all, in order of receipt.
    pub(crate) fn decide<R: Random>(
        mut self,
        round: &mut Deciding<'_, R>,
        near: &BTreeSet<PlateTag>,
    ) -> Vec<Outcome> {
        let near: Vec<PlateTag> = near.iter().copied().collect();
        for case in std::mem::take(&mut self.cases) {
            let outcome = match self.replay(&case) {
                Some(outcome) => outcome,
                None => self.one(round, &near, &case),
            };
            self.outcomes[case.index] = Some(outcome);
        }
        self.outcomes.into_iter().map(|o| o.unwrap_or_else(|| unavailable("not decided"))).collect()
    }

    /// The first answer again, where one is kept.
    fn replay(&self, case: &Case<'_>) -> Option<Outcome> {
        let first = self.answers.get(&case.prepared.command_id?)?;
        let same = first.edge_id.as_deref() == edge_of(&case.prepared.envelope.command)
            && first.plate_tag == compared_plate(case);
        if !same {
            return Some(refuse(Problem::new(
                422,
                "idempotency_key_reused",
                "The idempotency key was used for something else",
                "the first request with this key named another edge or another plate",
            )));
        }
        Some(match RawValue::from_string(first.body.clone()) {
            Ok(body) => {
                let reply = CommandReply::Answer { status: first.status, replayed: true, body };
                Outcome::Reply(reply, case.prepared.command_id)
            }
            Err(e) => unavailable(e),
        })
    }

    fn one<R: Random>(&mut self, round: &mut Deciding<'_, R>, near: &[PlateTag], case: &Case<'_>) -> Outcome {
        let here = round.here;
        let world = &mut *round.world;
        world.prepare(&case.tags);
        world.prepare(near);
        world.prepare(case.card.as_slice());
        let projection = world.view(&case.tags);
        let keys: Vec<(PlateKey, &HistoryRow)> = if case.prepared.look.near {
            world
                .open_rows()
                .filter_map(|r| Some((PlateKey::new(r.plate_key.as_deref()?).ok()?, r)))
                .collect()
        } else {
            Vec::new()
        };
        let open: Vec<OpenSession<'_>> = keys.iter().map(|(key, row)| OpenSession { key, row }).collect();
        let state = decision::State {
            earlier: case.prepared.look.command.and_then(|id| self.earlier.get(&id)),
            projection: &projection,
            open: &open,
            at_lane: case.prepared.look.lane.as_deref().map_or(&[], |l| round.state.lanes.of(l)),
            by_card: case.card.and_then(|t| world.open_of(t)),
            lanes: &round.state.book,
            subject: case.prepared.look.subject.and_then(|id| self.subjects.get(&id)),
            catching_up: here.catching_up,
            peers_asked: case.asked.peers_asked,
            pin: case.asked.pin,
            inside: &round.inside,
        };
        match decision::decide(&case.prepared, &here.site(round.policies, round.register), &state) {
            Ruling::Refuse(problem) => refuse(problem),
            Ruling::NeedPeers(tag) => Outcome::AskPeers(tag),
            Ruling::RecordAndRefuse(both) => {
                drop(open);
                drop(keys);
                drop(projection);
                let (draft, problem) = *both;
                match round.append(draft, Some(case.index)) {
                    Ok(fact) => {
                        round.world.add((*fact).clone(), true);
                        refuse(problem)
                    }
                    Err(e) => unavailable(e),
                }
            }
            Ruling::Answer(answer) => {
                let earlier = state.earlier.map(|f| &f.header.position.stream);
                if let Some(stream) = earlier.filter(|s| s.central != *here.central) {
                    round.notices.push(Notice::AnsweredFromElsewhere(stream.clone()));
                }
                let replayed = earlier.is_some();
                let reply = answer.complete(&projection, None, here.view);
                let body = body(&reply, &projection, world, here.view);
                self.answered(round, case, body, replayed, answer.is_final())
            }
            Ruling::Record(record) => {
                drop(open);
                drop(keys);
                drop(projection);
                let mut draft = record.draft;
                if draft.command_id.is_none() {
                    draft.command_id = case.prepared.command_id;
                }
                let fact = match round.append(draft, Some(case.index)) {
                    Ok(fact) => fact,
                    Err(e) => {
                        let title = "The request cannot be recorded";
                        return refuse(Problem::new(422, "too_large", title, e.to_string()));
                    }
                };
                let recorded = reference(&fact);
                round.count(&fact);
                let mut tags = case.tags.clone();
                tags.extend(fact.tag());
                round.world.add((*fact).clone(), true);
                round.world.prepare(&tags);
                let after = round.world.view(&tags);
                round.state.lanes.note(&after, here.lanes, here.now);
                let reply = record.answer.complete(&after, Some(&recorded), here.view);
                let body = body(&reply, &after, round.world, here.view);
                self.answered(round, case, body, false, true)
            }
        }
    }

    /// Makes the answer, and keeps it where it stands for good.
    fn answered<R: Random>(
        &mut self,
        round: &mut Deciding<'_, R>,
        case: &Case<'_>,
        body: Result<Box<RawValue>, serde_json::Error>,
        replayed: bool,
        keep: bool,
    ) -> Outcome {
        let body = match body {
            Ok(b) => b,
            Err(e) => return unavailable(e),
        };
        if keep && let Some(command) = case.prepared.command_id {
            let e = case.prepared.envelope;
            let answer = Answer {
                command,
                principal: e.principal.clone(),
                path: e.path.clone(),
                edge_id: edge_of(&e.command).map(str::to_owned),
                plate_tag: compared_plate(case),
                status: 200,
                body: body.get().to_owned(),
                created_at: round.here.now,
            };
            self.answers.insert(command, answer.clone());
            round.keep.push(answer);
        }
        let reply = CommandReply::Answer { status: 200, replayed, body };
        Outcome::Reply(reply, case.prepared.command_id.filter(|_| keep))
    }
}

fn body(
    reply: &Reply,
    projection: &Projection,
    world: &World,
    view: &View,
) -> Result<Box<RawValue>, serde_json::Error> {
    let text = match reply {
        Reply::Decision(d) => serde_json::to_string(d)?,
        Reply::Closed(c) => serde_json::to_string(c)?,
        Reply::Detection(d) => serde_json::to_string(d)?,
        Reply::Policy(p) => serde_json::to_string(p)?,
        Reply::Register(r) => serde_json::to_string(r)?,
        Reply::LaneCommand(c) => serde_json::to_string(c)?,
        Reply::Next(n) => serde_json::to_string(n)?,
        Reply::Mode(m) => serde_json::to_string(m)?,
        Reply::Resolved(r) => serde_json::to_string(r)?,
        Reply::LostRange(range) => serde_json::to_string(range)?,
        Reply::Session(row) => {
            serde_json::to_string(&view.detail(row, projection, world.facts_of(row.plate_tag)))?
        }
    };
    RawValue::from_string(text)
}
