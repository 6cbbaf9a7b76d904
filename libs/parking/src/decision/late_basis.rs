//! A charge whose entry became known later, or whose plate was corrected: the exit's origin computes the difference once and appends
//! it. Money is never rewritten.

use wire::event::{Basis, BasisDifference, Body, LaneMode};
use wire::http::SessionStatus;

use super::fee::{self, Price, Terms};
use super::gate;
use super::ruling::Draft;
use super::state::Site;
use crate::fact::Fact;
use crate::history::{HistoryRow, STANDING_CHARGE};
use crate::rights::Cover;
use crate::{clock, unasked};

/// Why a charge differs: its plate was another.
const PLATE_CORRECTED: &str = "plate_corrected";

/// The difference this row asks for at `now` (ms), if this central made the charge and has not computed it. `facts` are the
/// facts the row was projected from; `rows` are its own and those of the vehicles it shares a pass with
/// ([`super::shared_passes`]).
#[must_use]
pub fn difference(
    row: &HistoryRow,
    facts: &[Fact],
    rows: &[HistoryRow],
    site: &Site<'_>,
    now: i64,
) -> Option<Draft> {
    let exit = row.exit.as_ref().filter(|e| e.position.stream.central == *site.central)?;
    if row.status != SessionStatus::Exited || !row.flags.iter().any(|f| f == "late_basis") {
        return None;
    }
    let (entry_time, exit_time) = (row.entry_time?, row.exit_time?);
    let fact = facts.iter().find(|f| f.hash == exit.hash)?;
    let Some(Body::Exit(charge)) = fact.body.as_deref() else { return None };
    let corrected = Some(exit_time).filter(|t| *t != fact.header.occurred_at);
    let charged_for = row.standing_charge()?.plate_tag;
    let plate_tag = Some(row.plate_tag).filter(|tag| *tag != charged_for);
    let known = facts.iter().any(|f| {
        f.header.opening.as_ref() == Some(&exit.position)
            && matches!(f.body.as_deref(), Some(Body::BasisDifference(d)) if d.is_from(entry_time, corrected, plate_tag))
    });
    if known {
        return None;
    }
    let has = |flag: &str| charge.flags.iter().any(|f| f == flag);
    let price = if has(LaneMode::Emergency.as_str()) {
        // Nothing is charged then, whoever it was and whenever it came.
        Price::default()
    } else {
        let discounts = fee::granted(&row.fee_lines);
        let lost_credential = row.fee_lines.iter().any(|l| l.code == "lost_credential");
        let terms = Terms { lost_credential, discounts: &discounts };
        // With the rights the charge was made with: what holds today is not what held then. Of another plate, and where there was
        // no entry to have any, nobody looked at rights before.
        let looked = plate_tag.is_none() && (charge.basis.is_some() || has(STANDING_CHARGE));
        let cover = if looked {
            Cover { rights: row.rights.clone(), waited: false }
        } else {
            gate::cover_of(row, site, rows)
        };
        let uncharged = HistoryRow { exits: Vec::new(), ..row.clone() };
        fee::of_session(&uncharged, site, &cover, exit_time, terms)?
    };
    let body = Body::BasisDifference(BasisDifference {
        basis: Basis { event_id: row.event_id.clone(), entry_time },
        plate_tag,
        reason: plate_tag.map(|_| PLATE_CORRECTED.to_owned()),
        fee: price.fee,
        difference: price.fee.saturating_sub(charge.fee),
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
