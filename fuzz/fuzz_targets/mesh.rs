//! Messages between centrals.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::mesh::{MAX_FRAME_BYTES, Message};

/// Live events in packed form: small bytes may become as many as any message has, and no more.
const EVENTS_PACKED: u8 = 14;

fuzz_target!(|data: &[u8]| {
    if data.len() > MAX_FRAME_BYTES {
        return;
    }
    let Ok(message) = Message::decode(data) else { return };
    let bytes = message.encode().expect("what was read can be written");
    let again = Message::decode(&bytes).expect("what was written can be read");
    assert_eq!(again, message);
    assert_eq!(again.encode().expect("twice"), bytes);
    let room = if data.first() == Some(&EVENTS_PACKED) { MAX_FRAME_BYTES } else { data.len() };
    // No small message becomes a large one.
    assert!(bytes.len() <= room * 8 + 1024, "{} from {}", bytes.len(), data.len());
    if let Message::Events(events) = message {
        let held: usize = events.iter().map(|e| e.frame.len()).sum();
        assert!(held <= room);
    }
});
