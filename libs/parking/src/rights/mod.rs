//! Rights: who may be inside without paying, who comes in without being asked, who must not come in.
//!
//! [`Register`] is what events say (lists, passes given here, anti-passback, corrections of counts); the external API's passes are
//! reference data ([`crate::reference`]) of this central alone; [`LotRule`]s stand in its configuration. Decisions look at all of them; the
//! projection at none: what a decision took from here travels inside its event.

mod cover;
mod lot;
mod pass;
mod passback;
mod register;
mod view;

use wire::event::{ListKind, PassbackMode};
use wire::hash::PlateTag;

use crate::plate::PlateKey;
use crate::reference::Passes;

pub use self::cover::{Cover, cover, in_use};
pub use self::lot::{Count, Counts, LotRule, Place};
pub use self::pass::Held;
pub use self::passback::{Newest, PassbackState, name_of, state_of};
pub use self::register::{Correction, Mode, Register, Stands};
pub use self::view::Said;

/// What decisions look at. The default knows nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rights<'a> {
    /// What events say.
    pub register: Option<&'a Register>,
    /// Car parks with a capacity, or closed.
    pub lots: &'a [LotRule],
}

impl<'a> Rights<'a> {
    /// The passes of a vehicle, whatever class, car park and time: those of the external API, or where it has none those given here.
    pub fn passes_of(&self, key: &PlateKey, external: &'a Passes) -> Vec<Held<'a>> {
        let version = external.version();
        let given = self.register.map(Register::passes);
        let all = if version.is_some() { Some(external) } else { given };
        all.into_iter().flat_map(|p| p.of_plate(key)).map(|pass| Held { pass, version }).collect()
    }

    /// True when a vehicle stands on a list in this car park at this moment, ms.
    pub fn is_listed(&self, tag: PlateTag, kind: ListKind, lot: Option<&str>, at: i64) -> bool {
        self.register.is_some_and(|r| r.is_listed(tag, kind, lot, at))
    }

    /// What anti-passback does for a holder of these passes in this car park. The strictest pass stands before the car park.
    pub fn passback_mode(&self, passes: &[Held<'_>], lot: Option<&str>) -> PassbackMode {
        let Some(register) = self.register else { return PassbackMode::default() };
        let of_pass = passes.iter().filter_map(|held| register.pass_mode(&held.pass.id)).max();
        of_pass.or_else(|| register.lot_mode(lot?)).unwrap_or_default()
    }

    /// The rule of a car park.
    pub fn lot(&self, id: Option<&str>) -> Option<&'a LotRule> {
        self.lots.iter().find(|rule| Some(rule.id.as_str()) == id)
    }
}
