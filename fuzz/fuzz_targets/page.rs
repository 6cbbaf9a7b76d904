//! Pages of catch-up and the packed parts of documents. An even first byte: the bytes as they come; an odd one: packed first, so that
//! mutations reach what is inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::page::{MAX_PAGE_BYTES, MAX_RAW_BYTES, pack, unpack};
use wire::reference::DocumentKind;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let page = if kind & 1 == 0 {
        data.to_vec()
    } else {
        let mut page = vec![1];
        page.extend(zstd::bulk::compress(data, 1).expect("bytes can be packed"));
        page
    };
    if let Ok(frames) = unpack(&page) {
        let raw: usize = frames.iter().map(|f| f.bytes().len()).sum();
        // Left out hashes are computed again: 32 bytes an event beyond what was packed.
        assert!(raw <= MAX_RAW_BYTES + 32 * frames.len());
        let (packed, took) = pack(&frames).expect("what was unpacked can be packed");
        assert!(packed.len() <= MAX_PAGE_BYTES && took <= frames.len());
        let again = unpack(&packed).expect("what was packed can be unpacked");
        assert_eq!(again, frames[..took]);
    }
    for kind in DocumentKind::ALL {
        if let Ok(text) = wire::reference::unpack(kind, &page) {
            assert!(text.len() <= kind.max_bytes());
        }
    }
});
