//! `GET /api/parking/history`: sessions, newest first.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::{Degraded, Page, Session, SessionStatus};

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// Sessions, newest first
///
/// By entry time, then event id. `from ≤ entry_time < to`; `central` is where it entered or left, `lot_id` the car park it entered; `plate` in any writing.
#[utoipa::path(get, path = "/parking/history", tag = "parking",
    params(
        ("plate" = Option<String>, Query, description = "In any writing, at most 64 characters"),
        ("reason" = Option<String>, Query, description = "Why a person searches for a plate: kept in the audit log with who asked"),
        ("status" = Option<Vec<SessionStatus>>, Query, description = "Any of; repeatable"),
        ("from" = Option<String>, Query, description = "RFC 3339 with offset"),
        ("to" = Option<String>, Query, description = "RFC 3339 with offset, exclusive"),
        ("central" = Option<String>, Query, description = "Source or exit central"),
        ("lot_id" = Option<String>, Query, description = "Car park entered"),
        ("flag" = Option<Vec<String>>, Query, description = "Any of, such as `late`, `no_peers`, `no_external_api`, `no_ledger`, `catching_up`, `emergency`; repeatable"),
        ("degraded" = Option<bool>, Query, description = "`true`: what was decided without peers, external API or ledger, while events were missing, or delivered late; like all of these as `flag`"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Page<Session>), Problems))]
pub(crate) async fn history(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let known: Vec<&'static str> = SessionStatus::ALL.iter().map(|s| s.as_str()).collect();
    let mut statuses: Vec<String> = Vec::new();
    for s in p.all("status") {
        if let Some(s) = f.one_of("/status", s, &known) {
            statuses.push(s.to_owned());
        }
    }
    let mut flags: Vec<String> = Vec::new();
    for flag in p.all("flag") {
        flags.extend(f.text("/flag", flag, 64));
    }
    if p.flag(&mut f, "degraded") {
        flags.extend(Degraded::OF_DECISIONS.iter().map(|d| d.as_str().to_owned()));
        flags.push("late".to_owned());
    }
    let query = LedgerQuery::History {
        plate: p.plate(&mut f, "plate"),
        statuses,
        from: p.time(&mut f, "from"),
        to: p.time(&mut f, "to"),
        central: p.text(&mut f, "central", 32),
        lot_id: p.text(&mut f, "lot_id", 64),
        flags,
        limit: p.limit(&mut f),
        cursor: p.opaque(&mut f, "cursor"),
    };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
