//! What nobody asks for: passages whose time is up, differences to charges made without their entry, stamps of a wrong clock.

use std::collections::BTreeSet;

use parking::decision::{self, Draft, Site, lane_control, late_basis, timeout};
use parking::fact::Fact;
use parking::history::HistoryRow;
use parking::plate::PlateKey;
use wire::event::{Body, ClockOffset};
use wire::hash::PlateTag;
use wire::position::Position;

use crate::decide::Deciding;
use crate::here::Random;
use crate::notice::Notice;

/// Passages ended by time-out in one round at most.
pub(crate) const DUE_PER_ROUND: usize = 200;

impl<R: Random> Deciding<'_, R> {
    /// Appends what time-outs ask for.
    pub(crate) fn end_due(&mut self, due: &BTreeSet<PlateTag>) {
        if due.is_empty() {
            return;
        }
        let due: Vec<PlateTag> = due.iter().copied().collect();
        self.world.prepare(&due);
        let drafts = {
            let all = self.world.view(&due);
            timeout::sweep(&all.rows, &self.here.site(self.policies, self.register), self.here.now)
        };
        for draft in drafts {
            self.unasked(draft, "time-out", Notice::TimedOut);
        }
    }

    /// Ends commands to lanes whose time is over and of which nothing was heard.
    pub(crate) fn end_lane_commands(&mut self) {
        let drafts = {
            let site = self.here.site(self.policies, self.register);
            lane_control::over(&self.state.book, &site, self.here.now)
        };
        for draft in drafts {
            match self.append(draft, None) {
                Ok(fact) => self.notices.push(Notice::LaneCommandOver(fact.header.position.clone())),
                Err(e) => self.notices.push(Notice::NotRecorded("end of a lane's command", e.to_string())),
            }
        }
        self.state.book.forget(self.here.now);
    }

    /// Appends what is now known of own stamps. Ranked above what was told before, whatever the clock showed then.
    pub(crate) fn tell_of_clock(&mut self) {
        let right = self.here.now.saturating_sub(self.here.clock_offset_ms);
        for cover in self.here.covers {
            let told = self.state.rules().iter().filter(|f| {
                f.position().stream.central == *self.here.central
                    && matches!(f.body.as_deref(), Some(Body::ClockOffset(_)))
            });
            let above = told.map(|f| f.header.occurred_at.saturating_add(1)).max();
            let draft = Draft {
                occurred_at: above.map_or(right, |t| t.max(right)),
                command_id: None,
                opening: None,
                plate_tag: None,
                body: Body::ClockOffset(ClockOffset {
                    offset_ms: cover.offset_ms,
                    applied_ms: cover.applied_ms,
                    incarnation: cover.incarnation,
                    from_seq: cover.from_seq,
                    to_seq: cover.to_seq,
                    measured_at: right,
                    peers: cover.peers,
                }),
            };
            match self.append(draft, None) {
                Ok(_) => self.notices.push(Notice::ClockOffset(cover.clone())),
                Err(e) => self.notices.push(Notice::NotRecorded("clock offset", e.to_string())),
            }
        }
    }

    /// Appends the differences that later-known entries, and the right plates, would have made to charges of this central.
    pub(crate) fn charge_differences(&mut self) {
        for (row, facts) in self.world.late_charges(self.here.central) {
            let site = self.here.site(self.policies, self.register);
            let tags: Vec<PlateTag> = shares(&row, &site).chain([row.plate_tag]).collect();
            self.world.prepare(&tags);
            let draft = {
                let all = self.world.view(&tags);
                late_basis::difference(&row, &facts, &all.rows, &site, self.here.now)
            };
            if let Some(draft) = draft {
                self.unasked(draft, "charge difference", Notice::LateBasis);
            }
        }
    }

    /// The vehicles that [`Self::charge_differences`] has to know beside those at hand: what a pass covers depends on who else is
    /// inside with it.
    pub(crate) fn late_sharers(&mut self) -> BTreeSet<PlateTag> {
        let late = self.world.late_charges(self.here.central);
        let site = self.here.site(self.policies, self.register);
        late.iter().flat_map(|(row, _)| shares(row, &site)).collect()
    }

    /// Appends what nobody asked for, once: what is recorded already and has no effect would be asked for again for ever.
    fn unasked(&mut self, draft: Draft, what: &'static str, done: fn(Position) -> Notice) {
        let recorded = draft.plate_tag.map_or(&[][..], |tag| self.world.facts_of(tag));
        let same = |f: &Fact| f.header.command_id == draft.command_id && f.kind() == draft.body.kind();
        if recorded.iter().any(same) {
            return;
        }
        match self.append(draft, None) {
            Ok(fact) => {
                self.notices.push(done(fact.header.position.clone()));
                self.world.add((*fact).clone(), true);
            }
            Err(e) => self.notices.push(Notice::NotRecorded(what, e.to_string())),
        }
    }
}

/// The vehicles a row's vehicle shares a pass with.
fn shares(row: &HistoryRow, site: &Site<'_>) -> impl Iterator<Item = PlateTag> {
    let key = row.plate_key.as_deref().and_then(|k| PlateKey::new(k).ok());
    key.map(|key| decision::shared_passes(&key, site)).unwrap_or_default().into_iter()
}
