//! What nobody asks for: passages whose time is up, and differences to charges made without their entry.

use std::collections::BTreeSet;

use parking::decision::{late_basis, timeout};
use wire::hash::PlateTag;

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
            timeout::sweep(&all.rows, &self.here.site(self.policies), self.here.now)
        };
        for draft in drafts {
            match self.append(draft, None) {
                Ok(fact) => {
                    self.notices.push(Notice::TimedOut(fact.header.position.clone()));
                    self.world.add((*fact).clone(), true);
                }
                Err(e) => self.notices.push(Notice::NotRecorded("time-out", e.to_string())),
            }
        }
    }

    /// Appends the differences that later-known entries would have made to charges of this central.
    pub(crate) fn charge_differences(&mut self) {
        for (row, facts) in self.world.late_charges(self.here.central) {
            let site = self.here.site(self.policies);
            let Some(draft) = late_basis::difference(&row, &facts, &site, self.here.now) else { continue };
            match self.append(draft, None) {
                Ok(fact) => {
                    self.notices.push(Notice::LateBasis(fact.header.position.clone()));
                    self.world.add((*fact).clone(), true);
                }
                Err(e) => self.notices.push(Notice::NotRecorded("charge difference", e.to_string())),
            }
        }
    }
}
