//! Reading a JSON body field by field, so that every fault is reported at once and names its field.

use serde_json::{Map, Value};
use wire::http::FieldError;
use wire::time::BadTime;

use crate::problem::Refused;

/// The faults found so far. All readers go on after a fault; [`Faults::done`] ends the reading.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault.
    pub(crate) fn add(&mut self, field: impl Into<String>, code: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), code: code.to_owned(), message: message.into() });
    }

    /// True while nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Errors: 422 with everything noted.
    pub(crate) fn done(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(Refused::fields(self.0)) }
    }

    /// Reads a time; the message says what is wrong with it.
    pub(crate) fn time(&mut self, at: &str, s: &str) -> Option<i64> {
        match wire::time::parse_rfc3339(s) {
            Ok(ms) => Some(ms),
            Err(e) => {
                let code = match e {
                    BadTime::NoOffset => "no_offset",
                    BadTime::NotRfc3339 => "not_a_time",
                    BadTime::OutOfRange => "out_of_range",
                };
                self.add(at, code, e.to_string());
                None
            }
        }
    }

    /// Checks a text's length (in characters) and that the database can keep it.
    pub(crate) fn text(&mut self, at: &str, s: &str, max: usize) -> Option<String> {
        if s.is_empty() {
            self.add(at, "empty", "must not be empty");
        } else if s.len() > max && s.chars().count() > max {
            self.add(at, "too_long", format!("must have at most {max} characters"));
        } else if s.contains('\0') {
            self.add(at, "bad_characters", "must not contain NUL");
        } else {
            return Some(s.to_owned());
        }
        None
    }

    /// Checks a value against a list.
    pub(crate) fn one_of(&mut self, at: &str, s: &str, known: &[&'static str]) -> Option<&'static str> {
        let found = known.iter().find(|k| **k == s).copied();
        if found.is_none() {
            self.add(at, "unknown_value", format!("must be one of {}", known.join(", ")));
        }
        found
    }
}

/// An object of a body, with the way to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    at: &'a str,
}

/// What a value is, in JSON's words.
pub(crate) fn type_name(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl<'a> Object<'a> {
    /// The whole body. Errors: 422 when it is JSON but no object.
    pub(crate) fn of(body: &'a Value) -> Result<Self, Refused> {
        match body {
            Value::Object(map) => Ok(Self { map, at: "" }),
            other => Err(Refused::fields(vec![FieldError {
                field: String::new(),
                code: "wrong_type".to_owned(),
                message: format!("the body must be an object, is {}", type_name(other)),
            }])),
        }
    }

    /// An object inside a body; `at` is its pointer.
    pub(crate) fn at(map: &'a Map<String, Value>, at: &'a str) -> Self {
        Self { map, at }
    }

    /// Pointer of a field.
    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }

    /// The value of a field; absent and null are the same.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|v| !v.is_null())
    }

    fn wrong(&self, f: &mut Faults, name: &str, wanted: &str, v: &Value) {
        f.add(
            self.pointer(name),
            "wrong_type",
            format!("must be {wanted}, is {}", if v.is_number() { "another number" } else { type_name(v) }),
        );
    }

    /// Notes `missing` where a needed field gave nothing because it was absent.
    pub(crate) fn needed(&self, f: &mut Faults, name: &str) -> bool {
        let there = self.get(name).is_some();
        if !there {
            f.add(self.pointer(name), "missing", "is needed");
        }
        there
    }

    /// A string, as sent.
    pub(crate) fn raw(&self, f: &mut Faults, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::String(s) => Some(s),
            v => {
                f.add(self.pointer(name), "wrong_type", format!("must be a string, is {}", type_name(v)));
                None
            }
        }
    }

    /// A text of 1 to `max` characters.
    pub(crate) fn text(&self, f: &mut Faults, name: &str, max: usize) -> Option<String> {
        let s = self.raw(f, name)?;
        f.text(&self.pointer(name), s, max)
    }

    /// The same, and it must be there.
    pub(crate) fn needed_text(&self, f: &mut Faults, name: &str, max: usize) -> Option<String> {
        self.needed(f, name).then(|| self.text(f, name, max)).flatten()
    }

    /// A plate: any text of at most 64 characters, also an empty one. It must be there.
    pub(crate) fn plate(&self, f: &mut Faults, name: &str) -> Option<String> {
        self.needed(f, name)
            .then(|| self.raw(f, name))
            .flatten()
            .and_then(|s| plate_text(f, &self.pointer(name), s))
    }

    /// A time with an offset, ms since the epoch.
    pub(crate) fn time(&self, f: &mut Faults, name: &str) -> Option<i64> {
        let s = self.raw(f, name)?;
        f.time(&self.pointer(name), s)
    }

    /// A boolean.
    pub(crate) fn boolean(&self, f: &mut Faults, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(b) => Some(*b),
            v => {
                f.add(
                    self.pointer(name),
                    "wrong_type",
                    format!("must be true or false, is {}", type_name(v)),
                );
                None
            }
        }
    }

    /// One of the known values.
    pub(crate) fn one_of(&self, f: &mut Faults, name: &str, known: &[&'static str]) -> Option<&'static str> {
        let s = self.raw(f, name)?;
        f.one_of(&self.pointer(name), s, known)
    }

    /// An integer within a range.
    pub(crate) fn integer(&self, f: &mut Faults, name: &str, min: i64, max: i64) -> Option<i64> {
        let v = self.get(name)?;
        match v.as_i64() {
            Some(n) if (min..=max).contains(&n) => Some(n),
            None if !(v.is_u64() || v.is_i64()) => {
                self.wrong(f, name, "an integer", v);
                None
            }
            _ => {
                f.add(self.pointer(name), "out_of_range", format!("must be {min} to {max}"));
                None
            }
        }
    }

    /// A share from 0 to 1, as per mille.
    pub(crate) fn per_mille(&self, f: &mut Faults, name: &str) -> Option<u16> {
        let v = self.get(name)?;
        match v.as_f64() {
            Some(x) if (0.0..=1.0).contains(&x) => Some(per_mille(x)),
            Some(_) => {
                f.add(self.pointer(name), "out_of_range", "must be 0 to 1");
                None
            }
            None => {
                self.wrong(f, name, "a number", v);
                None
            }
        }
    }

    /// An object.
    pub(crate) fn object(&self, f: &mut Faults, name: &str) -> Option<&'a Map<String, Value>> {
        match self.get(name)? {
            Value::Object(m) => Some(m),
            v => {
                f.add(self.pointer(name), "wrong_type", format!("must be an object, is {}", type_name(v)));
                None
            }
        }
    }

    /// An array of at most `max` items.
    pub(crate) fn array(&self, f: &mut Faults, name: &str, max: usize) -> Option<&'a [Value]> {
        match self.get(name)? {
            Value::Array(a) if a.len() <= max => Some(a),
            Value::Array(_) => {
                f.add(self.pointer(name), "too_many", format!("must have at most {max} items"));
                None
            }
            v => {
                f.add(self.pointer(name), "wrong_type", format!("must be an array, is {}", type_name(v)));
                None
            }
        }
    }

    /// A list of texts of 1 to 64 characters.
    pub(crate) fn texts(&self, f: &mut Faults, name: &str, max: usize) -> Vec<String> {
        let mut out = Vec::new();
        for (i, v) in self.array(f, name, max).unwrap_or_default().iter().enumerate() {
            let at = self.pointer(&format!("{name}/{i}"));
            match v.as_str() {
                Some(text) => out.extend(f.text(&at, text, 64)),
                None => f.add(at, "wrong_type", "must be a string"),
            }
        }
        out
    }
}

/// A plate's text: only its length is ever wrong. NUL, which no database text can hold, becomes U+FFFD.
pub(crate) fn plate_text(f: &mut Faults, at: &str, s: &str) -> Option<String> {
    let max = parking::plate::MAX_CHARS;
    if s.len() > max && s.chars().count() > max {
        f.add(at, "too_long", format!("must have at most {max} characters"));
        return None;
    }
    Some(s.replace('\0', "\u{fffd}"))
}

/// 0.0 to 1.0 as 0 to 1000.
pub(crate) fn per_mille(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_is_reported_at_once() {
        let body =
            json!({"edge_id": 5, "confidence": 1.5, "captured_at": "2026-01-01T00:00:00", "amount": 1.5});
        let o = Object::of(&body).unwrap();
        let mut f = Faults::default();
        o.needed_text(&mut f, "edge_id", 64);
        o.plate(&mut f, "plate");
        o.per_mille(&mut f, "confidence");
        o.time(&mut f, "captured_at");
        o.integer(&mut f, "amount", 0, 10);
        let refused = f.done().unwrap_err();
        let got: Vec<_> =
            refused.problem().errors.iter().map(|e| (e.field.as_str(), e.code.as_str())).collect();
        let want = [
            ("/edge_id", "wrong_type"),
            ("/plate", "missing"),
            ("/confidence", "out_of_range"),
            ("/captured_at", "no_offset"),
            ("/amount", "wrong_type"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn plates_are_refused_for_length_alone() {
        let mut f = Faults::default();
        assert_eq!(plate_text(&mut f, "/plate", "🚗🚗").as_deref(), Some("🚗🚗"));
        assert_eq!(plate_text(&mut f, "/plate", "").as_deref(), Some(""));
        assert_eq!(plate_text(&mut f, "/plate", "29A\0").as_deref(), Some("29A\u{fffd}"));
        assert!(plate_text(&mut f, "/plate", &"Đ".repeat(64)).is_some());
        assert!(plate_text(&mut f, "/plate", &"A".repeat(65)).is_none());
    }

    #[test]
    fn shares_become_per_mille() {
        assert_eq!([per_mille(0.0), per_mille(0.9455), per_mille(1.0)], [0, 946, 1000]);
    }
}
