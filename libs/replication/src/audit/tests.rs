use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wire::audit::{AuditAbout, AuditFound, CHUNK};
use wire::event::{Frame, Kind};
use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::StreamId;

use super::*;
use crate::log::Head;
use crate::positions::StreamPositions;

const DAY: i64 = 86_400_000;

fn stream() -> StreamId {
    StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(7) }
}

/// A chain of events; each exit is charged its seq.
fn chain(n: u64) -> Vec<Frame> {
    let mut head = Head::start(stream());
    (1..=n)
        .map(|seq| {
            let at = 20_000 * DAY + (seq as i64) * (DAY / 300);
            let header = head.next(Kind::Exit, at, None, None, Some(wire::hash::PlateTag([1; 16])));
            let body = format!(
                "{{\"plate\":{{\"raw\":\"\",\"key\":\"\",\"display\":\"\"}},\"edge_id\":\"e\",\"vehicle_class\":\"car\",\
                 \"clock\":{{\"received_at\":1}},\"fee\":{seq},\"currency\":\"VND\"}}"
            );
            let f = Frame::write(header, &[3; 16], body.as_bytes()).unwrap();
            head.advance(&f).unwrap();
            f
        })
        .collect()
}

fn rows(frames: &[Frame]) -> Vec<Row> {
    let row = |f: &Frame| Row {
        seq: f.header().position.seq,
        branch: 0,
        hash: Some(f.hash()),
        frame: Ok(f.clone()),
        columns: Vec::new(),
    };
    frames.iter().map(row).collect()
}

fn held(frames: &[Frame]) -> StreamPositions {
    let mut p = StreamPositions::default();
    for f in frames {
        p.insert(f.header().position.seq, f.hash());
    }
    p
}

fn look(rows: &[Row], held: &StreamPositions, to: u64) -> Checked {
    check(&Stretch { stream: &stream(), from: 1, to, rows, held })
}

fn book(frames: &[Frame]) -> Book {
    let (rows, held) = (rows(frames), held(frames));
    let mut book = Book::default();
    for (n, mut seen) in look(&rows, &held, CHUNK * 100).chunks {
        seen.rows = seen.tally().hashes[0] as i64;
        book.put(&stream(), n, seen, 0);
    }
    book
}

/// The same event with another body: whole in itself.
fn forged(f: &Frame) -> Frame {
    Frame::write(f.header().clone(), &[9; 16], b"{}").unwrap()
}

#[test]
fn what_was_written_is_no_fault() {
    let frames = chain(20);
    let seen = look(&rows(&frames), &held(&frames), 512);
    assert_eq!(seen.faults, []);
    let tally = seen.chunks[&0].tally();
    assert_eq!((tally.events, tally.money.charged), (20, (1..=20).sum::<i64>()));
}

#[test]
fn each_damage_is_named_at_its_place() {
    let frames = chain(20);
    let held = held(&frames);
    let changed = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut all = rows(&frames);
        change(&mut all);
        look(&all, &held, 512).faults
    };
    let bytes =
        |seq| Fault::Bytes { seq, branch: 0, why: "the bytes have another hash than the row".to_owned() };
    assert_eq!(changed(&|r| r[4].frame = Ok(forged(&frames[4]))), [bytes(5)]);
    assert_eq!(changed(&|r| r[19].frame = Ok(forged(&frames[19]))), [bytes(20)], "the head, too");
    assert_eq!(
        changed(&|r| r[4].frame = Err("cut short".to_owned())),
        [Fault::Bytes { seq: 5, branch: 0, why: "cut short".to_owned() }]
    );
    assert_eq!(changed(&|r| r[4].hash = Some(Hash32([1; 32]))), [Fault::HashColumn { seq: 5, branch: 0 }]);
    assert_eq!(changed(&|r| r[4].hash = None), [Fault::HashColumn { seq: 5, branch: 0 }]);
    let whole = |r: &mut Vec<Row>, i: usize| {
        let f = forged(&frames[i]);
        r[i].hash = Some(f.hash());
        r[i].frame = Ok(f);
    };
    assert_eq!(changed(&|r| whole(r, 4)), [Fault::Link { seq: 5, hash: forged(&frames[4]).hash() }]);
    assert_eq!(changed(&|r| whole(r, 19)), [Fault::Link { seq: 20, hash: forged(&frames[19]).hash() }]);
    assert_eq!(
        changed(&|r| r[4].columns = vec!["kind"]),
        [Fault::Columns { seq: 5, branch: 0, names: vec!["kind"] }]
    );
    assert_eq!(changed(&|r| r.insert(5, r[4].clone())), [Fault::Twice { seq: 5, branch: 0 }]);
    assert_eq!(changed(&|r| drop(r.drain(4..7))), [Fault::Missing { from: 5, to: 7 }]);
    let says = frames[2].header().position.clone();
    assert_eq!(
        changed(&|r| {
            r.remove(4);
            r[2].seq = 5;
            r.swap(2, 3);
        }),
        [Fault::Misplaced { seq: 5, branch: 0, says }, Fault::Missing { from: 3, to: 3 },]
    );
}

#[test]
fn a_map_that_was_edited_is_told_from_events_that_are_gone() {
    let frames = chain(20);
    let all = rows(&frames);
    let lower = held(&frames[..18]);
    assert!(look(&all, &lower, 512).faults.contains(&Fault::Map { from: 19, to: 20 }));
    let mut forks = held(&frames);
    forks.mark_forked(3, [frames[2].hash(), Hash32([8; 32])]);
    assert_eq!(look(&all, &forks, 512).faults, [Fault::Map { from: 3, to: 3 }]);
    let prints: BTreeSet<u64> = [&held(&frames), &lower, &forks].map(|h| map_print(h, 0)).into();
    assert_eq!(prints.len(), 3);
}

#[test]
fn witnesses_decide_and_nobody_votes() {
    let (a, b) = (Hash32([1; 32]), Hash32([2; 32]));
    let set = |h: &[Hash32]| h.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(judge(&set(&[a]), &set(&[a]), &set(&[])), Verdict::Same);
    assert_eq!(judge(&set(&[a]), &set(&[b]), &set(&[b])), Verdict::Mine);
    assert_eq!(judge(&set(&[a]), &set(&[b]), &set(&[a])), Verdict::Theirs);
    assert_eq!(judge(&set(&[a]), &set(&[b]), &set(&[])), Verdict::Fork);
    assert_eq!(judge(&set(&[a]), &set(&[b]), &set(&[a, b])), Verdict::Fork);
    assert_eq!(judge(&set(&[a, b]), &set(&[b]), &set(&[a])), Verdict::Same);
    let frames = chain(3);
    let at = frames[1].header().position.clone();
    let none = set(&[]);
    assert!(proven(&frames[1], &at, None, &set(&[frames[1].hash()]), &none));
    assert!(!proven(&forged(&frames[1]), &at, None, &set(&[frames[1].hash()]), &none));
    assert!(!proven(&frames[0], &at, None, &set(&[frames[0].hash()]), &none), "another position");
    assert!(proven(&frames[1], &at, Some(frames[1].hash()), &none, &none));
    assert!(proven(&frames[1], &at, None, &none, &set(&[frames[0].hash()])));
    assert!(!proven(&frames[1], &at, None, &none, &none));
}

/// Two centrals talk until nobody asks any more; what the first one found.
fn talk(
    mine: &Book,
    theirs: &Book,
    their_rows: &[Frame],
) -> (Option<Compared>, Vec<BTreeMap<u64, BTreeSet<Hash32>>>) {
    let (me, peer) = (CentralId::new("central-1").unwrap(), CentralId::new("central-2").unwrap());
    let mut x = Exchange::new(1);
    let cuts = theirs.cuts(&me, 100_000, 0);
    let told = theirs.digest(&me, &cuts).unwrap();
    let mut questions: Vec<_> = x.heard(mine, &peer, &told, 5).into_iter().collect();
    let mut found = Vec::new();
    while let Some(q) = questions.pop() {
        let answer = Exchange::answer(theirs, &q.about).unwrap_or_else(|| {
            let AuditAbout::Events { chunk, .. } = &q.about else { panic!("asked {q:?}") };
            let of = their_rows.iter().map(|f| (f.header().position.seq, f.hash()));
            AuditFound::Events(of.filter(|(seq, _)| (seq - 1) / CHUNK == *chunk).collect())
        });
        assert_eq!(
            x.answered(mine, &me, q.id, answer.clone(), 6),
            Next::Nothing,
            "not the peer that was asked"
        );
        match x.answered(mine, &peer, q.id, answer, 6) {
            Next::Ask(more) => questions.extend(more),
            Next::Rows { theirs, .. } => found.push(theirs),
            other => panic!("{other:?}"),
        }
    }
    (x.standings().next().map(|(_, _, s)| s.state), found)
}

/// A peer that was whole all along says the same again only after minutes.
#[test]
fn a_repair_here_ends_the_difference_without_a_word_of_the_peer() {
    let (me, peer) = (CentralId::new("central-1").unwrap(), CentralId::new("central-2").unwrap());
    let frames = chain(600);
    let whole = book(&frames);
    let mut damaged = frames.clone();
    damaged[300] = forged(&frames[300]);
    let damaged = book(&damaged);
    let told = whole.digest(&me, &whole.cuts(&me, 100_000, 0)).unwrap();
    let mut x = Exchange::new(1);
    let q = x.heard(&damaged, &peer, &told, 5).unwrap();
    let days = Exchange::answer(&whole, &q.about).unwrap();
    assert!(matches!(x.answered(&damaged, &peer, q.id, days, 6), Next::Ask(_)));
    let day = day_of(frames[300].header().occurred_at);
    x.look_again(&damaged, 7);
    let stands = |x: &Exchange| x.standings().map(|(_, _, s)| (s.state, s.at, s.since)).next();
    assert_eq!((stands(&x), x.day(&me, day)), (Some((Compared::Differs, 5, 5)), Some(Compared::Differs)));
    x.look_again(&whole, 8);
    assert_eq!((stands(&x), x.day(&me, day)), (Some((Compared::Same, 8, 8)), Some(Compared::Same)));
    // Nor is what was told before believed for ever.
    x.look_again(&damaged, 9);
    assert_eq!(stands(&x), Some((Compared::Same, 8, 8)));
}

#[test]
fn a_difference_is_followed_down_to_the_event() {
    let frames = chain(1500);
    let mut other = frames.clone();
    other[1233] = forged(&frames[1233]);
    let (state, found) = talk(&book(&frames), &book(&other), &other);
    assert_eq!(state, Some(Compared::Differs));
    let mine: BTreeMap<u64, Hash32> = frames.iter().map(|f| (f.header().position.seq, f.hash())).collect();
    let differing: Vec<u64> = found
        .iter()
        .flatten()
        .filter(|(seq, theirs)| !theirs.contains(&mine[seq]))
        .map(|(seq, _)| *seq)
        .collect();
    assert_eq!((found.len(), differing), (1, vec![1234]));
    assert_eq!(talk(&book(&frames), &book(&frames), &frames), (Some(Compared::Same), Vec::new()));
    // Who is behind is not compared.
    assert_eq!(talk(&book(&frames[..900]), &book(&frames), &frames).0, Some(Compared::Waiting));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn sums_tell_any_change_of_any_event(n in 1u64..1200, at in any::<prop::sample::Index>()) {
        let frames = chain(n);
        let i = at.index(frames.len());
        let mut other = frames.clone();
        other[i] = forged(&frames[i]);
        let (a, b) = (book(&frames), book(&other));
        let site = stream().central;
        let told = b.digest(&site, &b.cuts(&site, 100_000, 0)).unwrap();
        prop_assert_eq!(a.compare(&told), Compared::Differs);
        prop_assert_eq!(b.compare(&told), Compared::Same);
        let mut fewer = frames.clone();
        fewer.remove(i);
        prop_assert_eq!(book(&fewer).compare(&told), Compared::Waiting);
    }

    #[test]
    fn a_cut_is_where_it_says(n in 1u64..1600, more in 0u64..600) {
        let long = chain(n + more);
        let (a, b) = (book(&long[..n as usize]), book(&long));
        let site = stream().central;
        // While it grows, what is told ends with a chunk; the other side, further on, can be compared there.
        let told = a.digest(&site, &a.cuts(&site, 0, 0)).unwrap();
        prop_assert_eq!(told.cuts[0].to, n / CHUNK * CHUNK);
        prop_assert_eq!(b.compare(&told), Compared::Same);
        // Quiet, it is told to its end; who is beyond it waits, unless a chunk ends there.
        let told = a.digest(&site, &a.cuts(&site, 100_000, 0)).unwrap();
        prop_assert_eq!(told.cuts[0].to, n);
        prop_assert_eq!(told.tally.events, n);
        let same = more == 0 || n % CHUNK == 0;
        prop_assert_eq!(b.compare(&told) == Compared::Same, same);
    }
}
