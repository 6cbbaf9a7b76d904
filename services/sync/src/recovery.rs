//! What this central is getting back, in words.

use jiff::tz::TimeZone;
use replication::catchup::{Phase, Recovery};
use wire::http::{Recovery as Told, RecoveryState};
use wire::time::rfc3339;

/// For the status.
pub(crate) fn told(r: &Recovery, tz: &TimeZone) -> Told {
    let state = match r.phase {
        Phase::None => RecoveryState::None,
        Phase::Recovering => RecoveryState::Recovering,
        Phase::Waiting => RecoveryState::Waiting,
        Phase::Filling => RecoveryState::Filling,
    };
    Told {
        state,
        since: r.since.map(|at| rfc3339(at, tz)),
        missing_own: r.missing_own.saturating_add(r.waiting_own),
        missing: r.missing,
        held: r.held,
        eta_s: r.eta_s.filter(|_| state != RecoveryState::None),
        detail: detail(r),
    }
}

fn detail(r: &Recovery) -> Option<String> {
    let up_to = r.newest_own.as_ref().map(|p| format!(" up to {p}")).unwrap_or_default();
    match r.phase {
        Phase::None => None,
        Phase::Recovering => {
            Some(format!("own events{up_to} are held by peers and missing here: fetching {}", r.missing_own))
        }
        Phase::Waiting => Some(format!(
            "{} own events{up_to} are missing here; the peers that hold them are away",
            r.waiting_own
        )),
        Phase::Filling => {
            let all = r.held.saturating_add(r.missing).max(1);
            Some(format!(
                "a new or emptied database is being filled: {} of {all} events ({} %)",
                r.held,
                100 * r.held / all
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_an_empty_database_is() {
        let r = Recovery {
            phase: Phase::Filling,
            since: Some(0),
            missing_own: 0,
            waiting_own: 0,
            newest_own: None,
            missing: 300,
            held: 100,
            eta_s: Some(3),
        };
        let told = told(&r, &TimeZone::UTC);
        assert_eq!(told.since.as_deref(), Some("1970-01-01T00:00:00.000+00:00"));
        assert!(told.detail.unwrap().contains("100 of 400 events (25 %)"));
    }
}
