//! `/api/rights/passes`: monthly passes.

use axum::extract::{Request, State};
use axum::http::Uri;
use wire::bus::command::RegisterChange;
use wire::bus::query::LedgerQuery;
use wire::config::VEHICLE_CLASSES;
use wire::http::{HeldPassView, PassList, PassRequest};

use super::super::register;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object, plate_text};
use crate::gateway::Gateway;
use crate::openapi::{PassesManagedOutside, Problems};
use crate::params::Params;
use crate::problem::Answer;

/// Passes
///
/// Those of the external API as this central holds them; where it has none, those given here.
#[utoipa::path(get, path = "/rights/passes", tag = "rights",
    params(
        ("plate" = Option<String>, Query, description = "Of one vehicle, in any writing"),
        ("reason" = Option<String>, Query, description = "Why a person searches for a plate: kept in the audit log with who asked"),
        ("all" = Option<bool>, Query, description = "Those that ended or ran out, too"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page, by id", body = PassList), Problems))]
pub(crate) async fn get(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let query = LedgerQuery::Passes {
        plate: p.plate(&mut f, "plate"),
        all: p.flag(&mut f, "all"),
        limit: p.limit(&mut f),
        cursor: p.opaque(&mut f, "cursor"),
    };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}

/// Give a pass, change it, or take it back
///
/// It becomes an event that all centrals get. 409 `passes_managed_externally` where the external API has the subscriptions.
#[utoipa::path(post, path = "/rights/passes", tag = "rights", request_body = PassRequest,
    responses((status = 200, description = "The pass", body = HeldPassView), PassesManagedOutside, Problems))]
pub(crate) async fn post(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    register::change(gw, caller, "/api/v1/rights/passes", request, read).await
}

fn read(f: &mut Faults, o: &Object<'_>) -> Option<RegisterChange> {
    let id = o.text(f, "id", 64);
    let mut plates = Vec::new();
    if o.needed(f, "plates") {
        let most = parking::decision::register::MOST_PLATES;
        for (i, v) in o.array(f, "plates", most).unwrap_or_default().iter().enumerate() {
            let at = o.pointer(&format!("plates/{i}"));
            match v.as_str() {
                Some(text) => plates.extend(plate_text(f, &at, text)),
                None => f.add(at, "wrong_type", "must be a string"),
            }
        }
    }
    let class =
        o.needed(f, "vehicle_class").then(|| o.one_of(f, "vehicle_class", &VEHICLE_CLASSES)).flatten();
    let lots = register::lots(f, o);
    let mut needed_time = |name| o.needed(f, name).then(|| o.time(f, name)).flatten();
    let (valid_from, valid_to) = (needed_time("valid_from"), needed_time("valid_to"));
    let max_inside = o.integer(f, "max_inside", 1, 1000).unwrap_or(1);
    let ended = o.boolean(f, "ended").unwrap_or(false);
    Some(RegisterChange::Pass {
        id,
        plates,
        vehicle_class: class?.to_owned(),
        lots,
        valid_from: valid_from?,
        valid_to: valid_to?,
        max_inside: u32::try_from(max_inside).unwrap_or(1),
        ended,
    })
}
