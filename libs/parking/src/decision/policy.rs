//! A person changes the rules: the only way there is.

use wire::bus::command::Command;
use wire::event::{Body, PolicyRule, PolicySet, StaffFact};
use wire::http::Problem;

use super::answer::{Answer, PolicyReply};
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use super::state::{Prepared, Site};
use crate::fact::Fact;

/// No window is longer, ms: who comes back after an hour has come back.
pub const LONGEST_WINDOW_MS: i64 = 3_600_000;
/// No policy begins later than this from now, ms.
const LATEST_MS: i64 = 366 * 86_400_000;

/// A policy a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    version: Option<i64>,
    duplicate_window_ms: i64,
    valid_from: i64,
}

impl Wanted {
    pub(super) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::SetPolicy { version, duplicate_window_ms, valid_from, .. } => Some(Self {
                version: *version,
                duplicate_window_ms: *duplicate_window_ms,
                valid_from: *valid_from,
            }),
            _ => None,
        }
    }
}

pub(super) fn decide(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    wanted: &Wanted,
    staff: StaffFact,
) -> Result<Ruling, Box<Problem>> {
    let field = |name: &str, text: String| Err(Box::new(Problem::field("out_of_range", name, &text)));
    if !(0..=LONGEST_WINDOW_MS).contains(&wanted.duplicate_window_ms) {
        return field("/duplicate_window_ms", format!("must be 0 to {LONGEST_WINDOW_MS}"));
    }
    let latest = prepared.stamp.occurred_at.saturating_add(LATEST_MS);
    if !(0..=latest).contains(&wanted.valid_from) {
        return field("/valid_from", "must be at most a year ahead".to_owned());
    }
    let newest = site.policies.newest_version();
    let version = wanted.version.unwrap_or_else(|| newest.saturating_add(1));
    if version <= newest {
        return field("/version", format!("must be above {newest}, the newest one"));
    }
    let set = PolicySet {
        version,
        rule: PolicyRule { duplicate_window_ms: wanted.duplicate_window_ms },
        valid_from: wanted.valid_from,
        staff,
    };
    let draft = Draft {
        occurred_at: prepared.stamp.occurred_at,
        command_id: prepared.command_id,
        opening: None,
        plate_tag: None,
        body: Body::PolicySet(set.clone()),
    };
    let reply = PolicyReply { set, occurred_at: prepared.stamp.occurred_at, event: None };
    Ok(Ruling::Record(Box::new(Record { draft, answer: Answer::Policy(Box::new(reply)) })))
}

/// The answer to a request that came before.
pub(super) fn again(wanted: &Wanted, earlier: &Fact) -> Result<Answer, Box<Problem>> {
    match earlier.body.as_deref() {
        Some(Body::PolicySet(set))
            if set.rule.duplicate_window_ms == wanted.duplicate_window_ms
                && set.valid_from == wanted.valid_from
                && wanted.version.is_none_or(|v| v == set.version) =>
        {
            Ok(Answer::Policy(Box::new(PolicyReply {
                set: set.clone(),
                occurred_at: earlier.header.occurred_at,
                event: Some(crate::world::reference(earlier)),
            })))
        }
        _ => Err(Box::new(problems::key_reused())),
    }
}
