//! A charge whose entry became known later: the exit's origin computes the difference once and appends it. Money is never
//! rewritten.

use wire::event::{Basis, BasisDifference, Body};
use wire::http::SessionStatus;

use super::fee::{self, Terms};
use super::ruling::Draft;
use super::state::Site;
use crate::fact::Fact;
use crate::history::HistoryRow;
use crate::rights::Cover;
use crate::{clock, unasked};

/// The difference this row asks for at `now` (ms), if this central made the charge and has not computed it. `facts` are the
/// facts the row was projected from.
#[must_use]
pub fn difference(row: &HistoryRow, facts: &[Fact], site: &Site<'_>, now: i64) -> Option<Draft> {
    let exit = row.exit.as_ref().filter(|e| e.position.stream.central == *site.central)?;
    if row.status != SessionStatus::Exited || !row.flags.iter().any(|f| f == "late_basis") {
        return None;
    }
    let (entry_time, exit_time) = (row.entry_time?, row.exit_time?);
    let stamped = facts.iter().find(|f| f.hash == exit.hash).map(|f| f.header.occurred_at);
    let corrected = Some(exit_time).filter(|t| stamped.is_some_and(|s| s != *t));
    let known = facts.iter().any(|f| {
        f.header.opening.as_ref() == Some(&exit.position)
            && matches!(&f.body, Some(Body::BasisDifference(d))
                if d.basis.entry_time == entry_time && d.exit_time == corrected)
    });
    if known {
        return None;
    }
    let charged = row.charged?;
    let uncharged = HistoryRow { exits: Vec::new(), ..row.clone() };
    let discounts = fee::granted(&row.fee_lines);
    let lost_credential = row.flags.iter().any(|f| f == "lost_credential");
    let terms = Terms { lost_credential, discounts: &discounts };
    // With the rights the charge was made with: what holds today is not what held then.
    let cover = Cover { rights: row.rights.clone(), waited: false };
    let price = fee::of_session(&uncharged, site, &cover, exit_time, terms)?;
    let body = Body::BasisDifference(BasisDifference {
        basis: Basis { event_id: row.event_id.clone(), entry_time },
        fee: price.fee,
        difference: price.fee.saturating_sub(charged),
        exit_time: corrected,
    });
    Some(Draft {
        occurred_at: clock::occurred(None, None, now, site.clock_offset_ms).occurred_at,
        command_id: Some(unasked::command(&body, &exit.hash)),
        opening: Some(exit.position.clone()),
        plate_tag: Some(row.plate_tag),
        body,
    })
}
