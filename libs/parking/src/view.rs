//! Rows as people see them.

use jiff::tz::TimeZone;
use wire::event::{Body, FeeLineFact, LaneModeSet, PassageResolved, PolicySet, RangeLost, RightFact};
use wire::hash::CommandId;
use wire::http::{
    Conflict, EntryCandidate, EventView, FeeLine, LaneCommandOut, LaneCommandView, LaneModeView, LostRange,
    PolicyView, Quote, RateTableView, ResolvedView, RightView, Session, SessionDetail, SessionDifference,
    SessionOutcome, UnresolvedItem,
};
use wire::id::CentralId;
use wire::position::Position;

use crate::decision::lane_control::CommandShown;
use crate::decision::{Price, facts};
use crate::explain;
use crate::fact::Fact;
use crate::history::compare::{Difference, Stand};
use crate::history::{ConflictRow, EventRef, HistoryRow, Projection};
use crate::tariff::Language;
use crate::unresolved::Unexplained;

/// How rows are shown here.
#[derive(Debug, Clone)]
pub struct View {
    /// This central: its own rows are `LOCAL`.
    pub central: CentralId,
    /// The Place's time zone.
    pub tz: TimeZone,
}

impl View {
    /// A moment, ms since the epoch, in the Place's offset.
    #[must_use]
    pub fn time(&self, ms: i64) -> String {
        wire::time::rfc3339(ms, &self.tz)
    }

    /// *Session* of a row.
    #[must_use]
    pub fn session(&self, row: &HistoryRow) -> Session {
        Session {
            event_id: row.event_id.clone(),
            source_central: row.source_central.to_string(),
            edge_id: row.edge_id.clone(),
            lot_id: row.lot_id.clone(),
            sync_status: if row.source_central == self.central { "LOCAL" } else { "SYNCED" }.to_owned(),
            plate: row.plate.clone(),
            plate_key: row.plate_key.clone(),
            vehicle_class: row.vehicle_class.clone(),
            status: row.status,
            entry_time: row.entry_time.map(|t| self.time(t)),
            confirmed_time: row.confirmed_time.map(|t| self.time(t)),
            exit_time: row.exit_time.map(|t| self.time(t)),
            exit_central: row.exit_central.as_ref().map(ToString::to_string),
            exit_edge: row.exit_edge.clone(),
            duration_s: row.duration_s,
            fee: row.fee,
            currency: row.currency.clone(),
            rate_table: row
                .rate_table
                .as_ref()
                .map(|r| RateTableView { id: r.id.clone(), version: r.version }),
            flags: row.flags.clone(),
        }
    }

    /// A session staff may pick, with what they compare it by.
    #[must_use]
    pub fn candidate(&self, row: &HistoryRow) -> EntryCandidate {
        EntryCandidate {
            session: self.session(row),
            image_ref: row.image_ref.clone(),
            credential: row.credential.clone(),
        }
    }

    /// A session with its story. `facts` holds at least its events.
    #[must_use]
    pub fn detail(&self, row: &HistoryRow, projection: &Projection, facts: &[Fact]) -> SessionDetail {
        let find = |e: &EventRef| facts.iter().find(|f| f.hash == e.hash);
        let events = row
            .events
            .iter()
            .map(|e| {
                let fact = find(e);
                let stamped = fact.map_or(row.received_at, |f| f.header.occurred_at);
                let corrected = projection.corrected.get(&e.hash).copied();
                EventView {
                    kind: fact.map_or_else(|| "UNKNOWN".to_owned(), |f| f.kind().to_string()),
                    position: e.position.to_string(),
                    hash: e.hash.to_string(),
                    central: e.position.stream.central.to_string(),
                    edge_id: fact.and_then(|f| f.lane_and_fee().0),
                    occurred_at: self.time(corrected.unwrap_or(stamped)),
                    stamped_at: corrected.map(|_| self.time(stamped)),
                    staff_id: fact.and_then(Fact::staff).map(|s| s.id.clone()),
                    reason: fact
                        .and_then(|f| f.staff().map(|s| s.reason.as_str()).or(f.cause()))
                        .map(str::to_owned),
                    amount: fact.and_then(Fact::amount),
                    plate: fact.and_then(Fact::plate).map(str::to_owned),
                    held_by: None,
                }
            })
            .collect();
        let exit_image_ref = match row.exit.as_ref().and_then(find).and_then(|f| f.body.as_deref()) {
            Some(Body::Exit(b)) => b.image_ref.clone(),
            _ => None,
        };
        SessionDetail {
            session: self.session(row),
            events,
            conflicts: projection.conflicts_of(row).map(|c| self.conflict(c)).collect(),
            fee_lines: self.fee_lines(&row.fee_lines),
            rights: self.rights(&row.rights),
            difference: row.difference,
            image_ref: row.image_ref.clone().filter(|_| !row.no_entry),
            exit_image_ref,
            held_by: None,
        }
    }

    /// *LostRange*, without what is still missing of it.
    #[must_use]
    pub fn lost_range(&self, position: String, at: i64, lost: &RangeLost) -> LostRange {
        LostRange {
            position,
            central: lost.central.to_string(),
            incarnation: lost.incarnation.to_string(),
            from: lost.from,
            to: lost.to,
            missing: None,
            state: None,
            staff_id: lost.staff.id.clone(),
            reason: lost.staff.reason.clone(),
            at: self.time(at),
        }
    }

    /// *Conflict* of a row.
    #[must_use]
    pub fn conflict(&self, row: &ConflictRow) -> Conflict {
        Conflict {
            id: row.id.to_string(),
            kind: row.kind.as_str().to_owned(),
            plate: row.plate.clone(),
            detected_at: self.time(row.detected_at),
            candidates: row
                .candidates
                .iter()
                .map(|c| wire::http::ConflictCandidate {
                    kind: c.kind.clone(),
                    position: c.event.position.to_string(),
                    event_id: c.event_id.clone(),
                    central: c.central.to_string(),
                    occurred_at: self.time(c.occurred_at),
                    stamped_at: self.time(c.stamped_at),
                    received_at: c.received_at.map(|t| self.time(t)),
                    captured_at: c.captured_at.map(|t| self.time(t)),
                    skew_ms: c.skew_ms,
                    offset_ms: c.offset_ms,
                    corrected_ms: c.occurred_at.saturating_sub(c.stamped_at),
                    fee: c.fee,
                })
                .collect(),
            rule: row.rule.clone(),
            policy_version: row.policy_version,
            window_ms: row.window_ms,
            winner: row.winner.as_ref().map(|w| w.position.to_string()),
            explanation: explain::conflict(row),
        }
    }

    /// *Policy* of an event. Whether it is in force is the caller's to say.
    #[must_use]
    pub fn policy(&self, set: &PolicySet, set_at: i64, at: Option<&Position>) -> PolicyView {
        PolicyView {
            version: set.version,
            duplicate_window_ms: set.rule.duplicate_window_ms,
            valid_from: Some(self.time(set.valid_from)),
            set_at: Some(self.time(set_at)),
            central: at.map(|p| p.stream.central.to_string()),
            position: at.map(ToString::to_string),
            staff_id: Some(set.staff.id.clone()),
            reason: Some(set.staff.reason.clone()),
            in_force: false,
        }
    }

    /// A command to a lane, for people.
    #[must_use]
    pub fn lane_command(&self, c: &CommandShown) -> LaneCommandView {
        LaneCommandView {
            command_id: c.id.to_string(),
            edge_id: c.edge_id.clone(),
            command: c.command.to_owned(),
            event_id: c.event_id.clone(),
            central: c.central.to_string(),
            issued_at: self.time(c.issued_at),
            expires_at: c.expires_at.map(|t| self.time(t)),
            state: c.fate.state(),
            sent_at: c.fate.sent_at.map(|t| self.time(t)),
            ended_at: c.fate.ended.map(|(t, _)| self.time(t)),
            detail: c.fate.detail.clone(),
            staff_id: c.staff.id.clone(),
            reason: c.staff.reason.clone(),
        }
    }

    /// A command as its lane is told it at `now`, ms.
    #[must_use]
    pub fn lane_command_out(&self, c: &CommandShown, now: i64) -> LaneCommandOut {
        LaneCommandOut {
            command_id: c.id.to_string(),
            command: c.command.to_owned(),
            event_id: c.event_id.clone(),
            sent_at: self.time(now),
            expires_at: self.time(c.expires_at.unwrap_or(now)),
        }
    }

    /// A mode of lanes.
    #[must_use]
    pub fn lane_mode(
        &self,
        set: &LaneModeSet,
        since: i64,
        central: &CentralId,
        id: CommandId,
    ) -> LaneModeView {
        LaneModeView {
            edges: set.edges.clone(),
            mode: set.mode,
            since: self.time(since),
            central: central.to_string(),
            command_id: id.to_string(),
            staff_id: set.staff.id.clone(),
            reason: set.staff.reason.clone(),
        }
    }

    /// What a person explained.
    #[must_use]
    pub fn resolved(&self, r: &PassageResolved, at: i64) -> ResolvedView {
        ResolvedView {
            id: r.subject.to_string(),
            event_id: r.event_id.clone(),
            resolved_at: self.time(at),
            staff_id: r.staff.id.clone(),
            reason: r.staff.reason.clone(),
        }
    }

    /// What a person still has to explain.
    #[must_use]
    pub fn unresolved(&self, u: &Unexplained) -> UnresolvedItem {
        UnresolvedItem {
            id: u.id.to_string(),
            kind: u.kind,
            central: u.central.to_string(),
            edge_id: u.edge_id.clone(),
            occurred_at: self.time(u.occurred_at),
            direction: u.direction,
            event_id: u.event_id.clone(),
            mode: u.mode,
            state: u.state,
            staff_id: u.staff.as_ref().map(|s| s.id.clone()),
            reason: u.staff.as_ref().map(|s| s.reason.clone()),
        }
    }

    /// *Difference* of a comparison.
    #[must_use]
    pub fn difference(&self, d: &Difference) -> SessionDifference {
        let outcome = |s: &Stand| SessionOutcome {
            status: s.status,
            duplicate_of: s.duplicate_of.clone(),
            exit: s.exit.as_ref().map(|e| e.position.to_string()),
            fee: s.fee,
            conflicts: s.conflicts.iter().map(|k| k.as_str().to_owned()).collect(),
        };
        SessionDifference {
            event_id: d.event_id.clone(),
            position: d.opening.position.to_string(),
            at: self.time(d.at),
            before: outcome(&d.before),
            after: outcome(&d.after),
        }
    }

    /// Lines of a fee, in words of both languages. A line of a later version shows its code.
    #[must_use]
    pub fn fee_lines(&self, lines: &[FeeLineFact]) -> Vec<FeeLine> {
        lines
            .iter()
            .map(|l| {
                let line = facts::read_fee_line(l);
                let text =
                    |language| line.as_ref().map_or_else(|| l.code.clone(), |line| line.text(language));
                FeeLine {
                    text: text(Language::Vi),
                    text_en: text(Language::En),
                    from: l.from.map(|t| self.time(t)),
                    to: l.to.map(|t| self.time(t)),
                    amount: l.amount,
                }
            })
            .collect()
    }

    /// *Right* of a charge.
    #[must_use]
    pub fn rights(&self, rights: &[RightFact]) -> Vec<RightView> {
        let of = |r: &RightFact| RightView {
            id: r.id.clone(),
            version: r.version,
            from: self.time(r.from),
            to: self.time(r.to),
        };
        rights.iter().map(of).collect()
    }

    /// *Quote* of a price, for a session or for none.
    #[must_use]
    pub fn quote(&self, event_id: Option<String>, price: &Price) -> Quote {
        Quote {
            event_id,
            fee: Some(price.fee),
            currency: "VND".to_owned(),
            rate_table: price
                .rate_table
                .as_ref()
                .map(|r| RateTableView { id: r.id.clone(), version: r.version }),
            lines: self.fee_lines(&price.lines),
            valid_until: Some(self.time(price.valid_until)),
            unrounded: price.unrounded,
            rights: self.rights(&price.rights),
            flags: price.flags.iter().map(|f| (*f).to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fee_lines_are_words_in_both_languages_and_unknown_ones_show_their_code() {
        let line = |code: &str| FeeLineFact {
            code: code.to_owned(),
            from: Some(0),
            to: Some(7_200_000),
            amount: 25_000,
            args: vec!["1.1".to_owned(), "1".to_owned(), "25000".to_owned(), "0".to_owned()],
        };
        let tz = TimeZone::fixed(jiff::tz::offset(7));
        let view = View { central: "central-1".parse().unwrap(), tz };
        let lines = view.fee_lines(&[line("tier"), line("of_tomorrow")]);
        assert_eq!(lines[0].to.as_deref(), Some("1970-01-01T09:00:00.000+07:00"));
        let texts: Vec<_> = lines.iter().map(|l| (l.text.as_str(), l.text_en.as_str())).collect();
        assert_eq!(texts, [("Bậc giá 25.000 đ", "Tier 25,000 VND"), ("of_tomorrow", "of_tomorrow")]);
    }
}
