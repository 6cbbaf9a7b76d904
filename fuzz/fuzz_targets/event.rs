//! Events: frames from a peer, verified, read and projected.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parking::fact::Fact;
use parking::history::{Policies, project};
use wire::event::{Content, Frame, MAX_FRAME_BYTES};
use wire::hash::Hash32;

/// Frames one behind the other, each with its length before it; a single one may come bare.
fn frames(mut data: &[u8]) -> Vec<Frame> {
    let mut out = Vec::new();
    out.extend(Frame::parse(Bytes::copy_from_slice(data)).ok());
    while let Some((head, rest)) = data.split_at_checked(2) {
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let Some((frame, rest)) = rest.split_at_checked(length) else { break };
        out.extend(Frame::parse(Bytes::copy_from_slice(frame)).ok());
        data = rest;
        if out.len() >= 16 {
            break;
        }
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let frames = frames(data);
    let mut facts: Vec<Fact> = Vec::new();
    for frame in &frames {
        assert!(frame.bytes().len() <= MAX_FRAME_BYTES);
        // The bytes are the event: reading them again changes nothing, and erasing the body keeps the hash.
        let again = Frame::parse(frame.bytes().clone()).expect("it was read before");
        assert_eq!((again.hash(), again.header()), (frame.hash(), frame.header()));
        let erased = frame.erased();
        assert_eq!(erased.hash(), frame.hash());
        let stored = Frame::parse(erased.bytes().clone()).expect("an erased event is one");
        assert_eq!((stored.hash(), stored.is_erased()), (frame.hash(), true));
        if let Content::Full { salt, body } = frame.content() {
            assert_eq!(salt.len(), 16);
            let commitment = Hash32::of(&[salt, body]);
            assert!(matches!(stored.content(), Content::Erased { commitment: c } if c == commitment));
            if let Ok(same) = Frame::write(frame.header().clone(), salt.try_into().expect("sixteen"), body) {
                // An origin writes one form only; what a later version adds behind the header is its own affair.
                assert_eq!(same.header(), frame.header());
            }
        }
        facts.extend(writer::fact(frame).ok());
        facts.extend(writer::fact(&erased).ok());
    }
    // The projection is total, and knows no order.
    let forward = project(&facts, &Policies::default());
    facts.reverse();
    let backward = project(&facts, &Policies::default());
    assert_eq!(forward.rows.len(), backward.rows.len());
    assert_eq!(format!("{:?}", forward.rows), format!("{:?}", backward.rows));
    assert_eq!(format!("{:?}", forward.conflicts), format!("{:?}", backward.conflicts));
});
