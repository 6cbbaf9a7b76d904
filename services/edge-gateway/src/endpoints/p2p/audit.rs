//! `GET, POST /api/p2p/audit`: what is stored is what was written, and what the other centrals stored.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::{AuditStarted, AuditView};

use crate::ask;
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// A view reads sums of every day asked for.
const VIEW_BUDGET: std::time::Duration = std::time::Duration::from_secs(3);

/// Sums per origin and day, comparisons with peers, findings
///
/// The last two days are gone through again and again, older ones in rotation. Sums of two centrals are compared where both hold the
/// same positions; a difference is followed down to the event. What is not as it was written is a finding: it is repaired from the
/// events here or from a holder, and the row as it was found is kept.
#[utoipa::path(get, path = "/p2p/audit", tag = "mesh",
    params(
        ("site" = Option<String>, Query, description = "Only this origin"),
        ("days" = Option<u32>, Query, description = "So many days back, 1 to 400 (7)"),
        ("findings" = Option<u32>, Query, description = "Findings at most, 1 to 500 (50); open ones come first"),
    ),
    responses((status = 200, description = "The audit", body = AuditView), Problems))]
pub(crate) async fn get_audit(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let mut f = Faults::default();
    let p = Params::of(&uri);
    let site = p.text(&mut f, "site", 32);
    let days = p.integer(&mut f, "days", 1, 400, 7) as u32;
    let findings = p.integer(&mut f, "findings", 1, 500, 50) as u32;
    f.done()?;
    caller.must_be_person()?;
    let query = LedgerQuery::Audit { site, days, findings };
    Ok(ask::raw_json(200, gw.ledger(&query, VIEW_BUDGET).await?))
}

/// Go through the last two days now
///
/// The pass runs in the background; it has ended when `progress.recent_at` is no longer the one answered here.
#[utoipa::path(post, path = "/p2p/audit", tag = "mesh",
    responses((status = 202, description = "A pass begins", body = AuditStarted), Problems))]
pub(crate) async fn post_audit(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    let body = gw.ledger(&LedgerQuery::AuditNow, ask::PART_BUDGET).await?;
    Ok(ask::raw_json(202, body))
}
