//! Bytes from outside never panic a decoder.

use proptest::prelude::*;
use wire::event::Frame;
use wire::mesh::Message;

use crate::sample::{chain, stream};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(b in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::parse(b.clone().into());
        let _ = Message::decode(&b);
        let _ = wire::page::unpack(&b);
        let _ = wire::config::P2pConfig::parse(&b);
    }

    #[test]
    fn a_damaged_event_is_refused_or_has_another_hash(at in 0usize..300, bit in 0u8..8, cut in 0usize..300) {
        let f = chain(&stream(1), 3).remove(2);
        let mut b = f.bytes().to_vec();
        let at = at % b.len();
        b[at] ^= 1 << bit;
        if let Ok(other) = Frame::parse(b.into()) {
            // Bits of the form byte and of the length move the border between header and body; everything else is hashed.
            prop_assert_ne!(other.hash(), f.hash());
        }
        let cut = cut % f.bytes().len();
        if let Ok(short) = Frame::parse(f.bytes().slice(..cut)) {
            prop_assert_ne!(short.hash(), f.hash());
        }
    }

    #[test]
    fn damaged_packed_events_never_panic(at in 0usize..4000, bit in 0u8..8, cut in 0usize..4000) {
        let carried = |f: &Frame| wire::bus::events::Carried { trace: None, committed_at: 0, frame: f.bytes().to_vec() };
        let events: Vec<_> = chain(&stream(1), 5).iter().map(carried).collect();
        let mut packed = Message::pack_events(&Message::encode_events(&events).unwrap());
        let (at, cut) = (1 + at % (packed.len() - 1), cut % packed.len());
        let _ = Message::decode(&packed[..cut]);
        packed[at] ^= 1 << bit;
        let _ = Message::decode(&packed);
    }

    #[test]
    fn a_damaged_page_never_panics(at in 0usize..4000, bit in 0u8..8) {
        let (mut page, _) = wire::page::pack(&chain(&stream(1), 30)).unwrap();
        let at = at % page.len();
        page[at] ^= 1 << bit;
        let _ = wire::page::unpack(&page);
    }
}

#[test]
fn a_page_that_unpacks_to_more_than_its_bound_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0u8; 50 * 1024 * 1024], 3).unwrap();
    let mut page = vec![1];
    page.extend_from_slice(&bomb);
    assert_eq!(wire::page::unpack(&page), Err(wire::page::BadPage::Unpack));
}
