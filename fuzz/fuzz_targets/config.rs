//! The configuration file, which people and `PUT /api/p2p/config` write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::config::P2pConfig;

fuzz_target!(|data: &[u8]| {
    let config = match P2pConfig::parse(data) {
        Ok(config) => config,
        Err(faults) => {
            assert!(!faults.is_empty(), "a refusal says why");
            return;
        }
    };
    let text = serde_json::to_vec(&config).expect("what was read can be written");
    assert_eq!(P2pConfig::parse(&text).as_ref(), Ok(&config));
    // What is shown holds no secret, and put back it is what it was.
    let shown = config.redacted();
    assert!(shown.this_central.edges.iter().all(|e| e.key_sha256.is_none()));
    assert_eq!(shown.keep_secrets_of(&config), config);
});
