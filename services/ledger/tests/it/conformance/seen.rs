//! What is asked of a store, and what it answers, in a form that can be compared.

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;

use parking::fact::Fact;
use parking::rights::Counts;
use replication::log::WriterHead;
use sim::ledger::{Reads, at_once};
use sim::store::Store;
use sqlx::PgConnection;
use wire::bus::events::{Fetch, Fetched};
use wire::event::{Credential, Frame};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::position::{Position, SeqRange, StreamHoldings};
use writer::{Answer, Log, Writes};

/// Events of one page for a peer.
const PAGE: u32 = 40;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Questions {
    tags: BTreeSet<PlateTag>,
    positions: BTreeSet<Position>,
    openings: BTreeSet<(Position, Option<PlateTag>)>,
    commands: BTreeSet<CommandId>,
    cards: Vec<Credential>,
    names: BTreeSet<String>,
    ranges: Vec<SeqRange>,
    arrival: i64,
    now: i64,
}

impl Questions {
    /// About what a transaction wrote.
    pub(super) fn of(store: &Store, writes: &Writes) -> Self {
        let mut q = Self { arrival: writes.from.arrival, now: writes.now, ..Self::default() };
        q.tags.extend(&writes.projection.tags);
        for e in &writes.new {
            q.about(e.frame.header());
        }
        for e in &writes.erased {
            q.about(e.frame.header());
        }
        q.commands.extend(writes.answers.iter().map(|a| a.command));
        let rows = q.tags.iter().flat_map(|t| store.rows.of(*t));
        let (cards, names): (Vec<_>, Vec<_>) =
            rows.map(|r| (r.row.credential.clone(), r.row.event_id.clone())).unzip();
        q.cards.extend(cards.into_iter().flatten());
        q.names.extend(names);
        q.ends(store);
        q
    }

    /// About everything a store holds.
    pub(super) fn all(store: &Store) -> Self {
        let mut q = Self::default();
        for e in store.events() {
            q.about(e.frame.header());
            q.now = q.now.max(e.received_at);
        }
        q.arrival = store.head.arrival / 2;
        for r in store.rows.history() {
            q.tags.insert(r.row.plate_tag);
            q.names.insert(r.row.event_id.clone());
            q.cards.extend(r.row.credential.clone());
        }
        q.ends(store);
        q
    }

    fn about(&mut self, h: &wire::event::Header) {
        self.tags.extend(h.plate_tag);
        self.commands.extend(h.command_id);
        let next = Position { stream: h.position.stream.clone(), seq: h.position.seq + 1 };
        self.positions.extend([h.position.clone(), next]);
        self.openings.insert((h.position.clone(), None));
        if let Some(o) = &h.opening {
            self.openings.insert((o.clone(), h.plate_tag));
            self.positions.insert(o.clone());
        }
    }

    /// Stretches of every stream, with what is not held.
    fn ends(&mut self, store: &Store) {
        for (stream, held) in store.streams.iter() {
            let to = held.head() + 2;
            self.ranges.push(SeqRange { stream: stream.clone(), from: to.saturating_sub(20).max(1), to });
        }
        self.names.insert("central-1_1_nobody".to_owned());
    }
}

/// An event as a reader of the log knows it: which one, and whether it has a body this release reads.
type Known = (Position, Hash32, bool, bool);

fn known(f: &Fact) -> Known {
    (f.position().clone(), f.hash, f.body.is_some(), f.foreign)
}

fn set(facts: &[Fact]) -> BTreeSet<Known> {
    facts.iter().map(known).collect()
}

fn list(facts: &[Fact]) -> Vec<Known> {
    facts.iter().map(known).collect()
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    head: WriterHead,
    streams: Vec<StreamHoldings>,
    policies: Vec<Known>,
    register: Vec<Known>,
    inside: Counts,
    lanes: BTreeSet<Known>,
    lately: BTreeSet<PlateTag>,
    behind: Option<i64>,
    since: BTreeSet<PlateTag>,
    every_tag: Vec<PlateTag>,
    of_tags: BTreeSet<Known>,
    of_openings: BTreeSet<Known>,
    both: BTreeSet<Known>,
    closure: BTreeSet<Known>,
    held: Vec<(Position, Hash32, u16, bool, Hash32)>,
    answers: Vec<Answer>,
    all_of_commands: BTreeSet<Known>,
    of_commands: Vec<Vec<Known>>,
    awaited: HashSet<Position>,
    by_card: Vec<Option<PlateTag>>,
    by_name: Vec<Option<PlateTag>>,
    open_plates: Vec<String>,
    due: BTreeSet<PlateTag>,
}

impl Seen {
    /// Asks a store.
    pub(super) async fn read<L: Log>(log: &mut L, q: &Questions) -> Result<Self, L::Error> {
        let positions: Vec<Position> = q.positions.iter().cloned().collect();
        let openings: Vec<(Position, Option<PlateTag>)> = q.openings.iter().cloned().collect();
        let commands: Vec<CommandId> = q.commands.iter().copied().collect();
        let cards: Vec<&Credential> = q.cards.iter().collect();
        let names: Vec<&str> = q.names.iter().map(String::as_str).collect();
        let mut every_tag: Vec<PlateTag> = Vec::new();
        loop {
            let page = log.tags_after(every_tag.last().copied()).await?;
            if page.is_empty() {
                break;
            }
            every_tag.extend(page);
        }
        let mut held: Vec<_> = log
            .held_at(&positions)
            .await?
            .into_iter()
            .map(|(p, h)| (p, h.held.hash, h.held.branch, h.held.erased, h.prev_hash))
            .collect();
        held.sort();
        let (mut answers, all_of_commands) = log.answered(&commands, &commands, q.now).await?;
        answers.sort_by_key(|a| a.command);
        let all_of_commands: BTreeSet<Known> = list(&all_of_commands).into_iter().collect();
        let mut of_commands = Vec::with_capacity(commands.len());
        for c in &commands {
            let (none, facts) = log.answered(&[], &[*c], q.now).await?;
            assert!(none.is_empty(), "no answer was asked for");
            of_commands.push(list(&facts));
        }
        let mut open_plates = log.open_plates().await?;
        open_plates.sort();
        let mut streams: Vec<StreamHoldings> =
            log.streams().await?.holdings().filter(|h| h.head > 0).collect();
        streams.sort_by(|a, b| a.stream.cmp(&b.stream));
        Ok(Self {
            head: log.head().await?,
            streams,
            policies: list(&log.policies().await?),
            register: list(&log.register().await?),
            inside: log.inside().await?,
            lanes: set(&log.lane_events(q.now - 60_000).await?),
            lately: log.lately(q.arrival, q.now - 60_000).await?,
            behind: log.behind().await?,
            since: log.tags_since(q.arrival).await?,
            every_tag,
            of_tags: set(&log.belonging(&q.tags, &[]).await?),
            of_openings: set(&log.belonging(&BTreeSet::new(), &openings).await?),
            both: set(&log.belonging(&q.tags, &openings).await?),
            closure: set(&writer::closure::load(log, &q.tags, Vec::new()).await?),
            held,
            answers,
            all_of_commands,
            of_commands,
            awaited: log.awaited().await?,
            by_card: log.by_card(&cards).await?,
            by_name: log.by_name(&names).await?,
            open_plates,
            due: log.due(q.now, 10_000).await?,
        })
    }
}

/// Asks the simulated store.
pub(super) fn simulated(store: &Store, q: &Questions) -> Seen {
    let mut reads = Reads(store);
    at_once(async { Ok::<_, Infallible>(Seen::read(&mut reads, q).await.unwrap()) })
}

/// What peers get: of each stretch, the bytes of a page and whether more follow; of each vehicle, all its fold needs.
#[derive(Debug, PartialEq)]
pub(super) struct Pages {
    ranges: (Vec<String>, bool),
    vehicles: Vec<BTreeSet<String>>,
}

/// Which event these bytes are, and that they are all of them.
fn named(bytes: &[u8]) -> String {
    let f = Frame::parse(bytes.to_vec().into()).unwrap();
    let p = &f.header().position;
    format!("{}/{}/{} {} of {} bytes", p.stream.central, p.stream.incarnation, p.seq, f.hash(), bytes.len())
}

/// Vehicles whose events are fetched.
const VEHICLES: usize = 10;

/// Asks Postgres as mesh and sync do.
pub(super) async fn fetched(conn: &mut PgConnection, q: &Questions) -> Pages {
    let bytes = |f: Fetched| match f {
        Fetched::Events { frames, more } => (frames.iter().map(|b| named(b)).collect::<Vec<_>>(), more),
        other => panic!("{other:?}"),
    };
    let ask = Fetch::Ranges { ranges: q.ranges.clone(), max_events: PAGE, max_bytes: u32::MAX };
    let ranges = bytes(ledger::fetch::read(conn, ask).await.unwrap());
    let mut vehicles = Vec::new();
    for tag in q.tags.iter().take(VEHICLES) {
        let ask = Fetch::Plate { tag: *tag, max_events: 10_000 };
        vehicles.push(bytes(ledger::fetch::read(conn, ask).await.unwrap()).0.into_iter().collect());
    }
    Pages { ranges, vehicles }
}

/// Asks the simulated store the same.
pub(super) fn fetched_simulated(store: &Store, q: &Questions) -> Pages {
    let (frames, more) = store.ranges(&q.ranges, u64::from(PAGE));
    let vehicles = q
        .tags
        .iter()
        .take(VEHICLES)
        .map(|tag| store.plate(*tag, 10_000).iter().map(|f| named(f.bytes())).collect())
        .collect();
    Pages { ranges: (frames.iter().map(|f| named(f.bytes())).collect(), more), vehicles }
}
