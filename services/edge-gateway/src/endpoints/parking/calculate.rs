//! `POST /api/parking/fees/calculate`: a fee for any table and stay.

use axum::extract::{Request, State};
use serde_json::Value;
use wire::bus::query::LedgerQuery;
use wire::config::VEHICLE_CLASSES;
use wire::http::{FeeCalculation, Quote};

use crate::ask::{self, LEDGER_BUDGET};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object, type_name};
use crate::gateway::Gateway;
use crate::lane_request::MAX_DISCOUNTS;
use crate::openapi::Problems;
use crate::problem::Answer;

/// A fee for any table and stay
///
/// `rate_table` is the id of a published table, or a whole table: what is wrong with it is named by `/rate_table/…`. `text` of the lines is
/// Vietnamese, `text_en` English. Nothing is recorded.
#[utoipa::path(post, path = "/parking/fees/calculate", tag = "parking", request_body = FeeCalculation,
    responses((status = 200, description = "The fee", body = Quote), Problems))]
pub(crate) async fn calculate(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let rate_table = match o.get("rate_table") {
        None => {
            o.needed(&mut f, "rate_table");
            String::new()
        }
        Some(Value::String(id)) => f.text("/rate_table", id, 128).unwrap_or_default(),
        // The ledger tells a table from an id by its brace.
        Some(table @ Value::Object(_)) => table.to_string(),
        Some(v) => {
            f.add("/rate_table", "wrong_type", format!("must be an id or a table, is {}", type_name(v)));
            String::new()
        }
    };
    let mut needed_time =
        |name| if o.needed(&mut f, name) { o.time(&mut f, name) } else { None }.unwrap_or_default();
    let (entry, exit) = (needed_time("entry"), needed_time("exit"));
    let vehicle_class = if o.needed(&mut f, "vehicle_class") {
        o.one_of(&mut f, "vehicle_class", &VEHICLE_CLASSES)
    } else {
        None
    };
    let rights = o.get("rights").cloned();
    o.array(&mut f, "rights", 100);
    let lost_credential = o.boolean(&mut f, "lost_credential").unwrap_or(false);
    let discounts = o.texts(&mut f, "discounts", MAX_DISCOUNTS);
    f.done()?;
    caller.must_be_person()?;
    let vehicle_class = vehicle_class.unwrap_or_default().to_owned();
    let query =
        LedgerQuery::Calculate { rate_table, entry, exit, vehicle_class, rights, lost_credential, discounts };
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
