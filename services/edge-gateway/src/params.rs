//! Reading query strings and headers, with the same codes as bodies.

use axum::http::{HeaderMap, Uri};

use crate::fields::{Faults, plate_text};

/// The parameters of a query string, in order.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; unknown ones are ignored by not being asked for.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self::of_form(uri.query().unwrap_or_default())
    }

    /// Reads an urlencoded body.
    pub(crate) fn of_form(body: &str) -> Self {
        Self(form_urlencoded::parse(body.as_bytes()).into_owned().collect())
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of a parameter that may stand once. An empty value is absent.
    pub(crate) fn one(&self, f: &mut Faults, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [] | [""] => None,
            [only] => Some(only),
            _ => {
                f.add(format!("/{name}"), "repeated", "may be given once");
                None
            }
        }
    }

    /// A text of at most `max` characters.
    pub(crate) fn text(&self, f: &mut Faults, name: &str, max: usize) -> Option<String> {
        let s = self.one(f, name)?;
        f.text(&format!("/{name}"), s, max)
    }

    /// The texts of a parameter that may be repeated, at most `many` of at most `max` characters. Empty ones are absent.
    pub(crate) fn texts(&self, f: &mut Faults, name: &str, max: usize, many: usize) -> Vec<String> {
        let mut all = self.all(name);
        all.retain(|s| !s.is_empty());
        if all.len() > many {
            f.add(format!("/{name}"), "too_many", format!("must have at most {many} items"));
            return Vec::new();
        }
        all.iter().enumerate().filter_map(|(i, s)| f.text(&format!("/{name}/{i}"), s, max)).collect()
    }

    /// A plate, in any writing.
    pub(crate) fn plate(&self, f: &mut Faults, name: &str) -> Option<String> {
        let s = self.one(f, name)?;
        plate_text(f, &format!("/{name}"), s)
    }

    /// A time with an offset, ms. The `+` of an offset that nobody escaped arrives as a space and is taken for what it was.
    pub(crate) fn time(&self, f: &mut Faults, name: &str) -> Option<i64> {
        let s = self.one(f, name)?;
        let at = s.len().checked_sub(6).filter(|i| s.is_char_boundary(*i) && s[*i..].starts_with(' '));
        if let Some(i) = at
            && let Ok(ms) = wire::time::parse_rfc3339(&format!("{}+{}", &s[..i], &s[i + 1..]))
        {
            return Some(ms);
        }
        f.time(&format!("/{name}"), s)
    }

    /// How long a page may be: 1 to 500, 50 unless said.
    pub(crate) fn limit(&self, f: &mut Faults) -> u32 {
        u32::try_from(self.integer(f, "limit", 1, 500, 50)).unwrap_or(50)
    }

    /// The value of a parameter that is no text, and may stand once: there, an empty value is none of its type.
    pub(crate) fn typed(&self, f: &mut Faults, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [""] => Some(""),
            _ => self.one(f, name),
        }
    }

    /// An integer within a range.
    pub(crate) fn integer(&self, f: &mut Faults, name: &str, min: i64, max: i64, default: i64) -> i64 {
        let Some(s) = self.typed(f, name) else { return default };
        let digits = s.strip_prefix(['-', '+']).unwrap_or(s);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            f.add(format!("/{name}"), "wrong_type", "must be an integer");
            return default;
        }
        match s.parse::<i64>() {
            Ok(n) if (min..=max).contains(&n) => n,
            _ => {
                f.add(format!("/{name}"), "out_of_range", format!("must be {min} to {max}"));
                default
            }
        }
    }

    /// `true` or `false`; false unless said.
    pub(crate) fn flag(&self, f: &mut Faults, name: &str) -> bool {
        match self.typed(f, name) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                f.add(format!("/{name}"), "wrong_type", "must be true or false");
                false
            }
        }
    }

    /// An opaque text of ours that came back: visible ASCII, at most 512 characters.
    pub(crate) fn opaque(&self, f: &mut Faults, name: &str) -> Option<String> {
        let s = self.one(f, name)?;
        opaque(f, name, s)
    }
}

/// Checks an opaque text.
pub(crate) fn opaque(f: &mut Faults, name: &str, s: &str) -> Option<String> {
    if s.len() <= 512 && s.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(s.to_owned());
    }
    f.add(format!("/{name}"), "bad_characters", "must be a text this API gave out");
    None
}

/// The `Idempotency-Key` header: 1 to 255 visible ASCII characters.
pub(crate) fn idempotency_key(f: &mut Faults, headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all("idempotency-key").iter();
    let first = all.next()?;
    if all.next().is_some() {
        f.add("/Idempotency-Key", "repeated", "may be given once");
        return None;
    }
    checked_key(f, "/Idempotency-Key", first.as_bytes())
}

/// Checks the text of an idempotency key.
pub(crate) fn checked_key(f: &mut Faults, at: &str, key: &[u8]) -> Option<String> {
    if key.is_empty() {
        f.add(at, "empty", "must not be empty");
    } else if key.len() > 255 {
        f.add(at, "too_long", "must have at most 255 characters");
    } else if !key.iter().all(u8::is_ascii_graphic) {
        f.add(at, "bad_characters", "must be visible ASCII");
    } else {
        return std::str::from_utf8(key).ok().map(str::to_owned);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(q: &str) -> Params {
        Params::of(&format!("/x?{q}").parse().unwrap())
    }

    fn codes(f: Faults) -> Vec<String> {
        f.done()
            .err()
            .map(|r| r.problem().errors.iter().map(|e| e.code.clone()).collect())
            .unwrap_or_default()
    }

    #[test]
    fn limits_are_integers_in_range() {
        for (q, want) in [
            ("limit=-1", Some("out_of_range")),
            ("limit=0", Some("out_of_range")),
            ("limit=501", Some("out_of_range")),
            ("limit=99999999999999999999", Some("out_of_range")),
            ("limit=NaN", Some("wrong_type")),
            ("limit=1.5", Some("wrong_type")),
            ("limit=5&limit=6", Some("repeated")),
            ("limit=500", None),
            ("limit=", Some("wrong_type")),
        ] {
            let mut f = Faults::default();
            params(q).integer(&mut f, "limit", 1, 500, 50);
            assert_eq!(codes(f).first().map(String::as_str), want, "{q}");
        }
    }

    #[test]
    fn times_need_offsets_and_survive_an_unescaped_plus() {
        for (q, want) in [
            ("from=2026-11-22T08:00:00%2B07:00", None),
            ("from=2026-11-22T08:00:00+07:00", None),
            ("from=2026-11-22T01:00:00Z", None),
            ("from=2026-11-22T08:00:00", Some("no_offset")),
            ("from=2026-11-22", Some("no_offset")),
            ("from=yesterday", Some("not_a_time")),
        ] {
            let mut f = Faults::default();
            let t = params(q).time(&mut f, "from");
            assert_eq!(codes(f).first().map(String::as_str), want, "{q}");
            assert_eq!(t.is_some(), want.is_none());
        }
    }
}
