//! What a round knows besides the log.

use std::collections::HashSet;

use parking::decision::Site;
use parking::fact::Fact;
use parking::history::Policies;
use parking::reference::Reference;
use parking::rights::{LotRule, Register, Rights};
use parking::view::View;
use replication::clock::Cover;
use wire::event::Frame;
use wire::hash::PlateTag;
use wire::id::CentralId;

/// This central, now.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// Its name.
    pub central: &'a CentralId,
    /// The operator's key for plate tags.
    pub operator_key: &'a [u8],
    /// Its clock less the right time, as far as known, ms.
    pub clock_offset_ms: i64,
    /// Own stamps that are now known to be off: to be told.
    pub covers: &'a [Cover],
    /// Rate tables, staff and passes.
    pub reference: &'a Reference,
    /// Car parks with a capacity, or closed.
    pub lots: &'a [LotRule],
    /// How rows are shown.
    pub view: &'a View,
    /// Edges of its own lanes.
    pub lanes: &'a HashSet<String>,
    /// Events that connected peers hold are missing here.
    pub catching_up: bool,
    /// Its clock, ms since the epoch.
    pub now: i64,
    /// Reads an event; the error says why it is poison.
    pub read: fn(&Frame) -> Result<Fact, String>,
}

impl Here<'_> {
    /// What holds for every decision, under these policies and this register.
    pub fn site<'a>(&'a self, policies: &'a Policies, register: &'a Register) -> Site<'a> {
        Site {
            central: self.central,
            operator_key: self.operator_key,
            clock_offset_ms: self.clock_offset_ms,
            reference: self.reference,
            policies,
            rights: Rights { register: Some(register), lots: self.lots },
        }
    }

    /// The tag of a plate key.
    pub(crate) fn tag(&self, key: &str) -> PlateTag {
        PlateTag::of(self.operator_key, key)
    }

    /// The tag in a readable alias (`central_ms_key`, maybe with `~2`).
    pub(crate) fn tag_of_alias(&self, event_id: &str) -> Option<PlateTag> {
        let (_, key) = event_id.rsplit_once('_')?;
        let key = key.split_once('~').map_or(key, |(k, _)| k);
        (!key.is_empty()).then(|| self.tag(key))
    }
}

/// The source of dice, salts and incarnations.
pub trait Random {
    /// 64 random bits.
    fn bits(&mut self) -> u64;
    /// 128 random bits.
    fn wide(&mut self) -> u128;
}
