//! From any text to the characters of a key, and where the text broke them into groups.

use unicode_normalization::UnicodeNormalization;

use super::MAX_CHARS;

/// The `[0-9A-Z]` characters of a text, and the places where something that is neither letter nor digit stood.
pub(super) struct Normal {
    chars: [u8; MAX_CHARS],
    len: usize,
    /// Bit i is set when a group ends before character i.
    cuts: u64,
}

impl Normal {
    /// Composes (NFC), upper-cases, takes Đ as D, splits at everything that is not alphanumeric. Letters and digits of
    /// other scripts are dropped without splitting: they belong to a group, but not to a key.
    pub(super) fn of(raw: &str) -> Self {
        let mut normal = Self { chars: [0; MAX_CHARS], len: 0, cuts: 0 };
        let mut cut = false;
        for_each(raw, |step| match step {
            Step::Char(b, _) if normal.len < MAX_CHARS => {
                if cut && normal.len > 0 {
                    normal.cuts |= 1 << normal.len;
                }
                cut = false;
                normal.chars[normal.len] = b;
                normal.len += 1;
            }
            Step::Separator(_) => cut = true,
            Step::Char(..) | Step::Foreign => {}
        });
        normal
    }

    /// The characters of the key, in the order of the text.
    pub(super) fn chars(&self) -> &[u8] {
        &self.chars[..self.len]
    }

    /// Bit i is set when a group ends before character i.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }
}

/// The form for people of a text that fits no pattern: its letters, digits and separators, upper-cased, so that
/// reading it again gives the same key.
pub(super) fn tidy(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut pending = None;
    for_each(raw, |step| match step {
        Step::Char(_, shown) => {
            if let Some(separator) = pending.take()
                && !out.is_empty()
            {
                out.push(separator);
            }
            out.push(shown);
        }
        Step::Separator(c) => {
            // The first mark of a run stands, a mark rather than a space.
            let shown = if matches!(c, '-' | '.') { c } else { ' ' };
            if pending.is_none_or(|p| p == ' ') {
                pending = Some(shown);
            }
        }
        Step::Foreign => {}
    });
    out
}

enum Step {
    /// A key character and how it is shown (Đ stays Đ).
    Char(u8, char),
    /// A letter or digit that no key has.
    Foreign,
    /// Anything else.
    Separator(char),
}

fn for_each(raw: &str, mut f: impl FnMut(Step)) {
    if raw.is_ascii() {
        for b in raw.bytes() {
            f(ascii(b));
        }
    } else {
        for c in raw.nfc() {
            f(step(c));
        }
    }
}

fn ascii(b: u8) -> Step {
    if b.is_ascii_alphanumeric() {
        let upper = b.to_ascii_uppercase();
        Step::Char(upper, char::from(upper))
    } else {
        Step::Separator(char::from(b))
    }
}

fn step(c: char) -> Step {
    if let Ok(b) = u8::try_from(c)
        && b.is_ascii()
    {
        return ascii(b);
    }
    // Đ proper, and the two letters that fonts and keyboards write in its place.
    if matches!(c, 'Đ' | 'đ' | 'Ð' | 'ð' | 'Ɖ' | 'ɖ') {
        return Step::Char(b'D', 'Đ');
    }
    if !c.is_alphanumeric() {
        return Step::Separator(c);
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(u), None) if u.is_ascii_alphanumeric() => ascii(u as u8),
        _ => Step::Foreign,
    }
}
