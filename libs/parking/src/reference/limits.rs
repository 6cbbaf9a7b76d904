//! How large a document may be. Checked before it is read.

use wire::reference::DocumentKind;

use super::refused::Refused;

/// Objects and lists within each other at most; a rate table has seven.
pub const MAX_DEPTH: usize = 16;

/// Items at most.
#[must_use]
pub const fn max_items(kind: DocumentKind) -> usize {
    match kind {
        DocumentKind::RateTables => 200,
        DocumentKind::Staff => 5_000,
        DocumentKind::Subscriptions => 50_000,
    }
}

pub(super) fn check(kind: DocumentKind, json: &[u8]) -> Result<(), Refused> {
    let limit = kind.max_bytes();
    if json.len() > limit {
        return Err(Refused::one(
            "",
            "too_large",
            format!("has {} bytes, at most {limit} are read", json.len()),
        ));
    }
    if depth(json) > MAX_DEPTH {
        return Err(Refused::one("", "too_deep", format!("is nested more than {MAX_DEPTH} deep")));
    }
    Ok(())
}

/// How deep the text is nested, were it JSON.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for b in json {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn brackets_in_texts_do_not_count() {
        assert_eq!(depth(br#"{"a": ["[[{", "\"[["]}"#), 2);
        assert_eq!(depth(b"[[[]]]"), 3);
        assert_eq!(depth(b""), 0);
    }
}
