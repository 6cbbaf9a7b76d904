//! Opaque cursors: the sort key of the last item, so that a page stays right while rows are added.

use super::{NoAnswer, bad_field};

/// Writes one.
pub(super) fn write(at: i64, id: &str) -> String {
    let mut out = String::with_capacity(2 * (id.len() + 12));
    for b in format!("{at}|{id}").bytes() {
        out.push_str(&format!("{b:02x}"));
    }
    out
}

/// Reads one. Errors: the asker made it up.
pub(super) fn read(text: &str) -> Result<(i64, String), NoAnswer> {
    let bad = || bad_field("cursor", "invalid", "must be a next_cursor of this central");
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) || text.len() > 4096 {
        return Err(bad());
    }
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks_exact(2) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        bytes.push(u8::from_str_radix(pair, 16).map_err(|_| bad())?);
    }
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (at, id) = text.split_once('|').ok_or_else(bad)?;
    Ok((at.parse().map_err(|_| bad())?, id.replace('\0', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let c = write(-5, "central-1_5_29A12345~2");
        assert_eq!(read(&c).unwrap(), (-5, "central-1_5_29A12345~2".to_owned()));
        for bad in ["x", "zz", "é", "3132", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
