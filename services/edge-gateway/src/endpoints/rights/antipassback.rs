//! `/api/rights/antipassback`: what is inside cannot come in.

use axum::extract::{Request, State};
use axum::http::Uri;
use serde::Serialize;
use wire::bus::command::RegisterChange;
use wire::bus::query::LedgerQuery;
use wire::event::{Credential, PassbackMode};
use wire::http::{Passback, PassbackModeView, PassbackRequest, PassbackView};

use super::super::register;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::credential;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

const TYPES: [&str; 4] = ["card", "qr", "etag", "pass"];
const MODES: [&str; 3] = ["off", "soft", "hard"];

/// Where credentials and vehicles are, and what anti-passback does
///
/// With `type` and `id`, or with `plate`, the one asked for: `inside`, `outside` or `neutral`. Without: the credentials inside.
#[utoipa::path(get, path = "/rights/antipassback", tag = "rights",
    params(
        ("type" = Option<String>, Query, description = "`card qr etag pass`, with `id`"),
        ("id" = Option<String>, Query, description = "Number of the credential"),
        ("plate" = Option<String>, Query, description = "A vehicle, in any writing"),
        ("reason" = Option<String>, Query, description = "Why a person searches for a plate: kept in the audit log with who asked"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "Modes and states", body = Passback), Problems))]
pub(crate) async fn get(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let kind = p.one(&mut f, "type").map(str::to_owned);
    let kind = kind.and_then(|k| f.one_of("/type", &k, &TYPES));
    let id = p.text(&mut f, "id", 128);
    let credential = match (kind, id) {
        (Some(kind), Some(id)) => Some(Credential { kind: kind.to_owned(), id }),
        (Some(_), None) => {
            f.add("/id", "missing", "is needed with type");
            None
        }
        (None, Some(_)) if f.is_empty() => {
            f.add("/type", "missing", "is needed with id");
            None
        }
        _ => None,
    };
    let query = LedgerQuery::Passback {
        credential,
        plate: p.plate(&mut f, "plate"),
        limit: p.limit(&mut f),
        cursor: p.opaque(&mut f, "cursor"),
    };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}

/// What was set: where a credential or a vehicle is taken to be, or a mode.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documentation; the ledger writes the answer")]
pub(crate) enum PassbackSet {
    /// After `state`.
    State(PassbackView),
    /// After `mode`.
    Mode(PassbackModeView),
}

/// Set a credential or a vehicle to neutral, or say what anti-passback does
///
/// Either `state: neutral` with a `credential` or a `plate`, or a `mode` with a `lot_id` or a `pass`. It becomes an event that all centrals
/// get.
#[utoipa::path(post, path = "/rights/antipassback", tag = "rights", request_body = PassbackRequest,
    responses((status = 200, description = "The credential or vehicle, or the mode", body = PassbackSet), Problems))]
pub(crate) async fn post(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    register::change(gw, caller, "/api/v1/rights/antipassback", request, read).await
}

fn read(f: &mut Faults, o: &Object<'_>) -> Option<RegisterChange> {
    let mode = o.one_of(f, "mode", &MODES);
    let (lot_id, pass) = (o.text(f, "lot_id", 64), o.text(f, "pass", 64));
    let state = o.one_of(f, "state", &["neutral"]);
    let credential = credential(f, o);
    let plate = o.get("plate").and_then(|_| o.plate(f, "plate"));
    match (mode, state) {
        (Some(_), Some(_)) => {
            f.add("/mode", "repeated", "give either this or state");
            None
        }
        (Some(mode), None) => {
            if lot_id.is_some() == pass.is_some() {
                f.add("/lot_id", "missing", "give this or pass");
            }
            let mode = match mode {
                "off" => PassbackMode::Off,
                "hard" => PassbackMode::Hard,
                _ => PassbackMode::Soft,
            };
            Some(RegisterChange::AntiPassbackMode { lot_id, pass, mode })
        }
        (None, Some(_)) => {
            if credential.is_some() == plate.is_some() && f.is_empty() {
                f.add("/credential", "missing", "give this or plate");
            }
            Some(RegisterChange::AntiPassbackReset { credential, plate })
        }
        (None, None) => {
            if f.is_empty() {
                f.add("/state", "missing", "this or mode is needed");
            }
            None
        }
    }
}
