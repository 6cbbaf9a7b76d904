//! Events a central appends of its own accord: time-outs, and differences to charges.

use wire::event::{Body, Kind};
use wire::hash::{CommandId, Hash32};

use crate::fact::Fact;

/// The command id of an event nobody asked for, made of what it means: what is said, and of which event. So it counts once, however
/// often it is appended and by whichever of two machines with one name; and where both branches of a fork stand at the position
/// it names, it tells the branch.
#[must_use]
pub fn command(body: &Body, about: &Hash32) -> CommandId {
    id(body.kind(), Some(body), about)
}

/// True when a fact is such an event and is about the event with this hash.
pub(crate) fn is_about(fact: &Fact, about: &Hash32) -> bool {
    fact.header.command_id == Some(id(fact.kind(), fact.body.as_deref(), about))
}

fn id(kind: Kind, body: Option<&Body>, about: &Hash32) -> CommandId {
    // A basis may become known more than once; each has its difference.
    let basis = match body {
        Some(Body::BasisDifference(d)) => {
            let exit = d.exit_time.map(|t| format!("|{t}")).unwrap_or_default();
            let plate = d.plate_tag.map(|t| format!("|{t}")).unwrap_or_default();
            format!("{}{exit}{plate}", d.basis.entry_time)
        }
        _ => String::new(),
    };
    CommandId::of("unasked", kind.name(), &format!("{about}|{basis}"))
}
