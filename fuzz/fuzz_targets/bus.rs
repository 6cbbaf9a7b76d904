//! Messages of the bus: another service of the same central, of another version, or somebody with its password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::bus::bundle::{BundleAsk, BundleReply};
use wire::bus::command::{CommandEnvelope, CommandReply};
use wire::bus::events::{Apply, ApplyReply, EventBatch, Fetch, Fetched, FromPeer, ToPeer, decode, encode};
use wire::bus::lanes::{LaneModeNow, LanesHeard};
use wire::bus::query::{LedgerIdentity, LedgerQuery, LedgerStatus, MeshQuery, SyncPeers, SyncQuery};
use wire::bus::reference::{ReferenceAsk, ReferenceSay};
use wire::bus::state::{MeshState, Stored, SyncState};
use wire::bus::trace::TraceContext;

fn card<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else { return };
    let written = encode(&value).expect("what was read can be written");
    let again: T = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again).expect("twice"), written);
    assert!(written.len() <= bytes.len(), "the shortest form is written");
}

fn json<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("twice"), written);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, b)) = data.split_first() else { return };
    match kind {
        0 => card::<Apply>(b),
        1 => card::<ApplyReply>(b),
        2 => card::<EventBatch>(b),
        3 => card::<Fetch>(b),
        4 => card::<Fetched>(b),
        5 => card::<ToPeer>(b),
        6 => card::<FromPeer>(b),
        7 => card::<BundleAsk>(b),
        8 => card::<BundleReply>(b),
        9 => card::<ReferenceAsk>(b),
        10 => card::<ReferenceSay>(b),
        b'e' => json::<Stored>(b),
        b'c' => json::<CommandEnvelope>(b),
        b'r' => json::<CommandReply>(b),
        b'l' => json::<LedgerQuery>(b),
        b'm' => json::<MeshQuery>(b),
        b's' => json::<SyncQuery>(b),
        b'i' => json::<LedgerIdentity>(b),
        b'L' => json::<LedgerStatus>(b),
        b'p' => json::<SyncPeers>(b),
        b'M' => json::<MeshState>(b),
        b'S' => json::<SyncState>(b),
        b'h' => json::<LanesHeard>(b),
        b'n' => json::<LaneModeNow>(b),
        b't' => {
            let text = String::from_utf8_lossy(b);
            if let Some(trace) = TraceContext::from_traceparent(&text) {
                assert_eq!(TraceContext::from_traceparent(&trace.to_traceparent()), Some(trace));
            }
        }
        _ => {}
    }
});
