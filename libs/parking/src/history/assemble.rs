//! From the fold to rows: one per opening, one per session without entry, one per clash.

use foldhash::{HashMap, HashMapExt as _};
use wire::event::{Body, EntryOpened, Kind, NO_RATE_TABLE, PlateFacts};
use wire::http::SessionStatus;

use super::charges::{self, charged_for};
use super::conflict::{Candidate, ConflictKind, ConflictRow};
use super::fold::{Clash, Folded, Group};
use super::index::{Index, Ix};
use super::names::{Names, alias};
use super::offsets::clock_facts;
use super::row::{EventRef, ExitRow, HistoryRow};
use super::stage1::{Stage1, Told};

/// Flags of plates that a reader of a session needs.
const PLATE_FLAGS: [&str; 4] = ["corrected", "unverified", "class_mismatch", "province_unassigned"];

/// Flag of a session whose entry or exit was stamped by a clock that was found wrong later.
const CLOCK_CORRECTED: &str = "clock_corrected";

pub(super) struct Assemble<'a, 'f> {
    index: &'a Index<'f>,
    stage1: &'a Stage1,
    folded: &'a Folded,
    names: Names,
    clashes: Vec<&'a Clash>,
    /// Flags that clashes put on a row, by the passage the row is about.
    clash_flags: HashMap<Ix, Vec<&'static str>>,
}

impl<'a, 'f> Assemble<'a, 'f> {
    pub(super) fn new(
        index: &'a Index<'f>,
        stage1: &'a Stage1,
        folded: &'a Folded,
        charge_clashes: &'a [Clash],
    ) -> Self {
        let clashes: Vec<&Clash> = folded.clashes.iter().chain(charge_clashes).collect();
        let mut clash_flags: HashMap<Ix, Vec<&'static str>> = HashMap::new();
        for c in &clashes {
            let flag = match c.kind {
                ConflictKind::Reentry => "reentry",
                ConflictKind::DoubleExit => "double_exit",
                ConflictKind::ClockAnomaly => "clock_anomaly",
                ConflictKind::LateBasis => "late_basis",
                ConflictKind::DuplicateEntry | ConflictKind::ExitWithoutEntry => continue,
            };
            clash_flags.entry(folded.groups[c.group].first).or_default().push(flag);
        }
        Self { index, stage1, folded, names: Names::of(index, folded), clashes, clash_flags }
    }

    /// Rows of `history`, by opening.
    pub(super) fn history(&self) -> Vec<HistoryRow> {
        let openings = self.index.iter().filter(|(_, f)| f.kind() == Kind::EntryPending);
        let without = self.folded.groups.iter().filter(|g| g.no_entry);
        let mut rows: Vec<HistoryRow> = openings
            .filter_map(|(i, _)| self.opening_row(i))
            .chain(without.filter_map(|g| self.row_without_entry(g)))
            .collect();
        for row in &mut rows {
            row.flags.sort_unstable();
            row.flags.dedup();
            row.aliases.sort_unstable();
            row.aliases.dedup();
        }
        rows.sort_unstable_by(|a, b| a.opening.cmp(&b.opening));
        rows
    }

    /// Rows of `conflicts`, by id.
    pub(super) fn conflicts(&self) -> Vec<ConflictRow> {
        let mut rows: Vec<ConflictRow> = self.clashes.iter().map(|c| self.conflict(c)).collect();
        rows.sort_unstable_by_key(|r| r.id);
        rows
    }

    fn opening_row(&self, i: Ix) -> Option<HistoryRow> {
        let mut row = self.bare(i)?;
        let stands = self.index.stands_for(i);
        let group = self.folded.group_of[stands].map(|g| &self.folded.groups[g]);
        let first = group.map_or(stands, |g| g.first);
        if first != i {
            row.status = SessionStatus::Duplicate;
            row.duplicate_of = Some(self.index.event(first));
            row.duplicate_of_event_id = Some(self.names.get(first).0);
        }
        if stands != i {
            row.flags.push("retried".to_owned());
            row.events = vec![self.index.event(i)];
            return Some(row);
        }
        self.add_told(&mut row, i);
        match group {
            Some(group) if first == i => self.add_group(&mut row, group),
            Some(_) => row.events = self.events(self.stage1.told(i).events.iter().copied()),
            None => {
                let told = self.stage1.told(i);
                add_lane_flags(&mut row, told);
                let voided = self.stage1.voided(self.index, i);
                row.status = if voided { SessionStatus::Voided } else { SessionStatus::Abandoned };
                (row.waived, row.paid) = (told.waived, told.paid);
                uncollected(&mut row, told);
                row.events = self.events(told.events.iter().copied());
            }
        }
        Some(row)
    }

    fn row_without_entry(&self, group: &Group) -> Option<HistoryRow> {
        let mut row = self.bare(group.first)?;
        row.no_entry = true;
        row.flags.push("no_entry_record".to_owned());
        self.add_group(&mut row, group);
        Some(row)
    }

    /// What the passage's own event says.
    fn bare(&self, i: Ix) -> Option<HistoryRow> {
        let fact = self.index.fact(i);
        let entry = fact.kind() == Kind::EntryPending;
        let (event_id, alias_number) = self.names.get(i);
        let mut row = HistoryRow {
            event_id,
            alias_number,
            aliases: Vec::new(),
            plate_tag: self.stage1.tag(self.index, i)?,
            opening: self.index.event(i),
            no_entry: false,
            duplicate_of: None,
            duplicate_of_event_id: None,
            source_central: fact.header.position.stream.central.clone(),
            edge_id: None,
            lot_id: None,
            plate: None,
            plate_key: None,
            vehicle_class: String::new(),
            status: SessionStatus::Pending,
            entry_time: entry.then_some(self.index.occurred_at(i)),
            confirmed_time: None,
            exit_time: None,
            exit_central: None,
            exit_edge: None,
            exit: None,
            exit_alias: None,
            exit_confirmed_time: None,
            duration_s: None,
            fee: None,
            charged: None,
            difference: None,
            waived: 0,
            uncollected: 0,
            paid: 0,
            set_price: None,
            currency: "VND".to_owned(),
            rate_table: None,
            fee_lines: Vec::new(),
            rights: Vec::new(),
            flags: Vec::new(),
            credential: None,
            image_ref: None,
            assumed: false,
            received_at: self.index.occurred_at(i),
            abandoned_by: None,
            abandoned_at: None,
            exits: Vec::new(),
            events: Vec::new(),
        };
        match self.index.body(i) {
            Some(Body::EntryPending(b)) => self.read_entry(&mut row, b),
            Some(Body::Exit(b)) => {
                row.lot_id.clone_from(&b.lot_id);
                row.vehicle_class.clone_from(&b.vehicle_class);
                row.image_ref.clone_from(&b.image_ref);
                row.received_at = b.clock.received_at;
                set_plate(&mut row, &b.plate);
            }
            _ => row.flags.push("erased".to_owned()),
        }
        if self.index.is_corrected(i) {
            row.flags.push(CLOCK_CORRECTED.to_owned());
        }
        let told = self.stage1.told(self.stage1.source(self.index, i));
        if let Some(c) = told.corrected {
            row.flags.push("plate_corrected".to_owned());
            row.plate = None;
            row.plate_key = None;
            if let Some(Body::PlateCorrected(b)) = self.index.body(c) {
                set_plate(&mut row, &b.plate);
            }
        }
        Some(row)
    }

    fn read_entry(&self, row: &mut HistoryRow, b: &EntryOpened) {
        row.edge_id = Some(b.edge_id.clone());
        row.lot_id.clone_from(&b.lot_id);
        row.vehicle_class.clone_from(&b.vehicle_class);
        row.credential.clone_from(&b.credential);
        row.image_ref.clone_from(&b.image_ref);
        row.assumed = b.assumed;
        row.received_at = b.clock.received_at;
        row.flags.extend_from_slice(&b.flags);
        row.flags.extend(b.plate.flags.iter().filter(|f| PLATE_FLAGS.contains(&f.as_str())).cloned());
        set_plate(row, &b.plate);
    }

    /// What stage 1 knows of one opening.
    fn add_told(&self, row: &mut HistoryRow, i: Ix) {
        let told = self.stage1.told(i);
        row.confirmed_time = told.confirmed.map(|c| self.index.occurred_at(c));
        if let Some(a) = told.abandoned.filter(|_| told.confirmed.is_none()) {
            row.abandoned_by = Some(match self.index.body(a) {
                Some(Body::EntryAbandoned(b)) => b.by.clone(),
                _ => "timeout".to_owned(),
            });
            row.abandoned_at = Some(self.index.occurred_at(a));
            if told.left {
                row.flags.push("unconfirmed_entry".to_owned());
            }
        }
    }

    /// What the fold knows of the whole session.
    fn add_group(&self, row: &mut HistoryRow, group: &Group) {
        let mut events: Vec<Ix> = Vec::new();
        let mut price = None;
        for &i in group.openings.iter().chain(&group.exits) {
            let told = self.stage1.told(i);
            let opening = self.index.fact(i).kind() == Kind::EntryPending;
            // A duplicate opening has its own row; what was said about it counts here.
            let own = i == group.first || !opening;
            events.extend(told.events.iter().filter(|e| own || !self.index.fact(**e).is_passage()));
            row.waived = row.waived.saturating_add(told.waived);
            row.paid = row.paid.saturating_add(told.paid);
            add_lane_flags(row, told);
            uncollected(row, told);
            price = price.max(told.price);
            if opening && row.confirmed_time.is_none() {
                row.confirmed_time = told.confirmed.map(|c| self.index.occurred_at(c));
            }
            if self.stage1.voided(self.index, i) {
                row.flags.push("void_after_charge".to_owned());
            }
        }
        if let Some(Body::PriceSet(p)) = price.and_then(|p| self.index.body(p)) {
            row.set_price = Some(p.fee);
            row.flags.push("price_set".to_owned());
        }
        for &exit in &group.exits {
            self.add_exit(row, group, exit);
        }
        row.exits.sort_by(|a, b| (a.time, &a.event).cmp(&(b.time, &b.event)));
        let pending = || group.exits.iter().rev().copied().find(|e| self.stage1.abandoned(*e));
        if let Some(exit) = group.closed_by.or_else(pending) {
            self.add_charge(row, exit);
        }
        if let Some(exit) = group.closed_by {
            self.close(row, exit);
            row.difference = charges::difference(self.index, self.stage1, group, exit);
        }
        row.status = self.status(row, group);
        self.add_flags(row, group);
        events.sort_unstable();
        events.dedup();
        row.events = self.events(events.into_iter());
    }

    fn status(&self, row: &mut HistoryRow, group: &Group) -> SessionStatus {
        let act = group.act.map(|a| self.index.fact(a).kind());
        if group.superseded && group.closed_by.is_none() {
            row.fee.get_or_insert(0);
            SessionStatus::Superseded
        } else if group.closed_by.is_some() {
            SessionStatus::Exited
        } else if group.no_entry {
            SessionStatus::Abandoned
        } else if act == Some(Kind::SoftClosed) {
            SessionStatus::SoftClosed
        } else if row.confirmed_time.is_some() || !group.exits.is_empty() {
            SessionStatus::Inside
        } else {
            SessionStatus::Pending
        }
    }

    fn add_flags(&self, row: &mut HistoryRow, group: &Group) {
        let mut flag = |raised: bool, name: &str| {
            if raised {
                row.flags.push(name.to_owned());
            }
        };
        flag(group.mismatch, "basis_mismatch");
        flag(group.closed_by.is_none() && !group.exits.is_empty() && !group.superseded, "charge_pending");
        for name in self.clash_flags.get(&group.first).into_iter().flatten() {
            flag(true, name);
        }
        let waived = row.waived > 0;
        if waived {
            row.flags.push("waived".to_owned());
        }
    }

    fn add_exit(&self, row: &mut HistoryRow, group: &Group, i: Ix) {
        let told = self.stage1.told(i);
        let body = match self.index.body(i) {
            Some(Body::Exit(b)) => Some(b),
            _ => None,
        };
        if let Some(p) = body.and_then(|b| b.payment.as_ref()) {
            row.paid = row.paid.saturating_add(p.amount);
        }
        // A retried exit is an event of this one: its answer named it by its own alias.
        for &e in told.events.iter().filter(|e| self.index.fact(**e).is_passage()) {
            let name = alias(self.index, e);
            if name != row.event_id {
                row.aliases.push(name);
            }
        }
        row.exits.push(ExitRow {
            event: self.index.event(i),
            alias: alias(self.index, i),
            plate_tag: charged_for(self.index, self.stage1, group, i),
            time: self.index.occurred_at(i),
            edge_id: body.map(|b| b.edge_id.clone()),
            fee: body.and_then(|b| b.charged()),
            confirmed_time: told.confirmed.map(|c| self.index.occurred_at(c)),
            abandoned: self.stage1.abandoned(i),
            abandoned_at: told
                .abandoned
                .filter(|_| self.stage1.abandoned(i))
                .map(|a| self.index.occurred_at(a)),
            assumed: body.is_some_and(|b| b.assumed),
            received_at: body.map_or(self.index.occurred_at(i), |b| b.clock.received_at),
        });
    }

    /// The money of the exit that stands, or of the last one that was reversed.
    fn add_charge(&self, row: &mut HistoryRow, exit: Ix) {
        let Some(Body::Exit(b)) = self.index.body(exit) else { return };
        // What no table priced is priced by staff, also after the vehicle left.
        let unpriced = b.flags.iter().any(|f| f == NO_RATE_TABLE);
        row.charged = row.set_price.filter(|_| unpriced).or(b.charged());
        row.fee = row.charged.map(|fee| fee.saturating_sub(row.waived).max(0));
        row.currency.clone_from(&b.currency);
        row.rate_table.clone_from(&b.rate_table);
        row.fee_lines.clone_from(&b.lines);
        row.rights.clone_from(&b.rights);
        row.flags.extend_from_slice(&b.flags);
        if row.vehicle_class.is_empty() {
            row.vehicle_class.clone_from(&b.vehicle_class);
        }
    }

    fn close(&self, row: &mut HistoryRow, exit: Ix) {
        let fact = self.index.fact(exit);
        let time = self.index.occurred_at(exit);
        if self.index.is_corrected(exit) {
            row.flags.push(CLOCK_CORRECTED.to_owned());
        }
        row.exit_time = Some(time);
        row.exit_central = Some(fact.header.position.stream.central.clone());
        row.exit = Some(self.index.event(exit));
        row.exit_alias = Some(alias(self.index, exit));
        row.exit_confirmed_time = self.stage1.told(exit).confirmed.map(|c| self.index.occurred_at(c));
        row.duration_s = row.entry_time.map(|e| time.saturating_sub(e).max(0) / 1000);
        match self.index.body(exit) {
            Some(Body::Exit(b)) => row.exit_edge = Some(b.edge_id.clone()),
            _ => row.flags.push("erased".to_owned()),
        }
    }

    fn events(&self, of: impl Iterator<Item = Ix>) -> Vec<EventRef> {
        of.map(|e| self.index.event(e)).collect()
    }

    fn conflict(&self, clash: &Clash) -> ConflictRow {
        let group = &self.folded.groups[clash.group];
        let candidates: Vec<Candidate> = clash.sides.iter().map(|i| self.candidate(*i)).collect();
        let plate = self.bare(group.first).and_then(|r| r.plate);
        ConflictRow {
            id: ConflictRow::id_of(clash.kind, candidates.iter().map(|c| &c.event)),
            kind: clash.kind,
            plate_tag: group.tag,
            plate,
            detected_at: candidates.last().map_or(0, |c| c.occurred_at),
            candidates,
            rule: clash.kind.rule().to_owned(),
            policy_version: clash.policy_version,
            window_ms: clash.window_ms,
            winner: clash.winner.map(|w| self.index.event(w)),
        }
    }

    fn candidate(&self, i: Ix) -> Candidate {
        let fact = self.index.fact(i);
        let clock = clock_facts(fact);
        let fee = match self.index.body(i) {
            Some(Body::Exit(b)) => b.charged(),
            _ => None,
        };
        let about = match fact.kind() {
            Kind::EntryPending => i,
            _ => self.folded.group_of[i].map_or(i, |g| self.folded.groups[g].first),
        };
        Candidate {
            kind: fact.kind().name().to_owned(),
            event: self.index.event(i),
            event_id: Some(self.names.get(about).0),
            central: fact.header.position.stream.central.clone(),
            occurred_at: self.index.occurred_at(i),
            stamped_at: fact.header.occurred_at,
            received_at: clock.map(|c| c.received_at),
            captured_at: clock.and_then(|c| c.captured_at),
            skew_ms: clock.and_then(|c| c.skew_ms),
            offset_ms: clock.map(|c| c.offset_ms),
            fee,
        }
    }
}

/// What lanes and people did around a session, outside of any decision.
fn add_lane_flags(row: &mut HistoryRow, told: &Told) {
    for (raised, name) in
        [(told.vended, "manual_vend"), (told.tailgated, "tailgate"), (told.bound, "passage_bound")]
    {
        if raised {
            row.flags.push(name.to_owned());
        }
    }
}

fn set_plate(row: &mut HistoryRow, plate: &PlateFacts) {
    row.plate = Some(plate.display.clone());
    row.plate_key = Some(plate.key.clone());
}

/// What could not be collected stays due.
fn uncollected(row: &mut HistoryRow, told: &Told) {
    if let Some(amount) = told.uncollected {
        row.uncollected = row.uncollected.saturating_add(amount);
        row.flags.push("uncollected".to_owned());
    }
}
