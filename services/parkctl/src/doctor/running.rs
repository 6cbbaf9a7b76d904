//! The running central: what it lacks, its alarms, its links and clocks, and where a fresh connection ends.

use serde_json::Value;

use super::{Finding, Verdict, finding};
use crate::ask::{self, Central, items, text};

/// Asks the central. Its own troubles first: they explain those with its peers.
pub(super) async fn look(central: &Central) -> Vec<Finding> {
    let status = match ask::get(central, "/api/v1/p2p/status", &[]).await {
        Ok(status) => status,
        Err(e) => return vec![refused(central.url(), &format!("{e:#}"))],
    };
    let mut all: Vec<Finding> = items(&status, "degraded").filter_map(|d| degraded(&text(d))).collect();
    all.extend(items(&status, "alarms").map(alarm));
    let mut peers = 0;
    for peer in items(&status, "peers").filter(|p| p["state"] != "disabled") {
        peers += 1;
        let path = format!("/api/v1/p2p/test-connection?peer_id={}", text(&peer["id"]));
        let tried = ask::post(central, &path, &Value::Null).await.unwrap_or_default();
        all.push(link(peer, &tried));
        if let Some(ms) = peer["clock_skew_ms"].as_i64() {
            let detail = format!("{} is {ms} ms ahead", text(&peer["id"]));
            all.push(
                finding("peer's clock", skew(ms), detail)
                    .then("which of the two is wrong? `timedatectl` at both; docs/RUNBOOK.md#clock-wrong"),
            );
        }
    }
    if peers == 0 {
        all.push(finding("peers", Verdict::Good, "standalone"));
    }
    all
}

/// The central could not be asked.
fn refused(url: &str, why: &str) -> Finding {
    let advice = if why.contains("401") {
        "the token in --token-file is not this central's: ADMIN_TOKEN_FILE of its edge-gateway, or `parkctl token create`"
    } else if why.contains("403") {
        "this token's role may not look; `parkctl token create` makes one that may"
    } else if why.contains("cannot be read") {
        "--token-file names a file that this account may read"
    } else {
        "is edge-gateway running there? --url or PARKMESH_URL names another address"
    };
    finding("central", Verdict::Bad, format!("{url}: {why}")).then(advice)
}

/// What it says of itself. Missing peers are told by the links.
fn degraded(mode: &str) -> Option<Finding> {
    let (verdict, detail, advice) = match mode {
        "no_ledger" => (
            Verdict::Bad,
            "nothing can be recorded: lanes do what their on_no_ledger says",
            "is ledger running, and its Postgres and NATS? Their logs; docs/RUNBOOK.md#needmissing",
        ),
        "no_mesh" => (
            Verdict::Bad,
            "mesh does not answer: no events go out or come in",
            "is mesh running, and NATS? docs/RUNBOOK.md#needmissing",
        ),
        "no_sync" => (
            Verdict::Bad,
            "sync does not answer: what links lose is not caught up",
            "is sync running, and NATS? docs/RUNBOOK.md#needmissing",
        ),
        "no_external_api" => (
            Verdict::Warning,
            "the back office does not answer: prices, staff and passes stay as they were last known",
            "docs/RUNBOOK.md#externalapistale",
        ),
        "catching_up" => (
            Verdict::Warning,
            "it lacks events that peers hold and is getting them",
            "wait; `parkctl status` shows how many are behind",
        ),
        _ => return None,
    };
    Some(finding("central", verdict, detail).then(advice))
}

/// An alarm that stands, and its page.
fn alarm(alarm: &Value) -> Finding {
    let code = text(&alarm["code"]);
    let verdict = if alarm["severity"] == "critical" { Verdict::Bad } else { Verdict::Warning };
    let page = match code.as_str() {
        "clone" => "centraltwice",
        "clock_skew" => "clockskew",
        "clock_wrong" => "clockwrong",
        "stalled" => "syncstalled",
        "peer_gone" => "linkdown",
        "fork" | "damaged" | "poison" => "auditfinding",
        "diverged" => "auditdiverged",
        "range_unavailable" => "rangeunavailable",
        "disk_budget" => "diskbudget",
        "lane_silent" => "lanesilent",
        "external_api_stale" => "externalapistale",
        "certificate_ends" => "certificateends",
        "certificate_ends_soon" => "certificateendssoon",
        _ => "alerts",
    };
    let whose =
        alarm["peer"].as_str().or(alarm["lane"].as_str()).map_or_else(String::new, |p| format!(" {p}"));
    finding("alarm", verdict, format!("{code}{whose}: {}", text(&alarm["detail"])))
        .then(format!("docs/RUNBOOK.md#{page}"))
}

/// A link as it stands, and a fresh connection.
fn link(peer: &Value, tried: &Value) -> Finding {
    let (id, state) = (text(&peer["id"]), text(&peer["state"]));
    let up = matches!(peer["state"].as_str(), Some("connected" | "behind"));
    let ends = format!("a fresh connection ends at {}: {}", text(&tried["stage"]), text(&tried["error"]));
    let (verdict, detail) = match (up, tried["ok"] == true) {
        (true, true) => (Verdict::Good, format!("{id} {state}")),
        (true, false) => {
            (Verdict::Warning, format!("{id} {state}, but only by the other's dialling; {ends}"))
        }
        (false, true) => (Verdict::Warning, format!("{id} {state}, and a fresh connection works")),
        (false, false) => (Verdict::Bad, format!("{id} {state}; {ends}")),
    };
    let advice = match tried["stage"].as_str() {
        Some("resolve") => "its name in peer_centrals is wrong, or no name server answers here",
        Some("tcp") => {
            "is that site up, and its mesh? Else its ip or p2p_port in peer_centrals, or a firewall between; docs/RUNBOOK.md#linkdown"
        }
        Some("tls") => {
            "a certificate has ended, is of another authority, or was revoked: at both ends `parkctl ca inspect` and this command; docs/RUNBOOK.md#certificate-expired"
        }
        Some("websocket") => {
            "something else than a mesh answers at that address: ip and p2p_port in peer_centrals"
        }
        Some("hello") => {
            "the other end does not take this central: it must be in its peer_centrals, not disabled, with the id its certificate names"
        }
        Some("done") => "wait half a minute and look again",
        _ => "mesh does not answer here; docs/RUNBOOK.md#needmissing",
    };
    finding("link", verdict, detail).then(advice)
}

/// From 0.3 s a warning, from 5 s events are stamped wrong.
fn skew(ms: i64) -> Verdict {
    match ms.abs() {
        0..=300 => Verdict::Good,
        301..=5000 => Verdict::Warning,
        _ => Verdict::Bad,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clocks_are_judged_as_the_mesh_judges_them() {
        assert_eq!(
            [0, -300, 301, 5000, -5001].map(skew),
            [Verdict::Good, Verdict::Good, Verdict::Warning, Verdict::Warning, Verdict::Bad]
        );
    }

    #[test]
    fn whatever_is_wrong_says_what_to_do() {
        for stage in ["resolve", "tcp", "tls", "websocket", "hello", "done", "nothing"] {
            let found = link(
                &json!({"id": "central-2", "state": "down"}),
                &json!({"ok": false, "stage": stage, "error": "e"}),
            );
            assert_eq!(found.verdict, Verdict::Bad);
            assert!(!found.advice.is_empty(), "{stage}");
        }
        let good =
            link(&json!({"id": "central-2", "state": "connected"}), &json!({"ok": true, "stage": "done"}));
        assert_eq!((good.verdict, good.advice.as_str()), (Verdict::Good, ""));
    }

    /// The runbook's headings, as links name them.
    fn pages() -> Vec<String> {
        let book = include_str!("../../../../docs/RUNBOOK.md");
        let headings = book.lines().filter_map(|l| l.strip_prefix("## ").or(l.strip_prefix("# ")));
        headings.map(|h| h.to_lowercase().replace(' ', "-").replace(',', "")).collect()
    }

    #[test]
    fn every_alarm_leads_to_a_page_of_the_runbook() {
        let pages = pages();
        let alarms = wire::alarm::AlarmCode::ALL
            .iter()
            .map(|code| alarm(&json!({"code": code.name(), "detail": "d"})).advice);
        let modes =
            ["no_ledger", "no_mesh", "no_sync", "no_external_api"].map(|mode| degraded(mode).unwrap().advice);
        for advice in alarms.chain(modes) {
            let page = advice.rsplit_once('#').unwrap().1;
            assert!(pages.iter().any(|p| p == page), "{advice}");
        }
    }
}
