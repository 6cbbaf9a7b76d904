//! Both sides dial, so a pair may have two links for a moment. Two are harmless; keeping two for good is waste.

/// What the rules need to know of one link that has passed HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// Its number here; later links have higher ones.
    pub id: u64,
    /// True when the central with the lower id dialled it: both ends agree on that.
    pub by_lower: bool,
    /// The peer's process, from HELLO.
    pub process: String,
    /// HELLO and a beat have passed both ways.
    pub proven: bool,
    /// When it passed HELLO, monotonic ms.
    pub up_at: u64,
    /// When something was last heard on it, monotonic ms.
    pub heard_at: u64,
}

fn groups(links: &[LinkFacts]) -> std::collections::BTreeMap<&str, Vec<&LinkFacts>> {
    let mut by_process = std::collections::BTreeMap::<&str, Vec<&LinkFacts>>::new();
    for l in links {
        by_process.entry(&l.process).or_default().push(l);
    }
    by_process
}

/// The links to close. Of the links to one process the one dialled by the lower id stays (of several, the newest), and the others
/// are spare once it is proven; before that nothing is closed. Links to two processes of one central are never each other's spare.
pub fn spares(links: &[LinkFacts]) -> Vec<u64> {
    let mut out = Vec::new();
    for group in groups(links).into_values() {
        let Some(keep) = group.iter().max_by_key(|l| (l.by_lower, l.id)) else { continue };
        if keep.proven {
            out.extend(group.iter().filter(|l| l.id != keep.id).map(|l| l.id));
        }
    }
    out.sort_unstable();
    out
}

/// The links to send on: one per process of the peer, a proven one if there is one.
pub fn primaries(links: &[LinkFacts]) -> Vec<u64> {
    groups(links)
        .into_values()
        .filter_map(|g| g.into_iter().max_by_key(|l| (l.proven, l.by_lower, l.id)).map(|l| l.id))
        .collect()
}

/// True when two processes of one central are alive at once: one machine's copy, or its disk's, runs twice. A link that has said
/// nothing since the other process came is not alive yet: it may be what a crashed process left behind.
pub fn clones(links: &[LinkFacts]) -> bool {
    let groups = groups(links);
    let Some(newest) = links.iter().map(|l| l.up_at).max() else { return false };
    groups.len() > 1 && groups.into_values().filter(|g| g.iter().any(|l| l.heard_at > newest)).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(id: u64, by_lower: bool, process: &str, proven: bool) -> LinkFacts {
        LinkFacts { id, by_lower, process: process.to_owned(), proven, up_at: id, heard_at: id }
    }

    #[test]
    fn the_spare_goes_only_when_the_other_is_proven() {
        let mut links = vec![link(1, false, "p", true), link(2, true, "p", false)];
        assert_eq!(spares(&links), Vec::<u64>::new());
        assert_eq!(primaries(&links), [1]);
        links[1].proven = true;
        assert_eq!(spares(&links), [1]);
        assert_eq!(primaries(&links), [2]);
    }

    #[test]
    fn a_redial_replaces_what_the_dialler_gave_up() {
        let links = [link(1, true, "p", true), link(2, true, "p", true)];
        assert_eq!(spares(&links), [1]);
    }

    #[test]
    fn clones_keep_both_links_and_are_told_when_both_speak() {
        let mut links = [link(1, true, "p", true), link(2, true, "q", true)];
        assert!(spares(&links).is_empty());
        assert_eq!(primaries(&links), [1, 2]);
        assert!(!clones(&links), "the first may be dead and not know it");
        links[1].heard_at = 5;
        assert!(!clones(&links));
        links[0].heard_at = 4;
        assert!(clones(&links));
    }

    fn any_links() -> impl Strategy<Value = Vec<LinkFacts>> {
        proptest::collection::vec((any::<bool>(), 0u8..2, any::<bool>()), 0..6).prop_map(|v| {
            v.into_iter()
                .enumerate()
                .map(|(i, (low, p, proven))| link(i as u64, low, if p == 0 { "p" } else { "q" }, proven))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_process_never_loses_its_last_proven_link(links in any_links()) {
            let gone = spares(&links);
            for l in links.iter().filter(|l| l.proven) {
                prop_assert!(links.iter().any(|k| k.process == l.process && k.proven && !gone.contains(&k.id)));
            }
        }

        #[test]
        fn both_ends_agree_on_a_crossed_pair(proven in any::<(bool, bool)>()) {
            // The same two links, numbered the other way round at the other end.
            let here = [link(1, true, "p", proven.0), link(2, false, "p", proven.1)];
            let there = [link(2, true, "p", proven.0), link(1, false, "p", proven.1)];
            let kept = |links: &[LinkFacts]| {
                let gone = spares(links);
                links.iter().filter(|l| !gone.contains(&l.id)).map(|l| l.by_lower).collect::<Vec<_>>()
            };
            prop_assert_eq!(kept(&here), kept(&there));
        }
    }
}
