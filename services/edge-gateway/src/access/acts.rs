//! The record of what people did: begun by the guard, ended with the answer, written down by the ledger.
//!
//! An act is never a reason to refuse what was asked for: a site that is in trouble is the one that needs its operators. What
//! cannot be written down now waits, and stands in the log in any case. Tokens and keys are changed and recorded in one
//! transaction.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use kit::Shutdown;
use tokio::sync::mpsc;
use uuid::Uuid;
use wire::bus::access::{AccessAsk, Act};

use super::roles::Rule;
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::problem::{Code, Refused};

/// Acts told to the ledger at once.
const BATCH: usize = 64;
/// How long the ledger may take to write them down.
const WRITE: Duration = Duration::from_secs(5);
/// The ledger is away: so long until it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Characters of the reason of a search.
const LONGEST_REASON: usize = 200;

/// An act under way; what came of it is added later.
#[derive(Debug, Clone)]
pub(crate) struct Begun(Act);

/// The ledger wrote the act down together with what it changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded;

impl FromRequestParts<Gateway> for Begun {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refused> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Refused::new("internal", "this route has no act of its own"))
    }
}

impl Begun {
    /// The act, done.
    pub(crate) fn done(self, status: u16, target: &str, detail: Option<String>) -> Act {
        let target = Some(target.to_owned());
        Act { status, target, detail, ..self.0 }
    }
}

/// Begins an act where the rule names one.
pub(crate) fn begin(rule: Option<&Rule>, caller: &Caller, request: &Request) -> Option<Begun> {
    let rule = rule?;
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
    let (who, name, role) = caller.signature();
    Some(Begun(Act {
        id: Uuid::new_v4(),
        at: kit::clock::now_ms(),
        who,
        name,
        role,
        address,
        action: rule.act.or_else(|| search(caller, request))?.to_owned(),
        target: target(rule, request.uri().path()),
        status: 0,
        result: "ok".to_owned(),
        detail: rule.act.is_none().then(|| why(request, rule)),
    }))
}

/// A person asks for a vehicle by its plate: with time and place that is personal data, so who asked and why is kept.
fn search(caller: &Caller, request: &Request) -> Option<&'static str> {
    let query = request.uri().query()?;
    let named = form_urlencoded::parse(query.as_bytes()).any(|(k, v)| k == "plate" && !v.is_empty());
    (named && !matches!(caller, Caller::Edge { .. })).then_some("plate.search")
}

/// Where they searched, and the reason they gave; never the plate.
fn why(request: &Request, rule: &Rule) -> String {
    let query = request.uri().query().unwrap_or_default();
    let reason = form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == "reason").map(|(_, v)| v);
    match reason.filter(|r| !r.is_empty()) {
        Some(reason) => {
            let told: String = reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
            format!("{}: {told}", rule.path)
        }
        None => format!("{}: no reason given", rule.path),
    }
}

/// The `{id}` of a path. Only what looks like a name of ours: a path may hold anything.
fn target(rule: &Rule, path: &str) -> Option<String> {
    let at = rule.path.split('/').rev().position(|p| p == "{id}")?;
    let id = path.split('/').rev().nth(at)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (id.len() <= 64 && id.bytes().all(plain)).then(|| id.to_owned())
}

/// Ends it with the answer.
pub(crate) fn end(gw: &Gateway, begun: Option<Begun>, response: &Response) {
    let Some(Begun(mut act)) = begun else { return };
    act.status = response.status().as_u16();
    if let Some(Code(code)) = response.extensions().get::<Code>() {
        act.result.clone_from(code);
    } else if !response.status().is_success() {
        act.result = "failed".to_owned();
    }
    if response.extensions().get::<Recorded>().is_some() {
        log(&act, true);
    } else {
        note(gw, act);
    }
}

/// Has an act written down; in the log it stands at once.
pub(super) fn note(gw: &Gateway, act: Act) {
    log(&act, false);
    if gw.access().acts.try_send(act).is_err() {
        tracing::error!("too many acts wait to be written down: this one stands in the log alone");
    }
}

fn log(act: &Act, recorded: bool) {
    tracing::info!(
        id = %act.id,
        who = act.who,
        role = act.role.map(tracing::field::display),
        address = act.address,
        action = act.action,
        target = act.target,
        detail = act.detail,
        status = act.status,
        result = act.result,
        recorded,
        "act"
    );
}

/// Has the ledger write down what waits; at the stop, what it takes at once.
pub(crate) fn write_down(gw: &Gateway, mut waiting: mpsc::Receiver<Act>, shutdown: &Shutdown) {
    let (gw, token) = (gw.clone(), shutdown.token());
    shutdown.spawn("acts", async move {
        let mut batch = Vec::new();
        loop {
            if batch.is_empty() {
                let more = token.run_until_cancelled(waiting.recv_many(&mut batch, BATCH)).await;
                if more.is_none() {
                    // The last ones; without a ledger the log has them.
                    while batch.len() < BATCH
                        && let Ok(act) = waiting.try_recv()
                    {
                        batch.push(act);
                    }
                    if !batch.is_empty() {
                        drop(gw.doors(&AccessAsk::Note(batch), PAUSE).await);
                    }
                    return Ok(());
                }
            }
            if gw.doors(&AccessAsk::Note(batch.clone()), WRITE).await.is_ok() {
                batch.clear();
            } else if token.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::super::roles;
    use super::*;

    #[test]
    fn a_target_is_a_name_of_ours_or_nothing() {
        for (method, template, path, want) in [
            (Method::POST, "/api/v1/edges/{id}/commands", "/api/v1/edges/edge-1/commands", Some("edge-1")),
            (Method::POST, "/api/edges/{id}/commands", "/api/edges/29A%20123/commands", None),
            (Method::DELETE, "/api/admin/tokens/{id}", "/api/admin/tokens/0a1b", Some("0a1b")),
            (
                Method::DELETE,
                "/api/admin/edges/{id}/keys/{key_id}",
                "/api/admin/edges/edge-2/keys/0a1b",
                Some("edge-2"),
            ),
            (Method::PUT, "/api/p2p/config", "/api/p2p/config", None),
        ] {
            let rule = roles::of(&method, template).unwrap();
            assert_eq!(target(rule, path).as_deref(), want, "{path}");
        }
    }
}
