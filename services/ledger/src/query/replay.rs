//! `POST /api/parking/conflicts/replay`: the events of a period, decided anew under another policy. Reads only, from the read
//! pool, some vehicles at a time; the writer does not notice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking::decision::policy::LONGEST_WINDOW_MS;
use parking::history::compare::{Comparison, Counts, Question};
use parking::history::{Policies, Policy};
use sqlx::{PgConnection, Row};
use wire::bus::query::OtherPolicy;
use wire::event::PolicyRule;
use wire::hash::PlateTag;
use wire::http::{BeforeAfter, Problem, Replay};

use super::{NoAnswer, Reader, bad_field, cursor, policies};
use crate::store::{StoreError, closure, streams};

/// Longest period, ms.
const PERIOD_MS: i64 = 31 * 86_400_000;
/// Vehicles decided anew at most.
const VEHICLES: usize = 50_000;
/// Vehicles loaded at once.
const CHUNK: usize = 250;
/// It may take so long.
const LIMIT: Duration = Duration::from_secs(20);

/// Version of the policy tried, in conflicts nobody sees.
const TRIED: i64 = -1;

/// What this policy would have decided from `from` until `to`.
pub(super) async fn run(
    reader: &Reader,
    other: &OtherPolicy,
    from: i64,
    to: i64,
    limit: u32,
    after: Option<&str>,
) -> Result<Replay, NoAnswer> {
    let began = Instant::now();
    if to <= from {
        return Err(bad_field("to", "out_of_range", "must be later than from"));
    }
    if to.saturating_sub(from) > PERIOD_MS {
        return Err(bad_field("to", "out_of_range", "must be at most 31 days after from"));
    }
    let limit = limit.clamp(1, 500) as usize;
    let behind = after.map(cursor::read).transpose()?;
    let Ok(_one) = reader.replays.try_acquire() else {
        return Err(busy("another replay is under way"));
    };
    let mut conn = reader.pool.acquire().await?;
    let before = policies(&mut conn).await?;
    let (tried, rule) = tried(&before, other, from, to)?;
    let vehicles = candidates(&mut conn, &before, &tried, from, to).await?;
    if vehicles.len() > VEHICLES {
        let text = format!("more than {VEHICLES} vehicles entered more than once: ask for a shorter period");
        return Err(bad_field("to", "too_many", &text));
    }
    let question = Question { before: &before, after: &tried, from, to, behind, limit: limit + 1 };
    let numbers = streams::numbers(&mut conn).await?;
    let mut all = Comparison::default();
    let mut done: BTreeSet<PlateTag> = BTreeSet::new();
    for chunk in vehicles.chunks(CHUNK) {
        if began.elapsed() > LIMIT {
            return Err(busy("the replay took too long: ask for a shorter period"));
        }
        let tags: BTreeSet<PlateTag> = chunk.iter().filter(|t| !done.contains(*t)).copied().collect();
        let facts = closure::load(&mut conn, &numbers, &tags).await?;
        // A correction brings another plate along: it is not decided twice.
        let brought: BTreeSet<PlateTag> = facts.iter().filter_map(parking::fact::Fact::tag).collect();
        if brought.iter().any(|t| done.contains(t)) {
            let fresh: Vec<_> = apart(facts, &done);
            all.add(&question, &fresh);
        } else {
            all.add(&question, &facts);
        }
        done.extend(brought);
    }
    let view = reader.shared.view();
    let more = all.listed.len() > limit;
    all.listed.truncate(limit);
    Ok(Replay {
        from: view.time(from),
        to: view.time(to),
        duplicate_window_ms: rule.duplicate_window_ms,
        vehicles: vehicles.len() as u64,
        sessions: counts(&all.sessions, |s| s.as_str()),
        conflicts: counts(&all.conflicts, |k| k.as_str()),
        differing: all.differing,
        next_cursor: all.listed.last().filter(|_| more).map(|d| cursor::write(d.at, &d.event_id)),
        items: all.listed.iter().map(|d| view.difference(d)).collect(),
    })
}

fn busy(why: &str) -> NoAnswer {
    let mut p = Problem::new(503, "busy", "Too much at once", why);
    p.retry_after_s = Some(5);
    p.into()
}

/// The facts of the components none of whose plates was looked at before.
fn apart(facts: Vec<parking::fact::Fact>, done: &BTreeSet<PlateTag>) -> Vec<parking::fact::Fact> {
    let mut world = parking::world::World::new(Policies::default());
    let tags: BTreeSet<PlateTag> = facts.iter().filter_map(parking::fact::Fact::tag).collect();
    for f in facts {
        world.add(f, false);
    }
    let mut out = Vec::new();
    let mut taken: BTreeSet<PlateTag> = done.clone();
    for tag in tags {
        let of: Vec<_> = world.facts_of(tag).to_vec();
        let with: BTreeSet<PlateTag> = of.iter().filter_map(parking::fact::Fact::tag).collect();
        if with.is_disjoint(&taken) {
            out.extend(of);
            taken.extend(with);
        }
    }
    out
}

fn tried(
    before: &Policies,
    other: &OtherPolicy,
    from: i64,
    to: i64,
) -> Result<(Policies, PolicyRule), NoAnswer> {
    let window = |ms: i64| {
        if (0..=LONGEST_WINDOW_MS).contains(&ms) {
            Ok(PolicyRule { duplicate_window_ms: ms })
        } else {
            let text = format!("must be 0 to {LONGEST_WINDOW_MS}");
            Err(bad_field("duplicate_window_ms", "out_of_range", &text))
        }
    };
    let (rule, from, until) = match other {
        OtherPolicy::Window(ms) => (window(*ms)?, from, Some(to)),
        OtherPolicy::Version(v) => {
            let set = before.of_version(*v);
            let set =
                set.ok_or_else(|| bad_field("policy", "unknown_value", "no policy has this version"))?;
            (set, from, Some(to))
        }
        OtherPolicy::Set { duplicate_window_ms, valid_from } => {
            (window(*duplicate_window_ms)?, *valid_from, None)
        }
    };
    let policy = Policy { version: TRIED, from, until, rule: rule.clone() };
    Ok((before.clone().and(policy), rule))
}

/// Vehicles a duplicate window can have a say in: those with more than one opening in or around the period, or whose plate was
/// corrected (which brings the openings of another plate along).
async fn candidates(
    conn: &mut PgConnection,
    before: &Policies,
    tried: &Policies,
    from: i64,
    to: i64,
) -> Result<Vec<PlateTag>, StoreError> {
    // Stamps of clocks that were wrong stand elsewhere in the log than where they belong.
    let around = tried.longest_window_ms().saturating_add(before.offsets().furthest_ms());
    let rows = sqlx::query(
        "select plate_tag from events
         where kind in (1, 10) and plate_tag is not null and occurred_at >= $1 and occurred_at < $2
         group by plate_tag having count(*) > 1 order by plate_tag limit $3",
    )
    .bind(from.saturating_sub(around))
    .bind(to.saturating_add(around))
    .bind(VEHICLES as i64 + 1)
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)).collect())
}

fn counts<K>(of: &Counts<K>, name: impl Fn(&K) -> &'static str) -> Vec<BeforeAfter> {
    of.iter()
        .map(|(k, (before, after))| BeforeAfter { kind: name(k).to_owned(), before: *before, after: *after })
        .collect()
}
