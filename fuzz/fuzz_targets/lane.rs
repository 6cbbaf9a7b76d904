//! What lanes, cameras and people send over HTTP. The first byte says which body it is.
#![no_main]

use std::sync::LazyLock;

use edge_gateway::fuzzing::Decoders;
use libfuzzer_sys::fuzz_target;
use wire::config::P2pConfig;

static DECODERS: LazyLock<Decoders> = LazyLock::new(|| {
    let text = include_bytes!("../../config/p2p_config.json");
    Decoders::new(P2pConfig::parse(text).expect("the example of the configuration"))
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    match kind {
        b'o' => DECODERS.open(body),
        b'c' => DECODERS.close(body),
        b'b' => DECODERS.batch(body),
        b'w' => DECODERS.webhook(body),
        b'f' => DECODERS.webhook_form(body),
        b'm' => DECODERS.webhook_multipart("pm", body),
        b'q' => DECODERS.query(&String::from_utf8_lossy(body)),
        b'r' => {
            // Cursors come back as query parameters: what is taken is what was given out.
            let text = String::from_utf8_lossy(body);
            if let Ok((at, id)) = wire::cursor::read(&text) {
                assert_eq!(wire::cursor::write(at, &id), text);
            }
            let written = wire::cursor::write(i64::from(body.len() as u32) - 7, &text);
            if !text.contains('\0') && written.len() <= wire::cursor::MAX_CHARS {
                assert!(wire::cursor::read(&written).is_ok_and(|(_, id)| id == text));
            }
        }
        b't' => {
            let text = String::from_utf8_lossy(body);
            if let Ok(ms) = wire::time::parse_rfc3339(&text) {
                let shown = wire::time::rfc3339(ms, &jiff::tz::TimeZone::UTC);
                assert_eq!(wire::time::parse_rfc3339(&shown), Ok(ms), "{text} became {shown}");
            }
        }
        _ => {}
    }
});
