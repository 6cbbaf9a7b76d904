//! Which rate table prices a stay.

use super::Tariff;
use crate::vehicle::VehicleClass;

/// What is known when a table is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Class of the vehicle.
    pub class: VehicleClass,
    /// Such as `transient`.
    pub user_type: &'a str,
    /// The Place (`lot_id`).
    pub place: &'a str,
    /// Entry, ms since the epoch.
    pub entry_ms: i64,
}

/// The table for a stay: it names class, user type and Place and is valid at the entry; the highest priority wins, then
/// one that names the Place itself, then the one valid from the latest moment, then the highest version, then the
/// smallest id. None means that staff must decide, never a fee of 0.
pub fn choose<'t>(tables: impl IntoIterator<Item = &'t Tariff>, wanted: &Wanted<'_>) -> Option<&'t Tariff> {
    tables.into_iter().filter(|t| fits(t, wanted)).max_by(|a, b| {
        let rank = |t: &'t Tariff| {
            let t = t.table();
            let named = t.places.iter().any(|p| p == wanted.place);
            (t.priority, named, t.valid_from.as_ref().map_or(i64::MIN, |m| m.ms()), t.version)
        };
        rank(a).cmp(&rank(b)).then_with(|| b.table().id.cmp(&a.table().id))
    })
}

fn fits(tariff: &Tariff, wanted: &Wanted<'_>) -> bool {
    begun(tariff, wanted) && tariff.table().valid_to.as_ref().is_none_or(|to| wanted.entry_ms < to.ms())
}

/// Names class, user type and Place, and is or was valid at the entry.
pub(super) fn begun(tariff: &Tariff, wanted: &Wanted<'_>) -> bool {
    let table = tariff.table();
    table.vehicle_classes.contains(&wanted.class)
        && table.user_type == wanted.user_type
        && table.places.iter().any(|p| p == "*" || p == wanted.place)
        && table.valid_from.as_ref().is_none_or(|from| from.ms() <= wanted.entry_ms)
}
