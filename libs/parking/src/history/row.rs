//! Rows of `history`: one per opening, and one per exit that has none.

use serde::{Deserialize, Serialize};
use wire::event::{Credential, FeeLineFact, RateTableRef, RightFact};
use wire::hash::{Hash32, PlateTag};
use wire::http::SessionStatus;
use wire::id::CentralId;
use wire::position::Position;

use super::canonical::Canonical;

/// Names one event for good: the position, and the hash that tells branches of a fork apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// Where it stands.
    pub position: Position,
    /// Its hash.
    pub hash: Hash32,
}

/// One exit of a session, in rank order. A session has several when a driver reversed, or when two lanes let it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRow {
    /// The exit event.
    pub event: EventRef,
    /// Readable alias: `central_ms_platekey`, as an answer gave it when there was no entry.
    pub alias: String,
    /// The vehicle it charged; another than the session's, where the plate was corrected since.
    pub plate_tag: PlateTag,
    /// When, ms since the epoch.
    pub time: i64,
    /// The lane's edge; none when erased.
    pub edge_id: Option<String>,
    /// What it charged, VND; none when erased.
    pub fee: Option<i64>,
    /// The vehicle passed the exit's loop: when, ms.
    pub confirmed_time: Option<i64>,
    /// The driver reversed.
    pub abandoned: bool,
    /// When, ms.
    #[serde(default)]
    pub abandoned_at: Option<i64>,
    /// The lane has no loop: confirmed when the time-out ends.
    pub assumed: bool,
    /// Receive time at the origin, ms; what time-outs count from.
    pub received_at: i64,
}

/// A session as all centrals agree on it. Times are ms since the epoch, money VND.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Readable alias, unique: `central-1_1733140800000_29A12345`, with `~2` and so on where several share one.
    pub event_id: String,
    /// The number behind `~`; 1 stands for none.
    pub alias_number: u32,
    /// Other aliases under which answers named this session (its exits'), ascending.
    pub aliases: Vec<String>,
    /// The vehicle's tag, after corrections.
    pub plate_tag: PlateTag,
    /// The event the row is about: the opening, or the exit without one.
    pub opening: EventRef,
    /// True for the row of an exit without an entry.
    pub no_entry: bool,
    /// The session whose duplicate this is.
    pub duplicate_of: Option<EventRef>,
    /// Alias of that session.
    pub duplicate_of_event_id: Option<String>,
    /// Origin of the opening (of the exit, where there is none).
    pub source_central: CentralId,
    /// The entry lane's edge.
    pub edge_id: Option<String>,
    /// The car park entered.
    pub lot_id: Option<String>,
    /// Human form of the plate, after corrections; none when erased.
    pub plate: Option<String>,
    /// Match key, after corrections; none when erased.
    pub plate_key: Option<String>,
    /// Class; empty when erased.
    pub vehicle_class: String,
    /// Status.
    pub status: SessionStatus,
    /// Entry.
    pub entry_time: Option<i64>,
    /// Passed the entry loop.
    pub confirmed_time: Option<i64>,
    /// Exit.
    pub exit_time: Option<i64>,
    /// Origin of the exit that stands.
    pub exit_central: Option<CentralId>,
    /// Its lane's edge.
    pub exit_edge: Option<String>,
    /// The exit that stands.
    pub exit: Option<EventRef>,
    /// Its readable alias.
    pub exit_alias: Option<String>,
    /// The vehicle passed the exit's loop.
    pub exit_confirmed_time: Option<i64>,
    /// Whole seconds from entry to exit, never negative.
    pub duration_s: Option<i64>,
    /// Due: the charge less what was forgiven. None until charged.
    pub fee: Option<i64>,
    /// The charge as the exit made it.
    pub charged: Option<i64>,
    /// What the charge should differ by, by what is known now; none where nothing was found.
    #[serde(default)]
    pub difference: Option<i64>,
    /// Forgiven.
    pub waived: i64,
    /// Of what is due, so much could not be collected. It stays due.
    #[serde(default)]
    pub uncollected: i64,
    /// Received.
    pub paid: i64,
    /// A price set by hand before the exit.
    pub set_price: Option<i64>,
    /// `VND`
    pub currency: String,
    /// The rule of the charge.
    pub rate_table: Option<RateTableRef>,
    /// The charge's lines.
    pub fee_lines: Vec<FeeLineFact>,
    /// The rights the charge used.
    #[serde(default)]
    pub rights: Vec<RightFact>,
    /// Sorted, each once.
    pub flags: Vec<String>,
    /// Card, QR, e-tag or pass presented at the entry.
    pub credential: Option<Credential>,
    /// Reference of the entry's picture.
    pub image_ref: Option<String>,
    /// The entry lane has no loop.
    pub assumed: bool,
    /// Receive time of the opening at its origin; what time-outs count from.
    pub received_at: i64,
    /// `timeout` or `reversed`, when it was abandoned and not confirmed.
    pub abandoned_by: Option<String>,
    /// When, ms.
    #[serde(default)]
    pub abandoned_at: Option<i64>,
    /// Every exit that acted on it, in rank order.
    pub exits: Vec<ExitRow>,
    /// Every event that acted on it, in rank order.
    pub events: Vec<EventRef>,
}

impl HistoryRow {
    /// True while the vehicle is taken to be in the place.
    pub fn is_open(&self) -> bool {
        matches!(self.status, SessionStatus::Pending | SessionStatus::Inside)
    }

    /// True when the vehicle was taken to be in the place, or on its way in, at this moment after its entry (ms), by what is known now.
    pub fn stood_at(&self, at: i64) -> bool {
        match self.status {
            SessionStatus::Pending | SessionStatus::Inside => true,
            // A camera's last picture and the loop's signal that the car is gone may carry one time.
            SessionStatus::Abandoned => self.abandoned_at.is_none_or(|ended| at <= ended),
            SessionStatus::Exited => self.exit_time.is_none_or(|ended| at < ended),
            // Ended by people, or no session of its own: that says nothing about where the vehicle was.
            _ => false,
        }
    }

    /// True when `event_id` is this row's alias or one of its others.
    pub fn answers_to(&self, event_id: &str) -> bool {
        self.event_id == event_id || self.aliases.iter().any(|a| a == event_id)
    }

    /// The charge that stands.
    pub fn standing_charge(&self) -> Option<&ExitRow> {
        self.exits.iter().find(|e| Some(&e.event) == self.exit.as_ref())
    }

    /// The charge that is due although no exit stands: the last one, of a driver who reversed.
    pub fn pending_charge(&self) -> Option<&ExitRow> {
        if self.exit.is_some() { None } else { self.exits.iter().rev().find(|e| e.abandoned) }
    }

    /// SHA-256 over a canonical encoding, the same at every central: without `sync_status`, and with plate tag and
    /// positions in place of everything that shows the plate.
    pub fn row_hash(&self) -> Hash32 {
        let mut c = Canonical::new("parkmesh/history/3");
        c.event(&self.opening);
        c.u64(u64::from(self.alias_number));
        c.bytes(self.plate_tag.as_bytes());
        c.bool(self.no_entry);
        c.option(self.duplicate_of.as_ref(), Canonical::event);
        c.text(self.source_central.as_str());
        c.option(self.edge_id.as_deref(), Canonical::text);
        c.option(self.lot_id.as_deref(), Canonical::text);
        c.text(&self.vehicle_class);
        c.text(self.status.as_str());
        for t in [self.entry_time, self.confirmed_time, self.exit_time, self.exit_confirmed_time] {
            c.option(t, Canonical::i64);
        }
        c.option(self.exit_central.as_ref().map(CentralId::as_str), Canonical::text);
        c.option(self.exit_edge.as_deref(), Canonical::text);
        c.option(self.exit.as_ref(), Canonical::event);
        for n in [self.duration_s, self.fee, self.charged, self.set_price] {
            c.option(n, Canonical::i64);
        }
        c.option(self.difference, Canonical::i64);
        c.i64(self.waived);
        c.i64(self.uncollected);
        c.i64(self.paid);
        c.text(&self.currency);
        c.option(self.rate_table.as_ref(), |c, r| {
            c.text(&r.id);
            c.i64(r.version);
        });
        c.list(&self.fee_lines, |c, l| {
            c.text(&l.code);
            c.option(l.from, Canonical::i64);
            c.option(l.to, Canonical::i64);
            c.i64(l.amount);
            c.list(&l.args, |c, a| c.text(a));
        });
        c.list(&self.flags, |c, f| c.text(f));
        c.list(&self.exits, |c, e| {
            c.event(&e.event);
            c.option(e.fee, Canonical::i64);
            c.option(e.confirmed_time, Canonical::i64);
            c.bool(e.abandoned);
        });
        c.finish()
    }
}
