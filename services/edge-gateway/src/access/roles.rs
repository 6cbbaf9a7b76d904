//! What each role may do, and which acts are written down: one row per route, nothing elsewhere. A route without a row is for
//! administrators, and a test says which those are: none.

use axum::http::Method;
use wire::access::Role;

/// A route.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its method.
    pub(crate) method: Method,
    /// Its template, without `/api` and `/v1`.
    pub(crate) path: &'static str,
    /// The least role a person's token needs.
    pub(crate) role: Role,
    /// The name of the act in the record; none: it is not an administrator's.
    pub(crate) act: Option<&'static str>,
}

const fn rule(method: Method, path: &'static str, role: Role) -> Rule {
    Rule { method, path, role, act: None }
}

const fn act(method: Method, path: &'static str, role: Role, act: &'static str) -> Rule {
    Rule { method, path, role, act: Some(act) }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// Every route. The lanes' own keys may call `/edge/*` and the quote, whatever stands here.
pub(crate) const RULES: &[Rule] = &[
    // What a guard does in a lane's stead.
    rule(POST, "/edge/barrier/open", Role::Attendant),
    rule(POST, "/edge/barrier/close", Role::Attendant),
    rule(POST, "/edge/detection", Role::Attendant),
    // What only machines do.
    rule(POST, "/edge/batch", Role::Admin),
    rule(POST, "/edge/heartbeat", Role::Admin),
    rule(GET, "/edge/commands", Role::Admin),
    rule(POST, "/edge/commands/{id}/ack", Role::Admin),
    rule(POST, "/edge/webhooks/plate-recognizer", Role::Admin),
    // Looking. Some questions have a body.
    rule(GET, "/parking/history", Role::Viewer),
    rule(GET, "/parking/sessions/{event_id}", Role::Viewer),
    rule(GET, "/parking/quote", Role::Viewer),
    rule(POST, "/parking/fees/calculate", Role::Viewer),
    rule(GET, "/parking/occupancy", Role::Viewer),
    rule(GET, "/parking/occupancy/corrections", Role::Viewer),
    rule(GET, "/parking/conflicts", Role::Viewer),
    rule(POST, "/parking/conflicts/replay", Role::Viewer),
    rule(GET, "/parking/policies", Role::Viewer),
    rule(GET, "/parking/stream", Role::Viewer),
    rule(GET, "/parking/unresolved", Role::Viewer),
    rule(GET, "/parking/payments", Role::Viewer),
    rule(GET, "/parking/shifts", Role::Viewer),
    rule(GET, "/parking/reports/reconciliation", Role::Viewer),
    rule(GET, "/rights/passes", Role::Viewer),
    rule(GET, "/rights/lists", Role::Viewer),
    rule(GET, "/rights/antipassback", Role::Viewer),
    rule(GET, "/reference/rate-tables", Role::Viewer),
    rule(GET, "/reference/subscriptions", Role::Viewer),
    rule(GET, "/edges", Role::Viewer),
    rule(GET, "/edges/{id}/commands", Role::Viewer),
    rule(GET, "/p2p/status", Role::Viewer),
    rule(GET, "/p2p/sync-state", Role::Viewer),
    rule(GET, "/p2p/storage", Role::Viewer),
    rule(GET, "/p2p/audit", Role::Viewer),
    rule(GET, "/p2p/lost-ranges", Role::Viewer),
    rule(GET, "/openapi.json", Role::Viewer),
    // A guard's work.
    act(POST, "/edges/{id}/commands", Role::Attendant, "lane.command"),
    rule(POST, "/parking/sessions/{event_id}/correct-plate", Role::Attendant),
    rule(POST, "/parking/unresolved/{id}", Role::Attendant),
    rule(POST, "/parking/payments", Role::Attendant),
    rule(POST, "/parking/shifts", Role::Attendant),
    // Money, rights, rules, the lanes as such.
    rule(POST, "/parking/sessions/{event_id}/void", Role::Operator),
    rule(POST, "/parking/sessions/{event_id}/waive", Role::Operator),
    rule(POST, "/parking/sessions/{event_id}/uncollected", Role::Operator),
    rule(POST, "/parking/sessions/{event_id}/price", Role::Operator),
    rule(POST, "/parking/sessions/{event_id}/soft-close", Role::Operator),
    rule(POST, "/parking/sessions/{event_id}/reopen", Role::Operator),
    act(POST, "/parking/occupancy/corrections", Role::Operator, "occupancy.correct"),
    act(POST, "/parking/policies", Role::Operator, "policy.set"),
    act(POST, "/rights/lists", Role::Operator, "rights.list"),
    act(POST, "/rights/passes", Role::Operator, "rights.pass"),
    act(POST, "/rights/antipassback", Role::Operator, "rights.antipassback"),
    act(POST, "/edges/modes", Role::Operator, "lane.mode"),
    rule(GET, "/reference/staff", Role::Operator),
    rule(GET, "/p2p/config", Role::Operator),
    act(POST, "/p2p/audit", Role::Operator, "audit.run"),
    act(POST, "/p2p/test-connection", Role::Operator, "peer.test"),
    act(GET, "/p2p/bundles", Role::Operator, "bundle.export"),
    act(POST, "/p2p/bundles/import", Role::Operator, "bundle.import"),
    // The central itself, and who gets in.
    act(PUT, "/p2p/config", Role::Admin, "config.put"),
    act(PUT, "/edges", Role::Admin, "config.edges"),
    act(POST, "/p2p/lost-ranges", Role::Admin, "range.lose"),
    rule(GET, "/parking/erasures", Role::Admin),
    act(POST, "/parking/erasures", Role::Admin, "erasure.order"),
    rule(GET, "/admin/tokens", Role::Admin),
    act(POST, "/admin/tokens", Role::Admin, "token.create"),
    act(DELETE, "/admin/tokens/{id}", Role::Admin, "token.revoke"),
    rule(GET, "/admin/edges/{id}/keys", Role::Admin),
    act(POST, "/admin/edges/{id}/keys", Role::Admin, "key.create"),
    act(DELETE, "/admin/edges/{id}/keys/{key_id}", Role::Admin, "key.revoke"),
    rule(GET, "/admin/audit-log", Role::Admin),
];

/// The rule of a route; none for a path that is not served, or that nobody thought of.
pub(crate) fn of(method: &Method, template: &str) -> Option<&'static Rule> {
    let rest = template.strip_prefix("/api")?;
    let rest = rest.strip_prefix("/v1").unwrap_or(rest);
    // What answers GET answers HEAD.
    let method = if *method == Method::HEAD { &GET } else { method };
    RULES.iter().find(|r| r.path == rest && r.method == *method)
}

/// The role a route needs.
pub(crate) fn needed(rule: Option<&Rule>) -> Role {
    rule.map_or(Role::Admin, |r| r.role)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn served() -> BTreeSet<(String, String)> {
        let doc: serde_json::Value = serde_json::from_str(&crate::openapi_json()).unwrap();
        let mut all = BTreeSet::new();
        for (path, methods) in doc["paths"].as_object().unwrap() {
            if let Some(path) = path.strip_prefix("/api/v1") {
                all.extend(methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.to_owned())));
            }
        }
        all
    }

    #[test]
    fn every_route_has_one_row_and_every_row_a_route() {
        let ruled: BTreeSet<_> = RULES.iter().map(|r| (r.method.to_string(), r.path.to_owned())).collect();
        assert_eq!(ruled.len(), RULES.len(), "a route stands twice");
        let served = served();
        let difference: Vec<_> = served.symmetric_difference(&ruled).collect();
        assert!(difference.is_empty(), "{difference:?}");
    }

    #[test]
    fn both_spellings_are_one_rule_and_the_unknown_is_for_administrators() {
        for (template, role) in [
            ("/api/v1/parking/history", Role::Viewer),
            ("/api/parking/history", Role::Viewer),
            ("/api/p2p/config", Role::Operator),
            ("/api/v1/nowhere", Role::Admin),
            ("/elsewhere", Role::Admin),
            ("", Role::Admin),
        ] {
            assert_eq!(needed(of(&Method::GET, template)), role, "{template}");
        }
        assert_eq!(needed(of(&Method::HEAD, "/api/parking/history")), Role::Viewer);
        assert_eq!(needed(of(&Method::PUT, "/api/p2p/config")), Role::Admin);
    }

    #[test]
    fn whatever_changes_something_is_more_than_looking() {
        for r in RULES {
            let asks = r.path == "/parking/fees/calculate" || r.path == "/parking/conflicts/replay";
            assert!(r.method == Method::GET || asks || r.role > Role::Viewer, "{} {}", r.method, r.path);
        }
        // Whatever changes who gets in, or the central itself, is an administrator's and written down.
        for r in RULES.iter().filter(|r| r.path.starts_with("/admin/") || r.method == Method::PUT) {
            assert_eq!(r.role, Role::Admin, "{}", r.path);
            assert!(r.method == Method::GET || r.act.is_some(), "{}", r.path);
        }
    }
}
