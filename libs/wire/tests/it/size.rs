//! Bytes per event, live and in pages.

use wire::bus::events::Carried;
use wire::bus::trace::TraceContext;
use wire::mesh::{Beat, BeatEcho, Message, ShortDigest};

use crate::sample::{chain, stream};

#[test]
fn a_page_stays_within_its_bounds_and_packs_well() {
    let frames = chain(&stream(1), 5000);
    let mut at = 0;
    let mut bytes = 0;
    while at < frames.len() {
        let (page, n) = wire::page::pack(&frames[at..]).unwrap();
        assert!(page.len() <= wire::page::MAX_PAGE_BYTES && n > 0);
        assert_eq!(wire::page::unpack(&page).unwrap(), frames[at..at + n]);
        at += n;
        bytes += page.len();
    }
    let per_event = bytes / frames.len();
    assert!(per_event <= 120, "{per_event} bytes per event in pages, 120 are allowed");
}

#[test]
fn a_live_entry_stays_below_400_bytes_and_an_exit_below_700() {
    let trace = Some(TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 });
    let size = |i: usize| {
        let f = &chain(&stream(1), 3)[i];
        Message::Events(vec![Carried { trace, committed_at: 1_793_000_000_001, frame: f.bytes().to_vec() }])
            .encode()
            .unwrap()
            .len()
    };
    assert!(size(0) <= 420, "entry: {} bytes", size(0));
    assert!(size(2) <= 700, "exit: {} bytes", size(2));
}

#[test]
fn packed_live_events_take_much_less_and_a_beat_takes_twenty_bytes() {
    let size = |i: usize| {
        let frame = chain(&stream(1), 3)[i].bytes().to_vec();
        let events = [Carried { trace: None, committed_at: 1_793_000_000_001, frame }];
        Message::pack_events(&Message::encode_events(&events).unwrap()).len()
    };
    assert!(size(0) <= 240, "entry: {} bytes", size(0));
    assert!(size(2) <= 360, "exit: {} bytes", size(2));
    let beat = Beat {
        n: Some(200),
        clock: 1_793_000_000_001,
        echo: Some(BeatEcho { n: 200, held_us: 29_999_999 }),
        positions_digest: Some(ShortDigest([7; 6])),
        ..Beat::default()
    };
    assert!(Message::Beat(beat).encode().unwrap().len() <= 20);
}
