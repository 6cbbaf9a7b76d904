//! Stage 1: what was said about each opening and each exit, never looking at others.
//!
//! Per field the highest rank wins; confirmed beats abandoned; an exit that names an opening beats void and abandoned.

use wire::event::{Body, Kind, LaneOrder};
use wire::hash::PlateTag;

use super::index::{Index, Ix};

/// What was said about one passage.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// The confirmation of highest rank.
    pub(super) confirmed: Option<Ix>,
    /// The abandonment of highest rank.
    pub(super) abandoned: Option<Ix>,
    /// The plate correction of highest rank.
    pub(super) corrected: Option<Ix>,
    /// Of voided, soft-closed and reopened the one of highest rank.
    pub(super) act: Option<Ix>,
    /// The price set by hand, of highest rank.
    pub(super) price: Option<Ix>,
    /// Forgiven, VND.
    pub(super) waived: i64,
    /// Could not be collected, VND; none where nobody said so.
    pub(super) uncollected: Option<i64>,
    /// Received, VND.
    pub(super) paid: i64,
    /// The basis differences, in rank order.
    pub(super) differences: Vec<Ix>,
    /// An exit names it.
    pub(super) left: bool,
    /// A person had its barrier opened, outside of any decision.
    pub(super) vended: bool,
    /// Another vehicle followed it on its opening.
    pub(super) tailgated: bool,
    /// A vend or a passage without opening turned out to be this vehicle's.
    pub(super) bound: bool,
    /// Every event about it, itself included, in rank order.
    pub(super) events: Vec<Ix>,
}

/// What was said about every passage, by index.
pub(super) struct Stage1 {
    told: Vec<Told>,
    /// The passage whose plate a passage takes: of an exit the opening it names, or the first exit of a session
    /// without one.
    source: Vec<Ix>,
}

impl Stage1 {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let mut told = vec![Told::default(); index.len()];
        // The exit that an exit's loop means when it names the opening: the last one before.
        let mut last_exit: Vec<Option<Ix>> = vec![None; told.len()];
        for (i, fact) in index.iter() {
            if fact.is_passage() {
                let stands = index.stands_for(i);
                told[stands].events.push(i);
                if stands == i
                    && fact.kind() == Kind::Exit
                    && let Some(named) = index.named(i)
                {
                    told[named].left = true;
                    last_exit[named] = Some(i);
                }
                continue;
            }
            let Some(mut about) = index.named(i) else { continue };
            let about_exit = index.fact(about).kind() == Kind::Exit;
            match fact.kind() {
                Kind::ExitConfirmed | Kind::ExitAbandoned if !about_exit => match last_exit[about] {
                    Some(exit) => about = exit,
                    None => continue,
                },
                Kind::EntryConfirmed | Kind::EntryAbandoned if about_exit => continue,
                _ => {}
            }
            let t = &mut told[about];
            t.events.push(i);
            if index.is_repeated(i) {
                continue;
            }
            match fact.kind() {
                Kind::EntryConfirmed | Kind::ExitConfirmed => t.confirmed = Some(i),
                Kind::EntryAbandoned | Kind::ExitAbandoned => t.abandoned = Some(i),
                Kind::PlateCorrected => t.corrected = Some(i),
                Kind::Voided | Kind::SoftClosed | Kind::Reopened => t.act = Some(i),
                Kind::PriceSet => t.price = Some(i),
                Kind::BasisDifference => t.differences.push(i),
                Kind::Waived => {
                    if let Some(Body::Waived(w)) = index.body(i) {
                        t.waived = t.waived.saturating_add(w.amount.max(0));
                    }
                }
                Kind::Uncollected => {
                    if let Some(Body::Uncollected(u)) = index.body(i) {
                        t.uncollected = Some(t.uncollected.unwrap_or(0).saturating_add(u.amount.max(0)));
                    }
                }
                Kind::Payment => {
                    if let Some(Body::Payment(p)) = index.body(i) {
                        t.paid = t.paid.saturating_add(p.amount);
                    }
                }
                Kind::LaneCommanded => {
                    t.vended |=
                        matches!(index.body(i), Some(Body::LaneCommanded(c)) if c.order == LaneOrder::Open);
                }
                Kind::UnopenedPassage => t.tailgated = true,
                Kind::PassageResolved => t.bound = true,
                Kind::EntryPending
                | Kind::Exit
                | Kind::PolicySet
                | Kind::ClockOffset
                | Kind::LaneCommandSent
                | Kind::LaneCommandEnded
                | Kind::LaneModeSet
                | Kind::Unknown(_) => {}
                // About no session.
                Kind::ListEntrySet
                | Kind::AntiPassbackReset
                | Kind::AntiPassbackMode
                | Kind::PassSet
                | Kind::OccupancyCorrected
                | Kind::LostRange => {}
            }
        }
        let mut source: Vec<Ix> = (0..told.len()).collect();
        for (i, fact) in index.iter() {
            if fact.kind() == Kind::Exit
                && let Some(named) = index.named(i)
            {
                // Exits that name exits are followed downwards in rank only, so this ends.
                match index.fact(named).kind() {
                    Kind::EntryPending => source[i] = named,
                    _ if named < i => source[i] = source[named],
                    _ => {}
                }
            }
        }
        Self { told, source }
    }

    pub(super) fn told(&self, i: Ix) -> &Told {
        &self.told[i]
    }

    /// A person said it never happened.
    pub(super) fn voided(&self, index: &Index<'_>, i: Ix) -> bool {
        self.told[i].act.is_some_and(|a| index.fact(a).kind() == Kind::Voided)
    }

    /// Backed out, or never came, and nothing says otherwise but perhaps an exit.
    pub(super) fn abandoned(&self, i: Ix) -> bool {
        self.told[i].abandoned.is_some() && self.told[i].confirmed.is_none()
    }

    /// Takes part in the fold: neither void nor abandoned, or named by an exit.
    pub(super) fn counts(&self, index: &Index<'_>, opening: Ix) -> bool {
        self.told[opening].left || !(self.abandoned(opening) || self.voided(index, opening))
    }

    /// The vehicle of a passage: of the opening an exit names, else by the last correction, else as read.
    pub(super) fn tag(&self, index: &Index<'_>, i: Ix) -> Option<PlateTag> {
        let source = self.source(index, i);
        let corrected = self.told[source].corrected.and_then(|c| index.fact(c).tag());
        corrected.or_else(|| index.fact(source).tag())
    }

    /// The passage whose plate a passage takes.
    pub(super) fn source(&self, index: &Index<'_>, i: Ix) -> Ix {
        self.source[index.stands_for(i)]
    }
}
