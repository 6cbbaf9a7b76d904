//! Opaque cursors: the sort key of the last item, so that a page stays right while rows are added.

/// No cursor is longer.
pub const MAX_CHARS: usize = 4096;

/// The asker made it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a next_cursor of this central")]
pub struct BadCursor;

/// Writes one.
pub fn write(at: i64, id: &str) -> String {
    let mut out = String::with_capacity(2 * (id.len() + 12));
    for b in format!("{at}|{id}").bytes() {
        for half in [b >> 4, b & 15] {
            out.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    out
}

/// Reads one. Errors: [`BadCursor`]; nothing but what [`write`] writes is taken.
pub fn read(text: &str) -> Result<(i64, String), BadCursor> {
    if !text.len().is_multiple_of(2) || text.len() > MAX_CHARS {
        return Err(BadCursor);
    }
    let half = |b: u8| match b {
        b'0'..=b'9' => Ok(b - b'0'),
        b'a'..=b'f' => Ok(b - b'a' + 10),
        _ => Err(BadCursor),
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks_exact(2) {
        bytes.push(half(pair[0])? << 4 | half(pair[1])?);
    }
    let inside = String::from_utf8(bytes).map_err(|_| BadCursor)?;
    let (at, id) = inside.split_once('|').ok_or(BadCursor)?;
    let at: i64 = at.parse().map_err(|_| BadCursor)?;
    // No database keeps NUL, so no cursor of ours has it.
    if id.contains('\0') || write(at, id) != text { Err(BadCursor) } else { Ok((at, id.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_nothing_else_is_one() {
        let c = write(-5, "central-1_5_29A12345~2");
        assert_eq!(read(&c), Ok((-5, "central-1_5_29A12345~2".to_owned())));
        // `+5|x`, `05|x` and upper case would be other names of the same place.
        let plus: String = "+5|x".bytes().map(|b| format!("{b:02x}")).collect();
        let zero: String = "05|x".bytes().map(|b| format!("{b:02x}")).collect();
        let nul: String = "5|\0".bytes().map(|b| format!("{b:02x}")).collect();
        for bad in [
            "x",
            "zz",
            "é",
            "3132",
            "",
            "+1+2",
            &plus,
            &zero,
            &nul,
            &c.to_uppercase(),
            &write(1, &"x".repeat(3000)),
        ] {
            assert_eq!(read(bad), Err(BadCursor), "{bad}");
        }
    }
}
