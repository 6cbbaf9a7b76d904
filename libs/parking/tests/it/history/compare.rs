//! What another policy would have decided.

use parking::history::compare::{Comparison, Difference, Question};
use parking::history::{ConflictKind, Policies, Policy};
use wire::event::PolicyRule;
use wire::http::SessionStatus::{Duplicate, Exited, Pending, Superseded};

use crate::log::{Log, T0};

fn with_window(ms: i64) -> Policies {
    let rule = PolicyRule { duplicate_window_ms: ms };
    Policies::default().and(Policy { version: -1, from: T0, until: None, rule })
}

fn ask(l: &Log, after: &Policies, behind: Option<(i64, String)>, limit: usize) -> Comparison {
    let before = Policies::of(&l.facts);
    let question = Question { before: &before, after, from: T0, to: T0 + 100_000_000, behind, limit };
    let mut c = Comparison::default();
    // One vehicle at a time, as a store is read.
    for tag in l.facts.iter().filter_map(|f| f.tag()).collect::<std::collections::BTreeSet<_>>() {
        let facts: Vec<_> = l.facts.iter().filter(|f| f.tag() == Some(tag)).cloned().collect();
        c.add(&question, &facts);
    }
    c
}

fn two_readings_each(plates: u32) -> Log {
    let mut l = Log::default();
    for n in 0..plates {
        let (key, at) = (format!("29A{n:05}"), i64::from(n) * 10);
        l.entry(1, at, &key);
        let second = l.entry(2, at + 90, &key);
        l.exit(5, at + 3600, &key, Some(&second), 25_000);
    }
    l
}

#[test]
fn a_longer_window_makes_one_passage_of_two() {
    let l = two_readings_each(1);
    let c = ask(&l, &with_window(120_000), None, 10);
    assert_eq!(c.conflicts.get(&ConflictKind::Reentry), Some(&(1, 0)));
    assert_eq!(c.conflicts.get(&ConflictKind::DuplicateEntry), Some(&(0, 1)));
    assert_eq!(c.sessions.get(&Exited), Some(&(1, 1)));
    assert_eq!(c.sessions.get(&Superseded), Some(&(1, 0)));
    assert_eq!(c.differing, 2);
    let [first, second] = &c.listed[..] else { panic!("{:?}", c.listed) };
    assert_eq!((first.before.status, first.after.status), (Superseded, Exited));
    assert_eq!((second.before.status, second.after.status), (Exited, Duplicate));
    assert_eq!(second.after.duplicate_of.as_deref(), Some(first.event_id.as_str()));
    assert_eq!((first.before.fee, first.after.fee), (Some(0), Some(25_000)));
}

#[test]
fn the_same_rule_changes_nothing_and_neither_does_one_for_another_time() {
    let l = two_readings_each(3);
    let same = ask(&l, &with_window(60_000), None, 10);
    assert_eq!(same.differing, 0, "the version alone is no difference");
    let rule = PolicyRule { duplicate_window_ms: 120_000 };
    let over = Policies::default().and(Policy { version: -1, from: T0 - 1000, until: Some(T0), rule });
    assert_eq!(ask(&l, &over, None, 10).differing, 0);
}

#[test]
fn a_session_outside_the_period_is_not_counted() {
    let mut l = two_readings_each(1);
    for f in &mut l.facts {
        f.header.occurred_at -= 50_000_000;
    }
    let c = ask(&l, &with_window(120_000), None, 10);
    assert_eq!((c.differing, c.sessions.get(&Pending)), (0, None));
}

#[test]
fn pages_follow_each_other_and_count_everything_each_time() {
    let l = two_readings_each(5);
    let after = with_window(120_000);
    let mut all: Vec<Difference> = Vec::new();
    let mut behind = None;
    loop {
        let c = ask(&l, &after, behind.clone(), 3);
        assert_eq!(c.differing, 10);
        let Some(last) = c.listed.last() else { break };
        assert!(c.listed.len() <= 3);
        behind = Some((last.at, last.event_id.clone()));
        all.extend(c.listed);
    }
    assert_eq!(all.len(), 10);
    assert_eq!(all, ask(&l, &after, None, 100).listed);
}
