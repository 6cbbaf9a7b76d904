//! Bundles: files from a USB stick.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::bundle::{BadBundle, MAGIC, Reader, VERSION, check};

fuzz_target!(|data: &[u8]| {
    // The front is always the same: it need not be found.
    let mut whole = MAGIC.to_vec();
    whole.push(VERSION);
    whole.extend_from_slice(data);
    for file in [&whole[..], data] {
        let mut told = 0;
        match check(file, |events| {
            assert!(events >= told, "progress goes forward");
            told = events;
        }) {
            Ok(checked) => {
                assert_eq!(checked.manifest.events, told);
                // A byte more is another file.
                let mut longer = file.to_vec();
                longer.push(0);
                assert!(matches!(check(&longer[..], |_| ()), Err(BadBundle::Trailing)));
            }
            Err(e) => assert!(e.to_string().len() < 4096 + file.len()),
        }
        if let Ok(mut reader) = Reader::new(file) {
            let mut read = 0;
            while let Ok(Some(_)) = reader.next_record() {
                read += 1;
                assert!(read <= file.len());
            }
        }
    }
});
