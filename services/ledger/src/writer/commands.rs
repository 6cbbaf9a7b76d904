//! Decides the commands of a round, one after the other; each sees what those before it did.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::decision::{self, Dice, OpenSession, Prepared, Reply, Ruling};
use parking::fact::Fact;
use parking::history::{HistoryRow, Policies};
use parking::plate::{PlateKey, is_look_alike, is_one_away};
use parking::view::View;
use serde_json::value::RawValue;
use sqlx::{PgConnection, Row};
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::bus::trace::TraceContext;
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::http::Problem;

use super::accept::LogChanges;
use super::append::append;
use super::state::State;
use crate::queue::CommandJob;
use crate::shared::Shared;
use crate::store::answers::{self, Answer};
use crate::store::{StoreError, events, projection};
use parking::world::{World, reference};

/// What came of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Answer after the commit.
    Reply(CommandReply),
    /// Ask the peers for this vehicle, then decide again.
    AskPeers(PlateTag),
}

/// A command read, with what was loaded for it.
struct Case<'a> {
    index: usize,
    prepared: Prepared<'a>,
    /// All tags its projection covers.
    tags: Vec<PlateTag>,
    /// The tag of the card's open session.
    card: Option<PlateTag>,
}

/// What deciding works on.
pub(super) struct Deciding<'a> {
    pub(super) state: &'a mut State,
    pub(super) changes: &'a mut LogChanges,
    pub(super) world: &'a mut World,
    pub(super) shared: &'a Shared,
    pub(super) view: &'a View,
    pub(super) policies: &'a Policies,
    /// Edges of this central's own lanes.
    pub(super) lanes_here: &'a HashSet<String>,
    pub(super) now: i64,
    /// Traces of the events appended.
    pub(super) traces: &'a mut HashMap<Hash32, Option<TraceContext>>,
    /// Answers to keep.
    pub(super) keep: &'a mut Vec<Answer>,
}

/// The commands of one round.
pub(super) struct Cases<'a> {
    cases: Vec<Case<'a>>,
    outcomes: Vec<Option<Outcome>>,
    answers: HashMap<CommandId, Answer>,
    earlier: HashMap<CommandId, Fact>,
}

/// A late delivery never opens a barrier, so that it may be recorded after the caller gave up.
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

/// Reads the commands and loads what their answers hang on; says which vehicles to load.
pub(super) async fn prepare<'a>(
    conn: &mut PgConnection,
    shared: &'a Shared,
    policies: &'a Policies,
    jobs: &'a [CommandJob],
    now: i64,
    tags: &mut BTreeSet<PlateTag>,
) -> Result<Cases<'a>, StoreError> {
    let site = shared.site(policies);
    let mut cases = Vec::with_capacity(jobs.len());
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(jobs.len());
    for (index, job) in jobs.iter().enumerate() {
        if now > job.envelope.deadline && !is_late(&job.envelope) {
            let late = CommandReply::Unavailable("the deadline has passed".to_owned());
            outcomes.push(Some(Outcome::Reply(late)));
            continue;
        }
        match decision::prepare(&job.envelope, &site, Dice(rand::random())) {
            Ok(prepared) => {
                let mut own: Vec<PlateTag> = prepared.look.tags.clone();
                own.extend(prepared.look.event_id.as_deref().and_then(|id| shared.tag_of_alias(id)));
                outcomes.push(None);
                cases.push(Case { index, prepared, tags: own, card: None });
            }
            Err(problem) => outcomes.push(Some(Outcome::Reply(CommandReply::Refused(*problem)))),
        }
    }
    let mut all = Cases { cases, outcomes, answers: HashMap::new(), earlier: HashMap::new() };
    all.load_earlier(conn, now).await?;
    all.load_named(conn).await?;
    for case in &mut all.cases {
        if let Some(id) = case.prepared.look.command
            && let Some(f) = all.earlier.get(&id)
        {
            case.tags.extend(f.tag());
        }
        case.tags.sort_unstable();
        case.tags.dedup();
        tags.extend(case.tags.iter().copied().chain(case.card));
    }
    Ok(all)
}

impl Cases<'_> {
    /// Answers given before, and events of the same commands.
    async fn load_earlier(&mut self, conn: &mut PgConnection, now: i64) -> Result<(), StoreError> {
        let ids: Vec<CommandId> = self.cases.iter().filter_map(|c| c.prepared.command_id).collect();
        self.answers = answers::load(conn, &ids, now).await?;
        let open: Vec<CommandId> = self
            .cases
            .iter()
            .filter_map(|c| c.prepared.look.command)
            .filter(|id| !self.answers.contains_key(id))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        for frame in events::of_commands(conn, &open).await? {
            if let (Ok(fact), Some(id)) = (crate::event::fact(&frame), frame.header().command_id) {
                // The lowest-ranked stands.
                self.earlier.entry(id).or_insert(fact);
            }
        }
        Ok(())
    }

    /// Sessions named by a card, or by an alias that says nothing about its plate (an erased one).
    async fn load_named(&mut self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let cards: Vec<String> = self
            .cases
            .iter()
            .filter_map(|c| c.prepared.look.credential.as_ref().map(projection::credential))
            .collect();
        let names: Vec<String> = self
            .cases
            .iter()
            .filter_map(|c| c.prepared.look.event_id.as_deref().map(crate::store::text))
            .collect();
        let of_card = tags_of(
            conn,
            &cards,
            "select distinct on (credential) credential, plate_tag from history
             where credential = any($1::text[]) and status in ('PENDING', 'INSIDE')
             order by credential, sorted_at desc",
        )
        .await?;
        let of_name =
            tags_of(conn, &names, "select event_id, plate_tag from history where event_id = any($1::text[])")
                .await?;
        for case in &mut self.cases {
            let look = &case.prepared.look;
            case.card =
                look.credential.as_ref().and_then(|c| of_card.get(&projection::credential(c)).copied());
            case.tags.extend(look.event_id.as_deref().and_then(|id| of_name.get(&crate::store::text(id))));
        }
        Ok(())
    }

    /// Plates of open sessions that could be meant by commands that find none under their own.
    pub(super) async fn near(
        &self,
        conn: &mut PgConnection,
        shared: &Shared,
        world: &mut World,
    ) -> Result<BTreeSet<PlateTag>, StoreError> {
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
            return Ok(tags);
        }
        let rows = sqlx::query("select plate_key from history where status in ('PENDING', 'INSIDE')")
            .fetch_all(conn)
            .await?;
        for row in rows {
            let Some(Ok(open)) = row.try_get::<Option<&str>, _>(0)?.map(PlateKey::new) else { continue };
            if wanted.iter().any(|k| is_look_alike(k, &open) || is_one_away(k, &open)) {
                tags.insert(shared.tag(open.as_str()));
            }
        }
        Ok(tags)
    }

    /// Decides them all, in order of receipt.
    pub(super) fn decide(
        mut self,
        round: &mut Deciding<'_>,
        near: &BTreeSet<PlateTag>,
        jobs: &[CommandJob],
    ) -> Vec<Outcome> {
        let near: Vec<PlateTag> = near.iter().copied().collect();
        for case in std::mem::take(&mut self.cases) {
            let job = &jobs[case.index];
            let outcome = match self.replay(&case) {
                Some(reply) => Outcome::Reply(reply),
                None => self.one(round, &near, job, &case),
            };
            self.outcomes[case.index] = Some(outcome);
        }
        let none = || Outcome::Reply(CommandReply::Unavailable("not decided".to_owned()));
        self.outcomes.into_iter().map(|o| o.unwrap_or_else(none)).collect()
    }

    /// The plate a command is compared by: none for a vehicle without one, whose key is drawn anew each time.
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
            Ok(body) => Some(CommandReply::Answer { status: first.status, replayed: true, body }),
            Err(e) => Some(CommandReply::Unavailable(e.to_string())),
        }
    }

    fn one(
        &mut self,
        round: &mut Deciding<'_>,
        near: &[PlateTag],
        job: &CommandJob,
        case: &Case<'_>,
    ) -> Outcome {
        let _in_span = job.span.enter();
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
            catching_up: round.shared.sync.borrow().catching_up,
            peers_asked: job.peers_asked,
        };
        match decision::decide(&case.prepared, &round.shared.site(round.policies), &state) {
            Ruling::Refuse(problem) => Outcome::Reply(CommandReply::Refused(problem)),
            Ruling::NeedPeers(tag) => Outcome::AskPeers(tag),
            Ruling::Answer(answer) => {
                let replayed = state.earlier.is_some();
                let reply = answer.complete(&projection, None, round.view);
                let stands = answer.is_final();
                let facts = world.facts_of(tag_of(&reply).unwrap_or_default());
                let body = body(&reply, &projection, facts, round.view);
                self.answered(round, case, body, replayed, stands)
            }
            Ruling::Record(record) => {
                drop(open);
                drop(keys);
                drop(projection);
                let mut draft = record.draft;
                if draft.command_id.is_none() {
                    draft.command_id = case.prepared.command_id;
                }
                let written = append(round.state, round.changes, draft, round.now);
                let (frame, fact) = match written {
                    Ok(w) => w,
                    Err(e) => {
                        let p =
                            Problem::new(422, "too_large", "The request cannot be recorded", e.to_string());
                        return Outcome::Reply(CommandReply::Refused(p));
                    }
                };
                round.traces.insert(frame.hash(), kit::trace::context_of(&job.span));
                let recorded = reference(&fact);
                let mut tags = case.tags.clone();
                tags.extend(fact.tag());
                round.world.add(fact, true);
                round.world.prepare(&tags);
                let after = round.world.view(&tags);
                round.state.lanes.note(&after.rows, round.lanes_here, round.now);
                let reply = record.answer.complete(&after, Some(&recorded), round.view);
                let facts = round.world.facts_of(tag_of(&reply).unwrap_or_default());
                let body = body(&reply, &after, facts, round.view);
                self.answered(round, case, body, false, true)
            }
        }
    }

    fn answered(
        &mut self,
        round: &mut Deciding<'_>,
        case: &Case<'_>,
        body: Result<Box<RawValue>, serde_json::Error>,
        replayed: bool,
        keep: bool,
    ) -> Outcome {
        let body = match body {
            Ok(b) => b,
            Err(e) => return Outcome::Reply(CommandReply::Unavailable(e.to_string())),
        };
        if keep && let Some(command) = case.prepared.command_id {
            let e = case.prepared.envelope;
            let answer = Answer {
                command,
                principal: e.principal.clone(),
                path: e.path.clone(),
                edge_id: edge_of(&e.command).map(str::to_owned),
                plate_tag: Self::compared_plate(case),
                status: 200,
                body: body.get().to_owned(),
                created_at: round.now,
            };
            self.answers.insert(command, answer.clone());
            round.keep.push(answer);
        }
        Outcome::Reply(CommandReply::Answer { status: 200, replayed, body })
    }
}

/// Plate tags by some name: `sql` answers (name, tag) for the names in `$1`.
async fn tags_of(
    conn: &mut PgConnection,
    names: &[String],
    sql: &'static str,
) -> Result<HashMap<String, PlateTag>, StoreError> {
    let mut out = HashMap::new();
    if names.is_empty() {
        return Ok(out);
    }
    for row in sqlx::query(sql).bind(names).fetch_all(conn).await? {
        if let Some(tag) = PlateTag::from_slice(row.try_get(1)?) {
            out.insert(row.try_get(0)?, tag);
        }
    }
    Ok(out)
}

fn tag_of(reply: &Reply) -> Option<PlateTag> {
    match reply {
        Reply::Session(row) => Some(row.plate_tag),
        _ => None,
    }
}

fn body(
    reply: &Reply,
    projection: &parking::history::Projection,
    facts: &[Fact],
    view: &View,
) -> Result<Box<RawValue>, serde_json::Error> {
    let text = match reply {
        Reply::Decision(d) => serde_json::to_string(d)?,
        Reply::Closed(c) => serde_json::to_string(c)?,
        Reply::Detection(d) => serde_json::to_string(d)?,
        Reply::Session(row) => {
            serde_json::to_string(&crate::query::session::detail(row, projection, facts, view))?
        }
    };
    RawValue::from_string(text)
}
