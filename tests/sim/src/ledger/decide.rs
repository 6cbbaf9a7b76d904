//! Decides the commands of a round, one after the other; each sees what those before it did.

use std::collections::{BTreeMap, BTreeSet};

use parking::decision::{self, Dice, OpenSession, Prepared, Reply, Ruling};
use parking::fact::Fact;
use parking::history::HistoryRow;
use parking::plate::{PlateKey, is_look_alike, is_one_away};
use parking::world::{World, reference};
use serde_json::value::RawValue;
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::hash::{CommandId, PlateTag};
use wire::http::{Problem, SessionStatus};

use super::round::{Work, append};
use super::take::LogChanges;
use super::{CommandJob, Outcome, State};
use crate::chance::Chance;
use crate::store::{Answer, Store};

/// A command read, with what was loaded for it.
struct Case<'a> {
    index: usize,
    prepared: Prepared<'a>,
    tags: Vec<PlateTag>,
}

/// What deciding works on.
pub(super) struct Deciding<'a, 'w> {
    pub(super) state: &'a mut State,
    pub(super) changes: &'a mut LogChanges,
    pub(super) world: &'a mut World,
    pub(super) chance: &'a mut Chance,
    pub(super) work: &'a Work<'w>,
    pub(super) keep: &'a mut Vec<Answer>,
    pub(super) differences: usize,
    pub(super) elsewhere: usize,
}

/// The commands of one round.
pub(super) struct Cases<'a> {
    cases: Vec<Case<'a>>,
    outcomes: Vec<Option<Outcome>>,
    answers: BTreeMap<CommandId, Answer>,
    earlier: BTreeMap<CommandId, Fact>,
}

fn is_late(e: &CommandEnvelope) -> bool {
    let (Command::Open { seen, .. } | Command::Detect { seen, .. }) = &e.command else { return false };
    seen.sent_at.zip(seen.captured_at).is_some_and(|(s, c)| s.saturating_sub(c) > parking::clock::LATE_MS)
}

fn edge_of(c: &Command) -> Option<&str> {
    match c {
        Command::Detect { lane, .. } | Command::Open { lane, .. } | Command::Close { lane, .. } => {
            Some(&lane.edge_id)
        }
        Command::Act { .. } => None,
    }
}

fn tag_of_alias(key: &[u8], event_id: &str) -> Option<PlateTag> {
    let (_, plate) = event_id.rsplit_once('_')?;
    let plate = plate.split_once('~').map_or(plate, |(k, _)| k);
    (!plate.is_empty()).then(|| PlateTag::of(key, plate))
}

/// Reads the commands and says which vehicles to load.
pub(super) fn prepare<'a>(
    store: &Store,
    work: &Work<'a>,
    chance: &mut Chance,
    tags: &mut BTreeSet<PlateTag>,
) -> Cases<'a> {
    let mut all =
        Cases { cases: Vec::new(), outcomes: Vec::new(), answers: BTreeMap::new(), earlier: BTreeMap::new() };
    for (index, job) in work.commands.iter().enumerate() {
        if work.now > job.envelope.deadline && !is_late(&job.envelope) {
            let late = CommandReply::Unavailable("the deadline has passed".to_owned());
            all.outcomes.push(Some(Outcome::Reply(late, None)));
            continue;
        }
        match decision::prepare(&job.envelope, &work.site, Dice(chance.bits())) {
            Ok(prepared) => {
                let mut own: Vec<PlateTag> = prepared.look.tags.clone();
                if let Some(id) = prepared.look.event_id.as_deref() {
                    own.extend(tag_of_alias(work.site.operator_key, id));
                    own.extend(store.rows.named(id).map(|r| r.row.plate_tag));
                }
                all.outcomes.push(None);
                if let Some(id) = prepared.command_id {
                    all.answers.extend(store.answer(id).map(|a| (id, a.clone())));
                }
                if let Some(id) = prepared.look.command
                    && let Some(f) = store.of_command(id)
                {
                    own.extend(f.tag());
                    all.earlier.insert(id, f.clone());
                }
                own.sort_unstable();
                own.dedup();
                tags.extend(&own);
                all.cases.push(Case { index, prepared, tags: own });
            }
            Err(problem) => all.outcomes.push(Some(Outcome::Reply(CommandReply::Refused(*problem), None))),
        }
    }
    all
}

impl Cases<'_> {
    /// Plates of open sessions that could be meant by commands that find none under their own.
    pub(super) fn near(&self, store: &Store, work: &Work<'_>, world: &mut World) -> BTreeSet<PlateTag> {
        let mut wanted: Vec<&PlateKey> = Vec::new();
        for case in self.cases.iter().filter(|c| c.prepared.look.near) {
            let Some(tag) = case.prepared.look.tags.first() else { continue };
            world.prepare(&[*tag]);
            if world.open_of(*tag).is_none() {
                wanted.extend(&case.prepared.key);
            }
        }
        let mut tags = BTreeSet::new();
        if wanted.is_empty() {
            return tags;
        }
        for r in store.rows.history() {
            if !matches!(r.row.status, SessionStatus::Pending | SessionStatus::Inside) {
                continue;
            }
            let Some(Ok(open)) = r.row.plate_key.as_deref().map(PlateKey::new) else { continue };
            if wanted.iter().any(|k| is_look_alike(k, &open) || is_one_away(k, &open)) {
                tags.insert(PlateTag::of(work.site.operator_key, open.as_str()));
            }
        }
        tags
    }

    /// Decides them all, in order of receipt.
    pub(super) fn decide(mut self, round: &mut Deciding<'_, '_>, near: &BTreeSet<PlateTag>) -> Vec<Outcome> {
        let near: Vec<PlateTag> = near.iter().copied().collect();
        for case in std::mem::take(&mut self.cases) {
            let job = &round.work.commands[case.index];
            let outcome = match self.replay(&case) {
                Some(reply) => Outcome::Reply(reply, case.prepared.command_id),
                None => self.one(round, &near, job, &case),
            };
            self.outcomes[case.index] = Some(outcome);
        }
        let none = || Outcome::Reply(CommandReply::Unavailable("not decided".to_owned()), None);
        self.outcomes.into_iter().map(|o| o.unwrap_or_else(none)).collect()
    }

    fn compared_plate(case: &Case<'_>) -> Option<PlateTag> {
        let has_key = case.prepared.plate.as_ref().is_some_and(|p| p.key.is_some());
        if has_key { case.prepared.tag } else { None }
    }

    fn replay(&self, case: &Case<'_>) -> Option<CommandReply> {
        let first = self.answers.get(&case.prepared.command_id?)?;
        let same = first.edge_id.as_deref() == edge_of(&case.prepared.envelope.command)
            && first.plate_tag == Self::compared_plate(case);
        if !same {
            return Some(CommandReply::Refused(Problem::new(
                422,
                "idempotency_key_reused",
                "The idempotency key was used for something else",
                "the first request with this key named another edge or another plate",
            )));
        }
        match RawValue::from_string(first.body.clone()) {
            Ok(body) => Some(CommandReply::Answer { status: 200, replayed: true, body }),
            Err(e) => Some(CommandReply::Unavailable(e.to_string())),
        }
    }

    fn one(
        &mut self,
        round: &mut Deciding<'_, '_>,
        near: &[PlateTag],
        job: &CommandJob,
        case: &Case<'_>,
    ) -> Outcome {
        let world = &mut *round.world;
        world.prepare(&case.tags);
        world.prepare(near);
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
            by_card: None,
            catching_up: round.work.catching_up,
            peers_asked: job.peers_asked,
        };
        match decision::decide(&case.prepared, &round.work.site, &state) {
            Ruling::Refuse(problem) => Outcome::Reply(CommandReply::Refused(problem), None),
            Ruling::NeedPeers(tag) => Outcome::AskPeers(tag),
            Ruling::Answer(answer) => {
                let replayed = state.earlier.is_some();
                let there = |f: &&Fact| f.header.position.stream.central != *round.work.central;
                round.elsewhere += usize::from(state.earlier.filter(there).is_some());
                let reply = answer.complete(&projection, None, round.work.view);
                let stands = answer.is_final();
                let body = body(&reply);
                self.answered(round.keep, case, body, replayed, stands)
            }
            Ruling::Record(record) => {
                drop(open);
                drop(keys);
                drop(projection);
                let mut draft = record.draft;
                if draft.command_id.is_none() {
                    draft.command_id = case.prepared.command_id;
                }
                let Some((_, fact)) = append(round.state, round.changes, round.chance, round.work, draft)
                else {
                    let p = Problem::new(422, "too_large", "The request cannot be recorded", "too large");
                    return Outcome::Reply(CommandReply::Refused(p), None);
                };
                let recorded = reference(&fact);
                let mut tags = case.tags.clone();
                tags.extend(fact.tag());
                round.world.add(fact, true);
                round.world.prepare(&tags);
                let after = round.world.view(&tags);
                round.state.lanes.note(&after.rows, round.work.edges, round.work.now);
                let reply = record.answer.complete(&after, Some(&recorded), round.work.view);
                let body = body(&reply);
                self.answered(round.keep, case, body, false, true)
            }
        }
    }

    fn answered(
        &mut self,
        kept: &mut Vec<Answer>,
        case: &Case<'_>,
        body: Result<Box<RawValue>, serde_json::Error>,
        replayed: bool,
        keep: bool,
    ) -> Outcome {
        let body = match body {
            Ok(b) => b,
            Err(e) => return Outcome::Reply(CommandReply::Unavailable(e.to_string()), None),
        };
        if keep && let Some(command) = case.prepared.command_id {
            let answer = Answer {
                command,
                edge_id: edge_of(&case.prepared.envelope.command).map(str::to_owned),
                plate_tag: Self::compared_plate(case),
                body: body.get().to_owned(),
            };
            self.answers.insert(command, answer.clone());
            kept.push(answer);
        }
        Outcome::Reply(
            CommandReply::Answer { status: 200, replayed, body },
            case.prepared.command_id.filter(|_| keep),
        )
    }
}

fn body(reply: &Reply) -> Result<Box<RawValue>, serde_json::Error> {
    let text = match reply {
        Reply::Decision(d) => serde_json::to_string(d)?,
        Reply::Closed(c) => serde_json::to_string(c)?,
        Reply::Detection(d) => serde_json::to_string(d)?,
        Reply::Session(row) => serde_json::to_string(row)?,
    };
    RawValue::from_string(text)
}
