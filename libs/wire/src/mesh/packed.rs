//! Live events in few bytes: zstd with a dictionary that both sides have, each message for itself, so that a lost or late one
//! takes no other with it. Only to peers that speak protocol 2.
//!
//! ```text
//! packed := raw length (varint) | zstd( events as in EVENTS )
//! ```

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::message::MAX_FRAME_BYTES;

/// Trained with events of a lab, their random parts drawn anew. Never changes: another one is another message type.
static DICTIONARY: &[u8] = include_bytes!("events-1.dict");
/// More takes longer and saves next to nothing.
const LEVEL: i32 = 1;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    // Room to work in, kept because making it costs more than a message does. Nothing of one message is in it for the next.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends the packed form. Errors: zstd has no room.
pub(super) fn pack(raw: &[u8], mut out: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = u32::try_from(raw.len()).map_err(io::Error::other)?;
    out = postcard::to_extend(&length, out).map_err(io::Error::other)?;
    let packed = PACKER.with_borrow_mut(|packer| {
        let packer = match packer {
            Some(p) => p,
            none => none.insert(new_packer()?),
        };
        packer.compress(raw)
    })?;
    out.extend_from_slice(&packed);
    Ok(out)
}

fn new_packer() -> io::Result<Compressor<'static>> {
    let mut p = Compressor::with_prepared_dictionary(&ENCODER)?;
    // The length stands before it, the dictionary is known by the message type, TLS checks every bit.
    for left_out in
        [zstd::zstd_safe::CParameter::ContentSizeFlag(false), zstd::zstd_safe::CParameter::DictIdFlag(false)]
    {
        p.set_parameter(left_out)?;
    }
    Ok(p)
}

/// Reads the packed form. Errors: damaged, or larger than any message.
pub(super) fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (length, packed) = postcard::take_from_bytes::<u32>(bytes).map_err(io::Error::other)?;
    let length = length as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other("more than a message holds"));
    }
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(u) => u,
            none => none.insert(Decompressor::with_prepared_dictionary(&DECODER)?),
        };
        let raw = unpacker.decompress(packed, length)?;
        if raw.len() == length { Ok(raw) } else { Err(io::Error::other("cut short")) }
    })
}
