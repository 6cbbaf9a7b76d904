//! All rate tables there are: those built in, and every publication held. Which one prices a stay.

use super::choose::{Wanted, begun, choose};
use super::compile::Tariff;

/// One publication.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Version of the document.
    pub version: i64,
    /// Its tables.
    pub tariffs: Vec<Tariff>,
}

/// See the module.
///
/// The newest publication that has a table for the vehicle, its user type and its Place which began before the entry rules
/// over that entry: what it says holds, also where it says nothing any more (its tables have ended). An entry from before
/// all that falls to the publication before it, and at last to the built-in tables. So a new publication never changes the
/// price of a stay that began before its tables do, and one with nothing for motorbikes leaves theirs alone.
#[derive(Debug, Clone, Default)]
pub struct TariffBook {
    /// Newest first.
    published: Vec<Publication>,
    built_in: Vec<Tariff>,
}

impl TariffBook {
    /// From the built-in tables, and publications in any order.
    #[must_use]
    pub fn of(built_in: Vec<Tariff>, mut published: Vec<Publication>) -> Self {
        published.sort_by_key(|p| std::cmp::Reverse(p.version));
        published.dedup_by_key(|p| p.version);
        Self { published, built_in }
    }

    /// The table for a stay. None means that staff must decide, never a fee of 0.
    #[must_use]
    pub fn choose(&self, wanted: &Wanted<'_>) -> Option<&Tariff> {
        let ruling = self.published.iter().find(|p| p.tariffs.iter().any(|t| begun(t, wanted)));
        choose(ruling.map_or(&self.built_in, |p| &p.tariffs), wanted)
    }

    /// The table of this name: of the newest publication that has it its highest version, else the built-in one.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Tariff> {
        self.everything().find_map(|(_, tariffs)| {
            tariffs.iter().filter(|t| t.table().id == id).max_by_key(|t| t.table().version)
        })
    }

    /// Version of the newest publication; none when only the built-in tables are there.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        self.published.first().map(|p| p.version)
    }

    /// Every publication with its version, newest first; at last the built-in tables, without one.
    pub fn everything(&self) -> impl Iterator<Item = (Option<i64>, &[Tariff])> {
        let published = self.published.iter().map(|p| (Some(p.version), p.tariffs.as_slice()));
        published.chain(std::iter::once((None, self.built_in.as_slice())))
    }
}
