//! The same set of events gives the same rows, in any order, with any duplication, in any grouping.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking::fact::Fact;
use parking::history::{ConflictRow, HistoryRow, Policies, project};
use proptest::prelude::*;
use proptest::sample::Index;
use wire::event::{
    Basis, BasisDifference, Body, Kind, PlateCorrected, PlateFacts, PolicyRule, PolicySet, PriceSet,
    Reopened, SoftClosed, Uncollected, Voided, Waived,
};

use crate::log::{Log, T0, close_over, entry_body, staff, tag};

/// One random step; indices pick among the events so far.
#[derive(Debug, Clone)]
struct Step {
    what: u8,
    central: u8,
    second: i64,
    plate: u8,
    names: Option<Index>,
    command: Option<u8>,
    erased: bool,
    flagged: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..25u8,
        1..5u8,
        0..400i64,
        0..4u8,
        prop::option::weighted(0.8, any::<Index>()),
        prop::option::weighted(0.15, 0..6u8),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(what, central, second, plate, names, command, erased, flagged)| Step {
            what,
            central,
            second,
            plate,
            names,
            command,
            erased,
            flagged,
        })
}

fn key(n: u8) -> String {
    format!("29A1234{n}")
}

fn log(steps: &[Step]) -> Log {
    let mut l = Log::default();
    for s in steps {
        let k = key(s.plate);
        let named = s.names.and_then(|i| {
            let passages: Vec<&Fact> = l.facts.iter().filter(|f| f.is_passage()).collect();
            if passages.is_empty() { None } else { Some(i.get(&passages).header.position.clone()) }
        });
        match (s.what, &named) {
            (0..=6, _) => {
                l.entry(s.central, s.second, &k);
            }
            (7..=11, of) => {
                l.exit(s.central, s.second, &k, of.as_ref(), 25_000 + s.second);
                if s.flagged
                    && let Some(Body::Exit(b)) = l.last().body.as_mut().map(Arc::make_mut)
                {
                    b.flags.push("standing_charge".into());
                    b.charged_tag = (s.second % 2 == 0).then(|| tag(&key((s.plate + 1) % 4)));
                }
            }
            (12, Some(of)) => {
                l.confirm(s.central, s.second, &k, of);
            }
            (13, Some(of)) => {
                l.abandon(s.central, s.second, &k, of);
            }
            (14, Some(of)) => {
                l.exit_confirm(s.central, s.second, &k, of);
            }
            (15, Some(of)) => {
                l.reverse(s.central, s.second, &k, of);
            }
            (16, Some(of)) => {
                l.push(s.central, s.second, &k, Some(of), Body::Voided(Voided { staff: staff() }));
            }
            (17, Some(of)) => {
                let plate = PlateFacts { key: k.clone(), display: k.clone(), ..PlateFacts::default() };
                let b = Body::PlateCorrected(PlateCorrected { plate, staff: staff() });
                l.push(s.central, s.second, &k, Some(of), b);
            }
            (18, Some(of)) => {
                let b = Body::Waived(Waived { amount: 1_000, staff: staff() });
                l.push(s.central, s.second, &k, Some(of), b);
            }
            (24, Some(of)) => {
                let b = Body::Uncollected(Uncollected { amount: 1_000, staff: staff() });
                l.push(s.central, s.second, &k, Some(of), b);
            }
            (19, Some(of)) => {
                l.push(s.central, s.second, &k, Some(of), Body::SoftClosed(SoftClosed { staff: staff() }));
            }
            (20, Some(of)) => {
                l.push(s.central, s.second, &k, Some(of), Body::Reopened(Reopened { staff: staff() }));
            }
            (21, Some(of)) => {
                let b = Body::PriceSet(PriceSet { fee: s.second, staff: staff() });
                l.push(s.central, s.second, &k, Some(of), b);
            }
            (22, Some(of)) => {
                let basis = Basis { event_id: "e".into(), entry_time: T0 + s.second * 1000 };
                let plate_tag = (s.second % 2 == 0).then(|| tag(&k));
                let b =
                    Body::BasisDifference(BasisDifference { basis, plate_tag, ..BasisDifference::default() });
                l.push(s.central, s.second, &k, Some(of), b);
            }
            // A fork: another opening at a position that is taken.
            (23, Some(of)) => l.put(of.clone(), s.second, &k, None, entry_body(&k, T0)),
            _ => continue,
        }
        if let Some(c) = s.command {
            l.by_command(c);
        }
        if s.erased {
            l.erase();
        }
    }
    l
}

fn policies() -> Policies {
    let mut l = Log::default();
    let rule = PolicyRule { duplicate_window_ms: 5_000 };
    let set = PolicySet { version: 2, rule, valid_from: T0 + 200_000, staff: staff() };
    l.push(1, 0, "P", None, Body::PolicySet(set));
    Policies::of(&l.facts)
}

type Tables = (BTreeMap<(String, u32), HistoryRow>, BTreeMap<String, ConflictRow>);

/// What a central's tables hold after it applied the facts in these parts.
fn apply_in_parts(facts: &[Fact], cuts: &[Index]) -> Tables {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(facts.len() + 1)).collect();
    at.push(facts.len());
    at.sort_unstable();
    let mut tables = Tables::default();
    let mut from = 0;
    for to in at {
        if from == to {
            continue;
        }
        let closed = close_over(&facts[..to], &facts[from..to]);
        replace(&mut tables, &closed);
        from = to;
    }
    tables
}

fn replace(tables: &mut Tables, closed: &[Fact]) {
    let p = project(closed, &policies());
    tables.0.retain(|_, r| !p.tags.contains(&r.plate_tag));
    tables.1.retain(|_, c| !p.tags.contains(&c.plate_tag));
    for r in p.rows {
        let key = (format!("{}/{}", r.opening.position, r.opening.hash), r.alias_number);
        assert!(tables.0.insert(key, r).is_none());
    }
    for c in p.conflicts {
        assert!(tables.1.insert(c.id.to_string(), c).is_none());
    }
}

fn all_at_once(facts: &[Fact]) -> Tables {
    let mut tables = Tables::default();
    replace(&mut tables, facts);
    tables
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn order_and_duplication_change_nothing(
        steps in prop::collection::vec(step(), 1..40),
        again in prop::collection::vec(any::<Index>(), 0..10),
        shuffle in prop::collection::vec(any::<u32>(), 60),
    ) {
        let facts = log(&steps).facts;
        let expected = project(&facts, &policies());
        let mut mixed = facts.clone();
        if !facts.is_empty() {
            mixed.extend(again.iter().map(|i| i.get(&facts).clone()));
        }
        let mut order: Vec<(u32, Fact)> =
            mixed.into_iter().enumerate().map(|(i, f)| (shuffle[i % 60], f)).collect();
        order.sort_by_key(|(n, _)| *n);
        let mixed: Vec<Fact> = order.into_iter().map(|(_, f)| f).collect();
        let got = project(&mixed, &policies());
        prop_assert_eq!(&got, &expected);
        let hashes = |p: &parking::history::Projection| -> Vec<_> { p.rows.iter().map(HistoryRow::row_hash).collect() };
        prop_assert_eq!(hashes(&got), hashes(&expected));
    }

    #[test]
    fn parts_give_what_all_at_once_gives(
        steps in prop::collection::vec(step(), 1..40),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        shuffle in prop::collection::vec(any::<u32>(), 60),
    ) {
        let mut order: Vec<(u32, Fact)> =
            log(&steps).facts.into_iter().enumerate().map(|(i, f)| (shuffle[i], f)).collect();
        order.sort_by_key(|(n, _)| *n);
        let facts: Vec<Fact> = order.into_iter().map(|(_, f)| f).collect();
        let parts = apply_in_parts(&facts, &cuts);
        prop_assert_eq!(&parts, &all_at_once(&facts));
        let mut twice = parts.clone();
        if let Some(last) = facts.last() {
            replace(&mut twice, &close_over(&facts, std::slice::from_ref(last)));
        }
        prop_assert_eq!(twice, parts);
    }

    #[test]
    fn every_opening_has_one_row_and_no_plate_two_open_sessions(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let facts = log(&steps).facts;
        let p = project(&facts, &policies());
        let mut openings: Vec<_> = facts
            .iter()
            .filter(|f| f.kind() == Kind::EntryPending)
            .map(|f| (f.position().clone(), f.hash))
            .collect();
        openings.sort();
        openings.dedup();
        let mut rows: Vec<_> =
            p.rows.iter().filter(|r| !r.no_entry).map(|r| (r.opening.position.clone(), r.opening.hash)).collect();
        rows.sort();
        prop_assert_eq!(rows, openings);
        let mut open: BTreeMap<_, u32> = BTreeMap::new();
        for r in p.rows.iter().filter(|r| r.is_open()) {
            *open.entry(r.plate_tag).or_default() += 1;
        }
        prop_assert!(open.values().all(|n| *n == 1), "{:?}", open);
        let mut names: Vec<_> = p.rows.iter().map(|r| r.event_id.clone()).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), all);
        for r in &p.rows {
            prop_assert!(p.tags.contains(&r.plate_tag));
            prop_assert!(r.duplicate_of.is_none() == (r.status != wire::http::SessionStatus::Duplicate));
        }
        for f in facts.iter().filter(|f| f.is_passage()) {
            prop_assert!(p.row_of(f.position()).is_some(), "an event of no row: {:?}", f.kind());
        }
    }
}
