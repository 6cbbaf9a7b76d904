//! What lists, passes, anti-passback and room in the car park say to a vehicle at a lane. Only an entry is ever stopped, and
//! staff can always let it in; nobody is held inside.

use wire::event::{ListKind, PassbackMode};
use wire::http::LaneDecision;

use super::lane::Ask;
use super::state::Site;
use crate::history::HistoryRow;
use crate::plate::PlateKey;
use crate::rights::{Cover, Held, PassbackState, cover, in_use, state_of};

/// Flag of a vehicle that stands on the block list.
pub(super) const BLOCKED: &str = "blocked";
/// Flag of a vehicle that stands on the watch list: an alarm while it is inside.
pub const WATCHED: &str = "watched";
/// Flag of an entry of what was inside already.
const PASSBACK: &str = "antipassback";
/// Flag of a stay that a pass covers, at least in part.
const PASS: &str = "pass";
/// Flag of a stay whose pass had no place free.
const PASS_IN_USE: &str = "pass_in_use";

/// What stands against an entry.
pub(super) struct Stop<'a> {
    pub(super) decision: LaneDecision,
    pub(super) reason: &'static str,
    /// The session that is inside already.
    pub(super) inside: Option<&'a HistoryRow>,
}

/// What an entry is told, and what is recorded of it where it comes in all the same.
pub(super) struct Gate<'a> {
    pub(super) stop: Option<Stop<'a>>,
    pub(super) flags: Vec<&'static str>,
}

/// Looks at a vehicle that wants to come in.
pub(super) fn at_entry<'a>(ask: &Ask<'a>) -> Gate<'a> {
    let rights = &ask.site.rights;
    let lot = ask.lane.lot_id.as_deref();
    let listed = |kind| rights.is_listed(ask.tag, kind, lot, ask.at());
    let (blocked, allowed) = (listed(ListKind::Block), listed(ListKind::Allow));
    let mut gate = Gate { stop: None, flags: Vec::new() };
    if blocked {
        gate.against(BLOCKED, LaneDecision::Deny, "blocked", None);
    }
    if listed(ListKind::Watch) {
        gate.flags.push(WATCHED);
    }
    let passes = passes(ask);
    let free = |held: &Held<'_>| in_use(held, ask.tag, &ask.state.projection.rows) < held.pass.max_inside;
    let holds = passes.iter().any(free);
    if holds {
        gate.flags.push(PASS);
    } else if !passes.is_empty() {
        gate.flags.push(PASS_IN_USE);
    }
    if let Some(inside) = inside_already(ask) {
        match rights.passback_mode(&passes, lot) {
            PassbackMode::Off => {}
            PassbackMode::Soft => gate.flags.push(PASSBACK),
            PassbackMode::Hard if allowed => gate.flags.push(PASSBACK),
            PassbackMode::Hard => {
                gate.against(PASSBACK, LaneDecision::AskStaff, "antipassback", Some(inside));
            }
        }
    }
    if !allowed && !holds {
        match room(ask) {
            "closed" => gate.against("lot_closed", LaneDecision::AskStaff, "lot_closed", None),
            "full" => gate.against("lot_full", LaneDecision::AskStaff, "lot_full", None),
            _ => {}
        }
    }
    gate
}

impl<'a> Gate<'a> {
    /// The first objection is the answer; all of them are flags.
    fn against(
        &mut self,
        flag: &'static str,
        decision: LaneDecision,
        reason: &'static str,
        inside: Option<&'a HistoryRow>,
    ) {
        self.flags.push(flag);
        self.stop.get_or_insert(Stop { decision, reason, inside });
    }
}

/// The passes that are for this vehicle here and now.
fn passes<'a>(ask: &Ask<'a>) -> Vec<Held<'a>> {
    let mut passes = ask.site.rights.passes_of(ask.key, &ask.site.reference.passes);
    let (class, lot) = (ask.class(), ask.lane.lot_id.as_deref());
    passes.retain(|held| held.is_valid(ask.at()) && held.fits(&class, lot));
    passes
}

/// The session that says that this vehicle, or its card, is inside already.
fn inside_already<'a>(ask: &Ask<'a>) -> Option<&'a HistoryRow> {
    let reset = |card, tag| ask.site.rights.register.and_then(|r| r.reset_of(card, tag));
    let inside = |row: &HistoryRow, reset| state_of(Some(row.into()), reset).0 == PassbackState::Inside;
    let shown = ask.seen.credential.as_ref();
    let vehicle = ask.state.projection.open_of(ask.tag);
    let vehicle = vehicle.filter(|row| inside(row, reset(None, Some(ask.tag))));
    vehicle.or(ask.state.by_card.filter(|row| inside(row, reset(shown, None))))
}

/// `open`, `full` or `closed`.
fn room(ask: &Ask<'_>) -> &'static str {
    let Some(rule) = ask.site.rights.lot(ask.lane.lot_id.as_deref()) else { return "open" };
    let class = ask.class();
    rule.state(&class, ask.state.inside.in_lot(&rule.id, &class))
}

/// What lists say to a vehicle that leaves: it is recorded, never held against it.
pub(super) fn at_exit(ask: &Ask<'_>, row: Option<&HistoryRow>) -> Vec<&'static str> {
    let tag = row.map_or(ask.tag, |r| r.plate_tag);
    let lot = ask.lane.lot_id.as_deref();
    let listed = [(ListKind::Block, BLOCKED), (ListKind::Watch, WATCHED)];
    let of = |(kind, flag)| ask.site.rights.is_listed(tag, kind, lot, ask.at()).then_some(flag);
    listed.into_iter().filter_map(of).collect()
}

/// True when a vehicle leaves without being asked for its class.
pub(super) fn is_allowed(ask: &Ask<'_>, row: &HistoryRow) -> bool {
    ask.site.rights.is_listed(row.plate_tag, ListKind::Allow, ask.lane.lot_id.as_deref(), ask.at())
}

/// What passes do for the stay of a session.
pub(super) fn cover_of(row: &HistoryRow, site: &Site<'_>, rows: &[HistoryRow]) -> Cover {
    let Some(key) = row.plate_key.as_deref().and_then(|k| PlateKey::new(k).ok()) else {
        return Cover::default();
    };
    let passes = site.rights.passes_of(&key, &site.reference.passes);
    if passes.is_empty() { Cover::default() } else { cover(row, &passes, rows) }
}

/// The flags a charge has from passes.
pub(super) fn pass_flags(used: bool, waited: bool) -> impl Iterator<Item = &'static str> {
    [(used, PASS), (waited, PASS_IN_USE)].into_iter().filter_map(|(is, flag)| is.then_some(flag))
}
