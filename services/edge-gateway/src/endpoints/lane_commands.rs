//! `/api/edges/{id}/commands`: a person tells a lane what to do, and sees what became of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use wire::bus::command::Command;
use wire::bus::query::LedgerQuery;
use wire::event::LaneOrder;
use wire::http::{LaneCommandRequest, LaneCommandView, Page};

use super::deed::Deed;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::MAX_EVENT_ID;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::{Answer, Refused};
use crate::site::Site;

const PATH: &str = "/api/v1/edges/{id}/commands";
/// How long a command is good for unless said, s.
const EXPIRES_S: i64 = 10;
const LONGEST_S: i64 = parking::decision::lane_control::LONGEST_COMMAND_MS / 1000;

type EdgePath = Result<Path<String>, PathRejection>;

/// The lane of a path. Errors: 404 `unknown_edge`.
fn lane(site: &Site, id: EdgePath) -> Result<String, Refused> {
    let known = id.ok().map(|Path(id)| id).filter(|id| site.lane(id).is_some());
    known.ok_or_else(|| Refused::new("unknown_edge", "no such edge in this central's configuration"))
}

/// What a lane is told.
struct Order {
    order: LaneOrder,
    event_id: Option<String>,
    expires_in_s: i64,
}

fn order(f: &mut Faults, o: &Object<'_>) -> Order {
    let command = if o.needed(f, "command") {
        match o.raw(f, "command") {
            Some("hold_open" | "normal") => {
                f.add("/command", "unknown_value", "is a mode of the lane: POST /api/edges/modes");
                None
            }
            _ => o.one_of(f, "command", &["open", "close"]),
        }
    } else {
        None
    };
    Order {
        order: if command == Some("close") { LaneOrder::Close } else { LaneOrder::Open },
        event_id: o.text(f, "event_id", MAX_EVENT_ID),
        expires_in_s: o.integer(f, "expires_in_s", 1, LONGEST_S).unwrap_or(EXPIRES_S),
    }
}

/// Tell a lane what to do
///
/// It becomes an event with who and why, and goes out to the lane once, if the lane is connected (`GET /api/edge/commands`) before it
/// expires. An `open` is a manual vend: it belongs to the session `event_id`, or is listed in `GET /api/parking/unresolved`.
#[utoipa::path(post, path = "/edges/{id}/commands", tag = "staff", request_body = LaneCommandRequest,
    params(("id" = String, Path, description = "The edge"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "Recorded", body = LaneCommandView), Problems))]
pub(crate) async fn tell(
    State(gw): State<Gateway>,
    caller: Caller,
    id: EdgePath,
    request: Request,
) -> Answer {
    let (deed, order) = Deed::read(caller, PATH, request, order).await?;
    let edge_id = lane(&gw.site(), id)?;
    let Order { order, event_id, expires_in_s } = order;
    deed.done(&gw, |staff| Command::TellLane {
        edge_id,
        order,
        event_id,
        expires_in_ms: expires_in_s * 1000,
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}

/// The commands of the last seven days to a lane, newest first
#[utoipa::path(get, path = "/edges/{id}/commands", tag = "staff",
    params(("id" = String, Path, description = "The edge"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50")),
    responses((status = 200, description = "What became of them", body = Page<LaneCommandView>), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, id: EdgePath, uri: Uri) -> Answer {
    let mut f = Faults::default();
    let limit = Params::of(&uri).limit(&mut f);
    f.done()?;
    caller.must_be_person()?;
    let edge_id = lane(&gw.site(), id)?;
    let query = LedgerQuery::LaneCommands { edge_id, limit };
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
