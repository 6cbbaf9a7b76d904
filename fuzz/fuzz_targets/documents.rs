//! Documents of the external API: rate tables, staff, passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parking::reference::read;
use wire::reference::DocumentKind;

fuzz_target!(|data: &[u8]| {
    let Some((kind, json)) = data.split_first() else { return };
    let kind = DocumentKind::ALL[usize::from(*kind) % DocumentKind::ALL.len()];
    match read(kind, json) {
        Ok(read_once) => {
            assert!(read_once.version >= 1);
            // Two publications that say the same are the same bytes.
            let again = read(kind, &read_once.canonical).expect("the same, without spaces");
            assert_eq!(again.canonical, read_once.canonical);
            assert_eq!((again.version, again.items), (read_once.version, read_once.items));
            let packed = wire::reference::pack(&read_once.canonical).expect("can be packed");
            assert_eq!(wire::reference::unpack(kind, &packed).as_ref(), Ok(&read_once.canonical));
        }
        Err(refused) => assert!(!refused.errors.is_empty(), "a refusal says why"),
    }
});
