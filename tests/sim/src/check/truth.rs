//! Equal digests prove agreement, not truth. Here the rows are compared with what the cars really did.
//!
//! The model is the plainest there is: a vehicle's recorded passages in the order they truly happened. It knows nothing of
//! ranks, folds or centrals.

use std::collections::{BTreeMap, BTreeSet};

use parking::fact::Fact;
use parking::history::{ConflictRow, Offsets};
use wire::event::{Body, ClockOffset, Kind};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::http::SessionStatus;
use wire::position::{Position, StreamId};

use super::{Registry, Violation};
use crate::sometimes::Rare;
use crate::store::Store;
use crate::traffic::{Fate, Request, Traffic};
use crate::world::BEGIN;

/// Stamps off by more than this may rank a vehicle's passages against their true order.
const STAMP_MS: i64 = 1_500;
/// Openings within this of the first are one passage, where no policy says otherwise.
const WINDOW_MS: i64 = 60_000;
/// The built-in table of cars: free so long, then one block.
const FREE_S: i64 = 600;
const BLOCK_FEE: i64 = 25_000;
/// The built-in table of motorbikes by day, and what a lost card costs.
const DAY_FEE: i64 = 4_000;
const LOST_FEE: i64 = 50_000;

/// A clock so far off is looked at, ms: smaller steps drown in what lanes' clocks and slow links make of a stamp.
const FAR_OFF_MS: i64 = 180_000;
/// What is left of it once it was told, ms.
const SET_RIGHT_MS: i64 = 60_000;

/// See the module.
#[derive(Debug)]
pub struct Truth<'a> {
    requests: BTreeMap<CommandId, &'a Request>,
    registry: &'a Registry,
    forked: BTreeSet<&'a StreamId>,
    store: &'a Store,
    /// What origins said of their own wrong stamps.
    offsets: Offsets,
    /// The same, as told: the stream that is spoken of, and what is said; lowest rank first.
    covers: Vec<(StreamId, ClockOffset)>,
    /// Several clocks were wrong at once: what is told of one may be wrong, too.
    clocks_disagreed: bool,
}

/// A passage that was recorded, once per command.
#[derive(Debug)]
struct Passage {
    fact: Fact,
    /// When it truly happened.
    at: i64,
    /// Every position its command was recorded at.
    positions: Vec<Position>,
}

impl Passage {
    fn is_named_by(&self, f: &Fact) -> bool {
        f.header.opening.as_ref().is_some_and(|o| self.positions.contains(o))
    }
}

impl<'a> Truth<'a> {
    /// What is known of a world at rest.
    pub fn of(
        traffic: &'a Traffic,
        registry: &'a Registry,
        store: &'a Store,
        clocks_disagreed: bool,
    ) -> Self {
        let requests = traffic.requests().iter().map(|r| (r.command, r)).collect();
        let mut told = store.policies();
        told.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let cover = |f: &Fact| match f.body.as_deref() {
            Some(Body::ClockOffset(o)) => {
                let central = f.position().stream.central.clone();
                Some((StreamId { central, incarnation: o.incarnation }, o.clone()))
            }
            _ => None,
        };
        let covers = told.iter().filter_map(cover).collect();
        let offsets = Offsets::of(&told);
        Self {
            requests,
            registry,
            forked: registry.forked_streams(),
            store,
            offsets,
            covers,
            clocks_disagreed,
        }
    }

    /// Compares. Returns the rare paths it came across.
    pub fn check(&self) -> Result<Vec<Rare>, Violation> {
        let mut seen = Vec::new();
        let facts = self.store.facts();
        self.answers(&facts)?;
        let mut by_tag: BTreeMap<PlateTag, Vec<&Fact>> = BTreeMap::new();
        let passages: BTreeMap<&Position, &Fact> =
            facts.iter().filter(|f| f.is_passage()).map(|f| (f.position(), f)).collect();
        for f in &facts {
            if let Some(tag) = vehicle_of(f, &passages) {
                by_tag.entry(tag).or_default().push(f);
            }
        }
        let acted = acted_on(&facts);
        for (tag, facts) in by_tag {
            if acted.contains(&tag) {
                continue;
            }
            self.vehicle(tag, &facts, &mut seen)?;
        }
        for r in self.store.rows.history() {
            let flag = |name: &str| r.row.flags.iter().any(|f| f == name);
            if flag("unconfirmed_entry") {
                seen.push(Rare::Revived);
            }
            if flag("reentry") {
                seen.push(Rare::Reentry);
            }
            if flag("double_exit") {
                seen.push(Rare::DoubleExit);
            }
        }
        for c in self.store.rows.conflicts() {
            let mut centrals = c.row.candidates.iter().map(|c| &c.central);
            let first = centrals.next();
            if c.row.kind.as_str() == "DUPLICATE_ENTRY" && centrals.any(|c| Some(c) != first) {
                seen.push(Rare::DuplicateEntry);
            }
            self.no_quarrel_with_itself(&c.row)?;
        }
        Ok(seen)
    }

    /// What one command did is one passage, at however many centrals it was recorded: people are never asked about it.
    fn no_quarrel_with_itself(&self, conflict: &ConflictRow) -> Result<(), Violation> {
        let mut sides = BTreeSet::new();
        for c in &conflict.candidates {
            let Some(e) = self.store.event(&c.event.position, c.event.hash) else { continue };
            let h = e.frame.header();
            let Some(command) = h.command_id.filter(|_| !self.forked.contains(&h.position.stream)) else {
                continue;
            };
            if !sides.insert((command, h.plate_tag, h.kind)) {
                let what = format!("{conflict:?}{}", self.store.story(conflict.plate_tag));
                return Err(Violation::new("one command is one passage", what));
            }
        }
        Ok(())
    }

    /// Every acknowledged answer that says an event stands behind it has one, with the same fee.
    fn answers(&self, facts: &[Fact]) -> Result<(), Violation> {
        let mut of: BTreeMap<CommandId, Vec<&Fact>> = BTreeMap::new();
        for f in facts {
            if let Some(c) = f.header.command_id {
                of.entry(c).or_default().push(f);
            }
        }
        for (command, r) in &self.requests {
            if r.fate != Fate::Acknowledged || !r.recorded {
                continue;
            }
            // What only a destroyed disk held is gone; the registry knows that exactly. Of a command that was carried out at two centrals one
            // event may be left, and the answer have been the other's.
            let Some(all) = of.get(command) else { continue };
            let gone: Vec<Fact> =
                self.registry.lost(*command).filter_map(|f| ::writer::fact(f).ok()).collect();
            let fees = |f: &&Fact| match f.body.as_deref() {
                Some(Body::Exit(b)) => b.charged(),
                _ => None,
            };
            let same = all
                .iter()
                .copied()
                .chain(&gone)
                .any(|f| fees(&f) == r.fee || f.kind() == Kind::EntryPending || f.body.is_none());
            if !same && all.len() == 1 {
                let what = format!(
                    "{command}: answered {:?}, recorded {:?}{}; {r:?}",
                    r.fee,
                    all.iter().filter_map(fees).collect::<Vec<_>>(),
                    all.iter().filter_map(|f| f.tag()).map(|t| self.store.story(t)).collect::<String>()
                );
                return Err(Violation::new("fees are as answered", what));
            }
        }
        Ok(())
    }

    fn vehicle(&self, tag: PlateTag, facts: &[&Fact], seen: &mut Vec<Rare>) -> Result<(), Violation> {
        let forked = |p: &Position| self.forked.contains(&p.stream);
        if facts.iter().any(|f| {
            forked(f.position()) || f.header.opening.as_ref().is_some_and(forked) || f.body.is_none()
        }) {
            return Ok(());
        }
        let (mut misranked, mut restamped) = (false, false);
        let mut passages: Vec<Passage> = Vec::new();
        let mut commands: BTreeMap<CommandId, Vec<&Fact>> = BTreeMap::new();
        for f in facts.iter().filter(|f| f.is_passage()) {
            if let Some(c) = f.header.command_id {
                commands.entry(c).or_default().push(f);
            }
        }
        for (command, mut all) in commands {
            let Some(r) = self.requests.get(&command) else { return Ok(()) };
            let wrong = |at: i64| (at - BEGIN - r.at).abs() > STAMP_MS;
            for f in &all {
                let stands = self.offsets.occurred_at(f);
                self.set_right(f, stands, BEGIN + r.at)?;
                misranked |= wrong(stands);
                restamped |= wrong(f.header.occurred_at) && !wrong(stands);
            }
            all.sort_by_key(|f| (self.offsets.occurred_at(f), f.position().clone(), f.hash));
            if all.len() > 1 {
                seen.push(Rare::CountedOnce);
            }
            if let Some(f) = all.first() {
                let positions = all.iter().map(|f| f.position().clone()).collect();
                passages.push(Passage { fact: (*f).clone(), at: r.at, positions });
            }
        }
        if passages
            .iter()
            .any(|p| matches!(p.fact.body.as_deref(), Some(Body::EntryPending(b)) if b.clock.offset_ms != 0))
        {
            seen.push(Rare::OffsetTaken);
        }
        passages.sort_by_key(|p| p.at);
        if misranked && !is_one_visit(&passages) {
            seen.push(Rare::MisRanked);
            return Ok(());
        }
        if restamped && !misranked {
            seen.push(Rare::Restamped);
        }
        let close = passages
            .windows(2)
            .any(|w| w[1].at - w[0].at <= 2 * STAMP_MS && w[0].fact.kind() != w[1].fact.kind());
        if close {
            return Ok(());
        }
        self.sessions(tag, facts, &passages)?;
        self.money(tag, &passages)
    }

    /// A stamp that its origin told to be far off stands near the truth. Asked of what was told, not of what the projection makes of
    /// it. Where several clocks were wrong at once, only of what was told rightly.
    fn set_right(&self, f: &Fact, stands: i64, truth: i64) -> Result<(), Violation> {
        let at = f.position();
        let told = self
            .covers
            .iter()
            .rev()
            .find(|(stream, o)| *stream == at.stream && o.from_seq <= at.seq && at.seq <= o.to_seq);
        let Some((_, o)) = told else { return Ok(()) };
        let (moved, off_ms) = (o.offset_ms - o.applied_ms, stands - truth);
        let is_so =
            !self.clocks_disagreed || (f.header.occurred_at - truth - moved).abs() <= SET_RIGHT_MS / 2;
        if is_so && moved.abs() >= FAR_OFF_MS && off_ms.abs() > SET_RIGHT_MS {
            let what = format!(
                "{at}: its origin says its clock was {} ms off, it stands {off_ms} ms off",
                o.offset_ms
            );
            return Err(Violation::new("what is told of a stamp counts", what));
        }
        Ok(())
    }

    /// One open session for a vehicle inside, none for one outside.
    fn sessions(&self, tag: PlateTag, facts: &[&Fact], passages: &[Passage]) -> Result<(), Violation> {
        let about = |p: &Passage, kind: Kind| facts.iter().any(|f| f.kind() == kind && p.is_named_by(f));
        let named =
            |p: &Passage| passages.iter().any(|x| x.fact.kind() == Kind::Exit && p.is_named_by(&x.fact));
        let mut inside: Option<i64> = None;
        let (mut superseded, mut duplicates) = (0, 0);
        for p in passages {
            if p.fact.kind() == Kind::EntryPending {
                let dropped = about(p, Kind::EntryAbandoned) && !about(p, Kind::EntryConfirmed) && !named(p);
                if dropped {
                    continue;
                }
                match inside {
                    Some(first) if p.at - first <= window(self.store, self.offsets.occurred_at(&p.fact)) => {
                        duplicates += 1
                    }
                    _ => {
                        superseded += usize::from(inside.is_some());
                        inside = Some(p.at);
                    }
                }
            } else {
                // A driver who reversed at the loop is inside again.
                let reversed = facts.iter().any(|f| {
                    f.kind() == Kind::ExitAbandoned
                        && (p.is_named_by(f)
                            || f.header.opening == p.fact.header.opening && f.header.opening.is_some())
                });
                let confirmed = about(p, Kind::ExitConfirmed);
                if !reversed || confirmed {
                    inside = None;
                } else {
                    // Which of several exits was reversed is the projection's to say.
                    return Ok(());
                }
            }
        }
        let open: Vec<&str> = self
            .store
            .rows
            .history()
            .filter(|r| r.row.plate_tag == tag && r.row.is_open())
            .map(|r| r.row.event_id.as_str())
            .collect();
        if open.len() != usize::from(inside.is_some()) {
            let what = format!(
                "inside {}, open sessions {open:?}; passages {:?}{}",
                inside.is_some(),
                told(passages),
                self.store.story(tag)
            );
            return Err(Violation::new("one open session per vehicle inside", what));
        }
        let standing: Vec<Hash32> = passages.iter().map(|p| p.fact.hash).collect();
        let count = |status: SessionStatus| {
            let rows = self.store.rows.history().filter(|r| r.row.plate_tag == tag && r.row.status == status);
            rows.filter(|r| standing.contains(&r.row.opening.hash)).count()
        };
        // A superseded session that an exit names later is left by it.
        let rows = (count(SessionStatus::Superseded), count(SessionStatus::Duplicate));
        if rows.1 != duplicates || rows.0 > superseded {
            let what = format!(
                "{superseded} superseded and {duplicates} duplicates, rows {rows:?}; passages {:?}{}",
                told(passages),
                self.store.story(tag)
            );
            return Err(Violation::new("the rule in force judges", what));
        }
        Ok(())
    }

    /// Every exit is in the rows once, with the fee its event says; and that is the fee of the table.
    fn money(&self, tag: PlateTag, passages: &[Passage]) -> Result<(), Violation> {
        let mut rows: BTreeMap<Hash32, Vec<i64>> = BTreeMap::new();
        let mut charged = 0;
        for r in self.store.rows.history().filter(|r| r.row.plate_tag == tag) {
            for e in &r.row.exits {
                rows.entry(e.event.hash).or_default().push(e.fee.unwrap_or(0));
                charged += e.fee.unwrap_or(0);
            }
        }
        let mut want = 0;
        for p in passages {
            let Some(Body::Exit(b)) = p.fact.body.as_deref() else { continue };
            want += b.fee;
            if rows.get(&p.fact.hash).is_none_or(|all| all[..] != [b.fee]) {
                let what = format!(
                    "exit {} of {} in rows {:?}{}",
                    p.fact.position(),
                    b.fee,
                    rows.get(&p.fact.hash),
                    self.store.story(tag)
                );
                return Err(Violation::new("every exit counts once", what));
            }
            if let Some(basis) = &b.basis
                && b.staff.is_none()
                && b.flags.iter().all(|f| f == "lost_credential")
            {
                let stay = (p.fact.header.occurred_at - basis.entry_time).div_euclid(1000);
                let fee = match &*b.vehicle_class {
                    "motorbike" if stay > 0 => DAY_FEE,
                    _ if stay <= FREE_S => 0,
                    _ => BLOCK_FEE,
                } + if b.flags.is_empty() { 0 } else { LOST_FEE };
                if fee != b.fee && stay < 7_200 {
                    let what =
                        format!("exit {}: {stay} s cost {}, the table says {fee}", p.fact.position(), b.fee);
                    return Err(Violation::new("fees are those of the table", what));
                }
            }
        }
        if want != charged {
            return Err(Violation::new(
                "fees add up",
                format!("exits charged {want}, rows hold {charged}{}", self.store.story(tag)),
            ));
        }
        Ok(())
    }
}

/// The vehicle of an event: of an exit that names a passage, that passage's (a person may pick it for another plate).
fn vehicle_of(f: &Fact, passages: &BTreeMap<&Position, &Fact>) -> Option<PlateTag> {
    let named = |f: &Fact| f.header.opening.as_ref().and_then(|o| passages.get(o).copied());
    let passage = if f.is_passage() { Some(f) } else { named(f) };
    let source = passage.filter(|p| p.kind() == Kind::Exit).and_then(named);
    source.or(passage).unwrap_or(f).tag()
}

/// The duplicate window in force at a moment, ms: the policy of highest rank valid then.
pub fn window(store: &Store, at: i64) -> i64 {
    let policies = store.policies();
    let offsets = Offsets::of(&policies);
    let valid = policies.iter().filter_map(|f| match f.body.as_deref() {
        Some(Body::PolicySet(p)) if p.valid_from <= at => {
            let rank = (offsets.occurred_at(f), f.position(), f.hash);
            Some((rank, p.rule.duplicate_window_ms))
        }
        _ => None,
    });
    valid.max_by(|a, b| a.0.cmp(&b.0)).map_or(WINDOW_MS, |(_, ms)| ms)
}

/// One entry, and exits that all name it: whatever the clocks say, an exit stands no earlier than what it names.
fn is_one_visit(passages: &[Passage]) -> bool {
    let mut entries = passages.iter().filter(|p| p.fact.kind() == Kind::EntryPending);
    match (entries.next(), entries.next()) {
        (Some(entry), None) => {
            passages.iter().all(|p| p.fact.kind() == Kind::EntryPending || entry.is_named_by(&p.fact))
        }
        _ => false,
    }
}

/// Vehicles whose sessions a person changed: what is true of them then is what the person said.
fn acted_on(facts: &[Fact]) -> BTreeSet<PlateTag> {
    let acts = |k: Kind| {
        matches!(
            k,
            Kind::PlateCorrected
                | Kind::Voided
                | Kind::SoftClosed
                | Kind::Reopened
                | Kind::PriceSet
                | Kind::Waived
        )
    };
    let mut tags: BTreeSet<PlateTag> = BTreeSet::new();
    for f in facts.iter().filter(|f| acts(f.kind())) {
        tags.extend(f.tag());
        let named = facts.iter().filter(|p| Some(p.position()) == f.header.opening.as_ref());
        tags.extend(named.filter_map(Fact::tag));
    }
    tags
}

fn told(passages: &[Passage]) -> Vec<String> {
    passages.iter().map(|p| format!("{} {} at {} ms", p.fact.kind(), p.fact.position(), p.at)).collect()
}
