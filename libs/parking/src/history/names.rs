//! Readable aliases of openings and exits.

use foldhash::{HashMap, HashMapExt as _};
use wire::event::{Body, Kind, event_id};

use super::fold::Folded;
use super::index::{Index, Ix};

/// The alias of each row, by the passage it is about.
pub(super) struct Names(Vec<(String, u32)>);

impl Names {
    /// Numbers the aliases that several rows share, in the order of their stamps: openings first, then sessions without one, so
    /// that an exit that finds its entry later never renames an opening. A stamp found wrong later stays in the alias: answers
    /// gave it out.
    pub(super) fn of(index: &Index<'_>, folded: &Folded) -> Self {
        let by_stamp =
            |of: &mut Vec<Ix>| of.sort_unstable_by(|a, b| index.fact(*a).rank().cmp(&index.fact(*b).rank()));
        let mut openings: Vec<Ix> =
            index.iter().filter(|(_, f)| f.kind() == Kind::EntryPending).map(|(i, _)| i).collect();
        let mut without: Vec<Ix> = folded.groups.iter().filter(|g| g.no_entry).map(|g| g.first).collect();
        by_stamp(&mut openings);
        by_stamp(&mut without);
        let mut taken: HashMap<String, u32> = HashMap::new();
        let mut names = vec![(String::new(), 0); index.len()];
        for i in openings.into_iter().chain(without) {
            let alias = alias(index, i);
            let n = taken.entry(alias.clone()).or_insert(0);
            *n += 1;
            let name = if *n == 1 { alias } else { format!("{alias}~{n}") };
            names[i] = (name, *n);
        }
        Self(names)
    }

    /// The alias of a row and the number behind its `~`.
    pub(super) fn get(&self, i: Ix) -> (String, u32) {
        self.0[i].clone()
    }
}

/// `central_ms_platekey` of a passage. What is left of an erased one shows the tag instead, in small letters.
pub(super) fn alias(index: &Index<'_>, i: Ix) -> String {
    let h = &index.fact(i).header;
    let central = &h.position.stream.central;
    match index.body(i) {
        Some(Body::EntryPending(b)) => event_id(central, h.occurred_at, &b.plate.key),
        Some(Body::Exit(b)) => event_id(central, h.occurred_at, &b.plate.key),
        _ => event_id(central, h.occurred_at, &format!("x{}", h.plate_tag.unwrap_or_default())),
    }
}
