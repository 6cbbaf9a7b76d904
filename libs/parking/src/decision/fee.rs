//! What a stay costs here and now.

use wire::event::{FeeLineFact, RateTableRef, RightFact};
use wire::hash::PlateTag;
use wire::http::Problem;

use super::state::Site;
use super::{facts, gate};
use crate::history::HistoryRow;
use crate::plate::PlateKey;
use crate::rights::Cover;
use crate::tariff::{NoEntryAction, Right, Stay, Tariff, Wanted};
use crate::vehicle::VehicleClass;

/// Time to leave after a charge, where no rate table says, ms.
const EXIT_GRACE_MS: i64 = 15 * 60 * 1000;

/// A price for a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// VND.
    pub fee: i64,
    /// The rule; none for a price set by hand and for vehicles that are never charged.
    pub rate_table: Option<RateTableRef>,
    /// The breakdown.
    pub lines: Vec<FeeLineFact>,
    /// The rights that cover a part of the stay.
    pub rights: Vec<RightFact>,
    /// Before it was rounded, VND; none where it is a charge that stands or was set by hand.
    pub unrounded: Option<i64>,
    /// `clock_anomaly`, `review_above`, …
    pub flags: Vec<&'static str>,
    /// Staff must confirm it.
    pub review: bool,
    /// It holds until then, ms since the epoch.
    pub valid_until: i64,
}

impl Price {
    fn of(tariff: &Tariff, stay: &Stay) -> Self {
        let c = tariff.price(stay);
        Self {
            fee: c.fee,
            rate_table: Some(facts::rate_table(&c)),
            lines: c.lines.iter().map(facts::fee_line).collect(),
            rights: Vec::new(),
            unrounded: Some(c.unrounded),
            flags: c.flags.iter().map(|f| facts::charge_flag_name(*f)).collect(),
            review: c.review,
            valid_until: c.valid_until_ms,
        }
    }
}

/// What a fee depends on beside the stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// The card or ticket was lost.
    pub lost_credential: bool,
    /// Ids of the discounts that staff grant.
    pub discounts: &'a [String],
}

/// Flag of a charge that staff reduced.
const DISCOUNT: &str = "discount";

/// What a session costs at `at`, ms, under these rights; none when no rate table fits its class.
pub(super) fn of_session(
    row: &HistoryRow,
    site: &Site<'_>,
    cover: &Cover,
    mut at: i64,
    terms: Terms<'_>,
) -> Option<Price> {
    // A charge made for another plate is none of this vehicle's.
    if let Some(pending) = row.pending_charge().filter(|c| c.plate_tag == row.plate_tag)
        && let Some(fee) = pending.fee
        && at.saturating_sub(pending.time) <= grace(row, site)
    {
        if terms.discounts.is_empty() {
            return Some(standing(row, fee, pending.time.saturating_add(grace(row, site))));
        }
        // The charge was for the stay until then; staff reduce it now.
        at = pending.time;
    }
    if let Some(fee) = row.set_price {
        return Some(Price { fee, valid_until: at.saturating_add(EXIT_GRACE_MS), ..Price::default() });
    }
    let class: VehicleClass = row.vehicle_class.parse().ok()?;
    if class == VehicleClass::Exempt {
        return Some(Price { valid_until: at.saturating_add(EXIT_GRACE_MS), ..Price::default() });
    }
    let entry_ms = row.entry_time?;
    let used = cover.used(entry_ms, at);
    let tariff = match table(site, class, row.lot_id.as_deref(), entry_ms) {
        Some(tariff) => tariff,
        // Who has a pass for all of the stay needs no price.
        None => return whole(&used, entry_ms, at),
    };
    let rights = used.iter().map(|r| Right { id: r.id.clone(), from_ms: r.from, to_ms: r.to }).collect();
    let (lost_credential, discounts) = (terms.lost_credential, terms.discounts.to_vec());
    let mut price = Price::of(tariff, &Stay { entry_ms, exit_ms: at, rights, lost_credential, discounts });
    price.flags.extend((!terms.discounts.is_empty()).then_some(DISCOUNT));
    price.flags.extend(gate::pass_flags(!used.is_empty(), cover.waited));
    price.rights = used;
    Some(price)
}

/// The price of a stay that one right covers from beginning to end.
fn whole(used: &[RightFact], entry: i64, at: i64) -> Option<Price> {
    let right = used.iter().find(|r| r.from <= entry && at <= r.to)?;
    Some(Price {
        lines: vec![FeeLineFact {
            code: "covered".to_owned(),
            from: Some(entry),
            to: Some(at),
            amount: 0,
            args: vec![right.id.clone()],
        }],
        rights: vec![right.clone()],
        unrounded: Some(0),
        flags: gate::pass_flags(true, false).collect(),
        valid_until: at.saturating_add(EXIT_GRACE_MS),
        ..Price::default()
    })
}

/// The charge a row has already.
pub(super) fn standing(row: &HistoryRow, fee: i64, valid_until: i64) -> Price {
    Price {
        fee,
        rate_table: row.rate_table.clone(),
        lines: row.fee_lines.clone(),
        rights: row.rights.clone(),
        valid_until,
        ..Price::default()
    }
}

/// What an exit without an entry costs, and whether the lane may charge it without asking.
pub(super) fn without_entry(
    class: &str,
    lot: Option<&str>,
    site: &Site<'_>,
    at: i64,
    terms: Terms<'_>,
) -> Option<(Price, bool)> {
    let class: VehicleClass = class.parse().ok()?;
    let tariff = table(site, class, lot, at)?;
    let (lost_credential, discounts) = (terms.lost_credential, terms.discounts.to_vec());
    let stay = Stay { entry_ms: at, exit_ms: at, lost_credential, discounts, ..Stay::default() };
    let c = tariff.price_no_entry(&stay)?;
    let unasked =
        tariff.table().no_entry_record.as_ref().is_some_and(|n| n.action == NoEntryAction::ChargeFallback);
    let price = Price {
        fee: c.fee,
        rate_table: Some(facts::rate_table(&c)),
        lines: c.lines.iter().map(facts::fee_line).collect(),
        flags: (!terms.discounts.is_empty()).then_some(DISCOUNT).into_iter().collect(),
        valid_until: c.valid_until_ms,
        ..Price::default()
    };
    Some((price, unasked))
}

/// Checks the discounts that staff grant for a stay against the table that prices it.
///
/// # Errors
/// 422 `unknown_discount` for one that it does not have.
pub(super) fn check_discounts(
    discounts: &[String],
    site: &Site<'_>,
    (class, lot): (&str, Option<&str>),
    entry_ms: i64,
) -> Result<(), Box<Problem>> {
    let tariff = class.parse().ok().and_then(|class| table(site, class, lot, entry_ms));
    let has = |id: &String| tariff.is_some_and(|t| t.table().discounts.iter().any(|d| d.id == *id));
    match discounts.iter().position(|id| !has(id)) {
        None => Ok(()),
        Some(i) => Err(Box::new(Problem::field(
            "unknown_discount",
            &format!("/discounts/{i}"),
            "the rate table of this stay has no discount of this id",
        ))),
    }
}

/// The discounts a charge was made with. Those that are for everybody are among them: to grant them changes nothing.
pub(super) fn granted(lines: &[FeeLineFact]) -> Vec<String> {
    lines.iter().filter(|l| l.code == "discount").filter_map(|l| l.args.first().cloned()).collect()
}

/// How long a charge made for this session stays the charge, ms.
pub(super) fn grace(row: &HistoryRow, site: &Site<'_>) -> i64 {
    let class: Option<VehicleClass> = row.vehicle_class.parse().ok();
    let at = row.entry_time.or(row.exit_time).unwrap_or(row.received_at);
    class
        .and_then(|c| table(site, c, row.lot_id.as_deref(), at))
        .map_or(EXIT_GRACE_MS, |t| i64::from(t.table().exit_grace_minutes) * 60_000)
}

fn table<'s>(site: &Site<'s>, class: VehicleClass, lot: Option<&str>, entry_ms: i64) -> Option<&'s Tariff> {
    let wanted = Wanted { class, user_type: "transient", place: lot.unwrap_or(""), entry_ms };
    site.reference.tariffs.choose(&wanted)
}

/// What a session costs at `at`, ms, on these terms: the answer of `quote`. `rows` are its own and those of the vehicles it shares
/// a pass with ([`shared_passes`]).
///
/// # Errors
/// 404 `unknown_session` when the session is not open, 409 `no_rate_table` when a person must price it, 422 `unknown_discount` for a
/// discount that its table does not have.
pub fn quote(
    row: &HistoryRow,
    site: &Site<'_>,
    rows: &[HistoryRow],
    at: i64,
    terms: Terms<'_>,
) -> Result<Price, Box<Problem>> {
    if !row.is_open() {
        return Err(Box::new(super::problems::unknown_session(&row.event_id)));
    }
    let of = (row.vehicle_class.as_str(), row.lot_id.as_deref());
    check_discounts(terms.discounts, site, of, row.entry_time.unwrap_or(at))?;
    let cover = gate::cover_of(row, site, rows);
    of_session(row, site, &cover, at, terms).ok_or_else(|| {
        Box::new(Problem::new(
            409,
            "no_rate_table",
            "No rate table",
            "no rate table fits this vehicle: staff price it",
        ))
    })
}

/// The vehicles a vehicle shares a pass with, by their tags: what to load before [`quote`].
pub fn shared_passes(key: &PlateKey, site: &Site<'_>) -> Vec<PlateTag> {
    let passes = site.rights.passes_of(key, &site.reference.passes);
    let keys = passes.iter().flat_map(|held| &held.pass.plates).filter(|k| *k != key);
    let mut tags: Vec<PlateTag> = keys.map(|k| PlateTag::of(site.operator_key, k.as_str())).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}
