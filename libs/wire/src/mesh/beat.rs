//! The beat of protocol 2: what a link without traffic says every `HEARTBEAT_INTERVAL`, in about twenty bytes.
//!
//! ```text
//! beat := flags u8 | n u8 (bit 1) | clock i48 | echo u8, held varint (bit 2) | digest 6 bytes (bit 3) | ledger process (bit 4)
//! ```
//! Big endian. Bit 0 asks for an answer at once. Flags and bytes behind the known ones are left alone. A beat is not answered by
//! itself: the next beat of the other side says which one came last and how long ago, so that one message each way is enough for
//! round trip, skew and proof of life (as in the symmetric mode of NTP).

use crate::hash::Hash32;

/// The first bytes of a digest of a position map: enough to see that two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortDigest(pub [u8; 6]);

impl ShortDigest {
    /// Of a digest.
    pub fn of(digest: &Hash32) -> Self {
        let mut short = [0; 6];
        short.copy_from_slice(&digest.as_bytes()[..6]);
        Self(short)
    }
}

/// Which beat came last, and how long ago it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeatEcho {
    /// Its number.
    pub n: u8,
    /// µs between its coming and this beat.
    pub held_us: u32,
}

/// A beat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beat {
    /// Number of the beat on this link, its last eight bits; none in an answer, which nobody echoes.
    pub n: Option<u8>,
    /// Sender's clock when sending, ms since the epoch.
    pub clock: i64,
    /// True asks for an answer at once.
    pub please_answer: bool,
    /// The last numbered beat of the receiver.
    pub echo: Option<BeatEcho>,
    /// Digest of the sender's position map, read from its Postgres for this beat.
    pub positions_digest: Option<ShortDigest>,
    /// The ledger's process id, when it is another than was told on this link before.
    pub ledger_process: Option<String>,
}

const ANSWER: u8 = 1;
const NUMBER: u8 = 2;
const ECHO: u8 = 4;
const DIGEST: u8 = 8;
const PROCESS: u8 = 16;

impl Beat {
    /// Appends the bytes.
    pub(super) fn encode(&self, mut out: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        let at = out.len();
        out.push(if self.please_answer { ANSWER } else { 0 });
        if let Some(n) = self.n {
            out[at] |= NUMBER;
            out.push(n);
        }
        out.extend_from_slice(&self.clock.to_be_bytes()[2..]);
        if let Some(echo) = self.echo {
            out[at] |= ECHO;
            out.push(echo.n);
            out = postcard::to_extend(&echo.held_us, out)?;
        }
        if let Some(digest) = self.positions_digest {
            out[at] |= DIGEST;
            out.extend_from_slice(&digest.0);
        }
        if let Some(process) = &self.ledger_process {
            out[at] |= PROCESS;
            out = postcard::to_extend(process, out)?;
        }
        Ok(out)
    }

    /// Reads the bytes; none when they are cut short.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, mut b) = bytes.split_first()?;
        let has = |flag: u8| flags & flag != 0;
        let mut beat = Self { please_answer: has(ANSWER), ..Self::default() };
        if has(NUMBER) {
            let (n, rest) = b.split_first()?;
            (beat.n, b) = (Some(*n), rest);
        }
        let (clock, rest) = b.split_first_chunk::<6>()?;
        b = rest;
        let mut wide = if clock[0] & 0x80 == 0 { [0; 8] } else { [0xff; 8] };
        wide[2..].copy_from_slice(clock);
        beat.clock = i64::from_be_bytes(wide);
        if has(ECHO) {
            let (n, rest) = b.split_first()?;
            let (held_us, rest) = postcard::take_from_bytes(rest).ok()?;
            (beat.echo, b) = (Some(BeatEcho { n: *n, held_us }), rest);
        }
        if has(DIGEST) {
            let (digest, rest) = b.split_first_chunk::<6>()?;
            (beat.positions_digest, b) = (Some(ShortDigest(*digest)), rest);
        }
        if has(PROCESS) {
            beat.ledger_process = Some(postcard::from_bytes(b).ok()?);
        }
        Some(beat)
    }
}
