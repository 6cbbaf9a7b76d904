//! An operator gives up a range of the log that nobody holds. Nothing of it is a parking decision: who and why are recorded.

use wire::event::{Body, RangeLost, StaffFact};
use wire::position::SeqRange;

use super::answer::{Answer, LostRangeAnswer};
use super::ruling::{Draft, Record, Ruling};
use super::state::Prepared;

pub(super) fn decide(prepared: &Prepared<'_>, range: &SeqRange, staff: StaffFact) -> Ruling {
    let lost = RangeLost {
        central: range.stream.central.clone(),
        incarnation: range.stream.incarnation,
        from: range.from,
        to: range.to,
        staff,
    };
    let at = prepared.stamp.occurred_at;
    let draft = Draft {
        occurred_at: at,
        command_id: prepared.command_id,
        opening: None,
        plate_tag: None,
        body: Body::LostRange(lost.clone()),
    };
    let answer = Answer::LostRange(Box::new(LostRangeAnswer { lost, at, event: None }));
    Ruling::Record(Box::new(Record { draft, answer }))
}
