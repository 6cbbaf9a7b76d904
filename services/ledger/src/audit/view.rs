//! The audit as people see it.

use replication::audit::{Compared, day_of};
use sqlx::Connection as _;
use wire::http::{AuditCompared, AuditDay, AuditFinding, AuditProgress, AuditStarted, AuditState, AuditView};
use wire::time::rfc3339;

use super::Auditor;
use super::pass::day_text;
use crate::store::{StoreError, findings};

/// Days shown at most, all origins together: what one bus message takes.
const DAYS: usize = 2_000;

fn state(s: Option<Compared>) -> AuditState {
    match s {
        None => AuditState::NotCompared,
        Some(Compared::Waiting) => AuditState::Waiting,
        Some(Compared::Same) => AuditState::Same,
        Some(Compared::Differs) => AuditState::Differs,
    }
}

fn hex(lanes: [u64; 4]) -> String {
    lanes.iter().map(|l| format!("{l:016x}")).collect()
}

impl Auditor {
    /// Has the last two days looked through at once.
    pub fn run_now(&self) -> AuditStarted {
        self.inner.kick.notify_one();
        let tz = self.inner.shared.view().tz;
        AuditStarted { started: true, recent_at: self.state().progress.recent_at.map(|at| rfc3339(at, &tz)) }
    }

    /// What is known now.
    pub async fn view(&self, site: Option<&str>, days: u32, limit: u32) -> Result<AuditView, StoreError> {
        let tz = self.inner.shared.view().tz;
        let mut conn = self.inner.pool.acquire().await?;
        // One snapshot: what is counted as open is what is listed as open.
        let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
        let noted = findings::load(&mut tx, false, i64::from(limit.clamp(1, 500))).await?;
        let open = findings::open(&mut tx).await?;
        tx.rollback().await?;
        drop(conn);
        let now = kit::clock::now_ms();
        let at = |ms: i64| rfc3339(ms, &tz);
        // Comparisons are timed by a clock that does not go back.
        let running = self.now();
        let s = self.state();
        let first = day_of(now) - i32::try_from(days.clamp(1, 400)).unwrap_or(400) + 1;
        let mut out = Vec::new();
        for origin in s.book.sites().into_iter().filter(|o| site.is_none_or(|s| o.as_str() == s)) {
            for (day, t) in s.book.days(&origin, &[]).unwrap_or_default() {
                // A stamp from the future is shown, too.
                if day >= first {
                    out.push((
                        day,
                        AuditDay {
                            site: origin.to_string(),
                            day: day_text(day),
                            events: t.events,
                            charged: t.money.charged,
                            waived: t.money.waived,
                            paid: t.money.paid,
                            digest: hex(t.hashes),
                            state: state(s.exchange.day(&origin, day)),
                        },
                    ));
                }
            }
        }
        out.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.site.cmp(&b.1.site)));
        out.truncate(DAYS);
        let compared = s
            .exchange
            .standings()
            .filter(|(o, _, _)| site.is_none_or(|s| o.as_str() == s))
            .map(|(origin, peer, c)| AuditCompared {
                site: origin.to_string(),
                peer: peer.to_string(),
                at: at(now - (running - c.at)),
                state: state(Some(c.state)),
                events: c.events,
            })
            .collect();
        let (chunks, events) = s.book.size();
        let p = &s.progress;
        Ok(AuditView {
            central_id: self.inner.shared.central.to_string(),
            as_of: at(now),
            open_findings: open.unsigned_abs(),
            progress: AuditProgress {
                recent_at: p.recent_at.map(at),
                recent_ms: p.recent_ms,
                recent_chunks: p.recent_chunks,
                chunks,
                events,
                full_at: p.full_at.map(at),
                full_s: p.full_s,
                vehicles: p.vehicles,
                rows_at: p.rows_at.map(at),
            },
            days: out.into_iter().map(|(_, d)| d).collect(),
            compared,
            findings: noted
                .into_iter()
                .map(|f| AuditFinding {
                    id: f.id,
                    found_at: at(f.found_at),
                    what: f.what,
                    place: f.place,
                    detail: f.detail,
                    evidence: f.evidence,
                    state: f.state,
                    repaired_at: f.repaired_at.map(at),
                    repaired_by: f.repaired_by,
                })
                .collect(),
        })
    }
}
