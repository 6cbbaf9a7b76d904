//! The work around catch-up, by hand.

use std::collections::VecDeque;

use wire::bus::events::ApplyReply;
use wire::event::{Frame, Header, Kind};
use wire::hash::Hash32;
use wire::id::Incarnation;
use wire::mesh::{Message, Positions as Told, SyncRequest, SyncResponse};
use wire::position::{Position, SeqRange, StreamHoldings};

use super::*;
use crate::positions::Positions;

fn id(n: u8) -> CentralId {
    CentralId::new(&format!("central-{n}")).unwrap()
}

fn stream(n: u8) -> wire::position::StreamId {
    wire::position::StreamId { central: id(n), incarnation: Incarnation(u128::from(n)) }
}

fn frame(n: u8, seq: u64, size: usize) -> Frame {
    let header = Header {
        kind: Kind::EntryPending,
        position: Position { stream: stream(n), seq },
        occurred_at: 0,
        prev_hash: Hash32::default(),
        command_id: None,
        opening: None,
        plate_tag: None,
    };
    // Noise, so that a page is as large as its events.
    let body: Vec<u8> = (0..size as u64).map(|i| (i.wrapping_mul(seq * 2_654_435_761) >> 13) as u8).collect();
    Frame::write(header, &[0; 16], &body).unwrap()
}

fn holdings(n: u8, head: u64) -> StreamHoldings {
    StreamHoldings { stream: stream(n), head, head_hash: Hash32::default(), gaps: vec![], forks: vec![] }
}

/// A sync that has read its holdings and is linked with two peers.
fn sync(mine: Vec<StreamHoldings>) -> Sync {
    let mut s = Sync::new(id(1), Limits::default(), 1000, 7);
    let peers = [id(2), id(3)].into_iter().collect();
    s.configure(0, &peers);
    s.tick(0, true);
    let request = reads(&mut s)[0];
    s.holdings_page(1, request, Ok((mine, false)));
    s.linked(2, &peers);
    s.tick(3, true);
    s.take_outputs();
    s
}

fn reads(s: &mut Sync) -> Vec<u64> {
    let read = |o| match o {
        Output::ReadHoldings { request, .. } | Output::ReadRanges { request, .. } => Some(request),
        _ => None,
    };
    s.take_outputs().into_iter().filter_map(read).collect()
}

fn applies(s: &mut Sync) -> Vec<(u64, usize)> {
    let apply = |o| match o {
        Output::Apply { request, frames, .. } => Some((request, frames.len())),
        _ => None,
    };
    s.take_outputs().into_iter().filter_map(apply).collect()
}

fn ask(peer: u8, n: u64) -> Message {
    let ranges = vec![SeqRange { stream: stream(peer), from: 1, to: 9 }];
    Message::SyncRequest(SyncRequest { id: n, ranges, max_events: 100 })
}

#[test]
fn holdings_are_read_in_pages_again_and_again() {
    let mut s = Sync::new(id(1), Limits::default(), 1000, 7);
    s.tick(0, false);
    assert!(reads(&mut s).is_empty(), "without a bus nothing is asked");
    s.tick(1, true);
    let first = reads(&mut s);
    s.holdings_page(2, first[0] + 99, Err("not ours".into()));
    s.holdings_page(2, first[0], Ok((vec![holdings(1, 4)], true)));
    let second = reads(&mut s);
    assert!(!s.catchup().is_loaded());
    s.holdings_page(3, second[0], Ok((vec![holdings(2, 5)], false)));
    assert!(s.catchup().is_loaded());
    assert_eq!(s.catchup().positions().held(), 9);
    s.tick(9_000, true);
    assert!(reads(&mut s).is_empty());
    s.tick(10_001, true);
    let third = reads(&mut s);
    s.holdings_page(10_002, third[0], Err("no postgres".into()));
    s.tick(10_400, true);
    assert!(reads(&mut s).is_empty());
    s.tick(10_502, true);
    assert_eq!(reads(&mut s).len(), 1, "a failed reading is tried again soon");
}

#[test]
fn requests_are_answered_one_per_peer_and_two_in_all() {
    let mut s = sync(vec![]);
    for n in 0..5 {
        s.received(10, &id(2), ask(2, n));
    }
    s.received(10, &id(3), ask(3, 9));
    s.received(10, &id(4), ask(4, 9));
    let outputs = s.take_outputs();
    let reading = outputs.iter().filter(|o| matches!(o, Output::ReadRanges { .. })).count();
    let left = outputs.iter().filter(|o| matches!(o, Output::Note(Note::RequestLeft { .. }))).count();
    assert_eq!((reading, left), (2, 2), "one of each peer; of five requests three wait or run");
    let request = outputs.iter().find_map(|o| match o {
        Output::ReadRanges { request, ranges, .. } if ranges[0].stream == stream(2) => Some(*request),
        _ => None,
    });
    let frames: Vec<Frame> = (1..=3).map(|seq| frame(2, seq, 10)).collect();
    s.ranges_read(11, request.unwrap(), Ok((pack(&frames).unwrap(), false)));
    let sent: Vec<SyncResponse> = s
        .take_outputs()
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { message: Message::SyncResponse(r), .. } => Some(r),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!((sent[0].id, sent[0].more, sent[1].more), (0, true, false));
    assert_eq!(sent[1].not_held, [SeqRange { stream: stream(2), from: 4, to: 9 }]);
}

#[test]
fn a_failed_read_ends_the_answer_without_denying_anything() {
    let mut s = sync(vec![]);
    s.received(10, &id(2), ask(2, 5));
    let request = reads(&mut s)[0];
    s.ranges_read(11, request, Err("no postgres".into()));
    let end = s.take_outputs().into_iter().find_map(|o| match o {
        Output::Send { message: Message::SyncResponse(r), .. } => Some(r),
        _ => None,
    });
    let end = end.unwrap();
    assert_eq!((end.id, end.more, end.not_held.len()), (5, false, 0));
}

/// Has both peers tell of ten events and returns the requests they are asked for with.
fn asked(s: &mut Sync) -> Vec<(CentralId, u64)> {
    for n in [2, 3] {
        let map = Positions::from_holdings([holdings(n, 100)]);
        let told = Told {
            whole: true,
            more: false,
            please_answer: false,
            digest: map.digest(),
            streams: map.holdings().collect(),
            brought: false,
        };
        s.received(20, &id(n), Message::Positions(told));
    }
    let ask = |o| match o {
        Output::Send { to: Some(to), message: Message::SyncRequest(r) } => Some((to, r.id)),
        _ => None,
    };
    s.take_outputs().into_iter().filter_map(ask).collect()
}

fn page(id: u64, frames: &[Frame]) -> Message {
    let (page, n) = wire::page::pack(frames).unwrap();
    assert_eq!(n, frames.len());
    Message::SyncResponse(SyncResponse { id, more: true, not_held: vec![], page })
}

#[test]
fn pages_are_stored_two_at_once_and_peers_take_turns() {
    let mut s = sync(vec![]);
    let requests = asked(&mut s);
    assert_eq!(requests.len(), 2);
    for (peer, request) in &requests {
        let n = if *peer == id(2) { 2 } else { 3 };
        s.received(30, peer, page(*request, &[frame(n, 100, 10)]));
        s.received(30, peer, page(*request, &[frame(n, 99, 10), frame(n, 98, 10)]));
        s.received(30, peer, page(*request, &[frame(n, 97, 10), frame(n, 96, 10), frame(n, 95, 10)]));
    }
    let first = applies(&mut s);
    assert_eq!(first.iter().map(|a| a.1).collect::<Vec<_>>(), [1, 2], "both of whoever is alone, in order");
    let reply = |stored| Ok(ApplyReply { stored, ..ApplyReply::default() });
    s.applied(31, first[0].0, reply(1));
    s.applied(31, first[0].0, reply(1));
    let second = applies(&mut s);
    assert_eq!(
        second.iter().map(|a| a.1).collect::<Vec<_>>(),
        [3],
        "its turn was before; an answer counts once"
    );
    s.applied(32, first[1].0, reply(2));
    let third = applies(&mut s);
    assert_eq!(third.iter().map(|a| a.1).collect::<Vec<_>>(), [1], "the other peer's first");
    assert_eq!(s.catchup().backlog_applied(), 3);
    assert!(s.is_storing());
}

#[test]
fn a_page_is_cut_into_messages_of_the_bus_and_a_failure_ends_it() {
    let mut s = sync(vec![]);
    let requests = asked(&mut s);
    let (peer, request) = &requests[0];
    let n = if *peer == id(2) { 2 } else { 3 };
    let frames: Vec<Frame> = (1..=40).map(|seq| frame(n, seq, 30_000)).collect();
    let mut rest = &frames[..];
    while !rest.is_empty() {
        let (bytes, n) = wire::page::pack(rest).unwrap();
        let response = SyncResponse { id: *request, more: true, not_held: vec![], page: bytes };
        s.received(30, peer, Message::SyncResponse(response));
        rest = &rest[n..];
    }
    let (mut sizes, mut at_work) = (Vec::new(), VecDeque::from(applies(&mut s)));
    assert_eq!(at_work.len(), 2, "one is stored while the next one travels");
    while let Some((request, n)) = at_work.pop_front() {
        sizes.push(n);
        s.applied(31, request, Ok(ApplyReply { stored: n as u32, ..ApplyReply::default() }));
        at_work.extend(applies(&mut s));
    }
    assert_eq!(sizes.iter().sum::<usize>(), 40);
    assert!(sizes.iter().all(|n| n * 30_000 <= 512 * 1024), "{sizes:?}");
}

/// The ledger is killed with a page, a read for a peer and a read of the own holdings under way: none of it is ever answered.
#[test]
fn a_ledger_that_begins_anew_is_asked_again_at_once() {
    let mut s = sync(vec![holdings(1, 9)]);
    let requests = asked(&mut s);
    let (peer, request) = &requests[0];
    let n = if *peer == id(2) { 2 } else { 3 };
    s.received(30, peer, page(*request, &[frame(n, 100, 10)]));
    let lost = applies(&mut s);
    assert_eq!(lost.len(), 1);
    s.received(31, &id(3), ask(1, 5));
    let lost_read = reads(&mut s);
    assert_eq!(lost_read.len(), 1);
    s.ledger_anew(40);
    assert!(!s.is_storing());
    s.tick(41, true);
    let outputs = s.take_outputs();
    let holdings_read = outputs.iter().any(|o| matches!(o, Output::ReadHoldings { .. }));
    let ranges_read = outputs.iter().find_map(|o| match o {
        Output::ReadRanges { request, .. } => Some(*request),
        _ => None,
    });
    assert!(holdings_read, "what was committed without a word is found");
    assert_ne!(ranges_read, None, "the peer's answer is read again");
    // The page was the last one of its request as far as the peer is concerned: what it brought is asked for again.
    let end = SyncResponse { id: *request, more: false, not_held: vec![], page: vec![] };
    s.received(50, peer, Message::SyncResponse(end));
    let again = s.take_outputs().into_iter().any(|o| match o {
        Output::Send { message: Message::SyncRequest(r), .. } => {
            r.ranges.iter().any(|r| r.stream == stream(n) && r.to == 100)
        }
        _ => false,
    });
    assert!(again, "it does not wait until the time for an answer is over");
    s.applied(60, lost[0].0, Ok(ApplyReply { stored: 1, ..ApplyReply::default() }));
    s.ranges_read(60, lost_read[0], Ok((vec![], false)));
    assert_eq!(s.catchup().backlog_applied(), 0, "answers to what was given up count for nothing");
}

#[test]
fn a_bus_that_comes_back_has_lost_what_was_under_way() {
    let mut s = sync(vec![]);
    let requests = asked(&mut s);
    let (peer, request) = &requests[0];
    let n = if *peer == id(2) { 2 } else { 3 };
    s.received(30, peer, page(*request, &[frame(n, 100, 10)]));
    assert!(s.is_storing());
    s.tick(40, false);
    s.tick(41, true);
    assert!(!s.is_storing());
}
