//! The staff list: who may do what, and how their PIN is checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::refused::{Reasons, is_name};

/// What a member of the staff does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works at the lanes.
    #[serde(alias = "cashier", alias = "guard")]
    Attendant,
    /// Leads a shift.
    #[serde(alias = "manager")]
    Supervisor,
    /// Runs the car parks.
    #[serde(alias = "admin")]
    Operator,
}

/// What an act needs. Each role has the powers of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// Open with a reason, pick an entry, confirm a fee, correct a plate; count, set a card to neutral.
    Lane,
    /// Void, waive, set a price, close for counting, reopen, note what could not be collected; lists and passes.
    Money,
    /// Change the rules, anti-passback's too.
    Rules,
}

impl Role {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attendant => "attendant",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
        }
    }

    /// Whether this role may do it.
    #[must_use]
    pub fn has(self, power: Power) -> bool {
        power
            <= match self {
                Self::Attendant => Power::Lane,
                Self::Supervisor => Power::Money,
                Self::Operator => Power::Rules,
            }
    }
}

impl Power {
    /// The least role that has it.
    #[must_use]
    pub const fn needs(self) -> Role {
        match self {
            Self::Lane => Role::Attendant,
            Self::Money => Role::Supervisor,
            Self::Rules => Role::Operator,
        }
    }
}

/// A member of the staff.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// Id, as they give it at the lane.
    pub id: String,
    /// Name, for people.
    pub name: String,
    /// What they do.
    pub role: Role,
    /// Argon2id in PHC form. Goes to the check alone, never into an answer, a log or an event.
    pub pin_hash: String,
    /// May act.
    pub active: bool,
}

impl std::fmt::Debug for StaffMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffMember")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// The list, in force. Never without anyone on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffList {
    version: i64,
    by_id: BTreeMap<String, StaffMember>,
}

impl StaffList {
    /// None for a list with nobody on it: that is no list.
    #[must_use]
    pub fn new(version: i64, members: Vec<StaffMember>) -> Option<Self> {
        let by_id: BTreeMap<_, _> = members.into_iter().map(|m| (m.id.clone(), m)).collect();
        (!by_id.is_empty()).then_some(Self { version, by_id })
    }

    /// Version of the document.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Who has this id and may act.
    #[must_use]
    pub fn active(&self, id: &str) -> Option<&StaffMember> {
        self.by_id.get(id).filter(|m| m.active)
    }

    /// Everybody, by id.
    pub fn all(&self) -> impl Iterator<Item = &StaffMember> {
        self.by_id.values()
    }
}

/// A member as published.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    id: String,
    name: String,
    role: Role,
    pin_hash: String,
    #[serde(default = "yes")]
    active: bool,
}

const fn yes() -> bool {
    true
}

/// Checks what the shape alone cannot say.
pub(super) fn checked(items: Vec<Published>, reasons: &mut Reasons) -> Vec<StaffMember> {
    let mut ids = BTreeSet::new();
    let mut members = Vec::with_capacity(items.len());
    for (i, m) in items.into_iter().enumerate() {
        let at = |field: &str| format!("/items/{i}/{field}");
        let named = is_name(&m.id) && m.id == m.id.trim();
        reasons.check(
            named,
            || at("id"),
            "out_of_range",
            "must have 1 to 64 characters, no space around them",
        );
        reasons.check(ids.insert(m.id.clone()), || at("id"), "duplicate", "must be unique");
        let named = m.name.chars().count() <= 200 && !m.name.chars().any(char::is_control);
        reasons.check(named, || at("name"), "out_of_range", "must have at most 200 characters");
        if let Err(why) = argon2id(&m.pin_hash) {
            reasons.add(at("pin_hash"), "bad_hash", why);
        }
        members.push(StaffMember {
            id: m.id,
            name: m.name,
            role: m.role,
            pin_hash: m.pin_hash,
            active: m.active,
        });
    }
    members
}

/// Whether this is an argon2id hash in PHC form that takes a bounded effort to check:
/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
fn argon2id(text: &str) -> Result<(), String> {
    let shape = || "must be an argon2id PHC string, $argon2id$v=19$m=…,t=…,p=…$salt$hash".to_owned();
    let mut parts = text.split('$');
    let (Some(""), Some("argon2id"), Some("v=19"), Some(params), Some(salt), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(shape());
    };
    let mut cost = [None; 3];
    for param in params.split(',') {
        let (name, value) = param.split_once('=').ok_or_else(shape)?;
        let place = ["m", "t", "p"].iter().position(|k| *k == name).ok_or_else(shape)?;
        let value: u32 = value.parse().map_err(|_| shape())?;
        if cost[place].replace(value).is_some() {
            return Err(shape());
        }
    }
    let [Some(memory), Some(passes), Some(lanes)] = cost else { return Err(shape()) };
    if !(8..=65_536).contains(&memory)
        || !(1..=10).contains(&passes)
        || !(1..=8).contains(&lanes)
        || memory < 8 * lanes
    {
        return Err("must cost at most m=65536 (KiB), t=10, p=8, and m at least 8 for each of p".to_owned());
    }
    let base64 = |s: &str, from: usize, to: usize| {
        (from..=to).contains(&s.len())
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    };
    // 8 to 48 bytes of salt, 10 to 64 of hash, in base64 without padding.
    if base64(salt, 11, 64) && base64(hash, 14, 86) { Ok(()) } else { Err(shape()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_the_powers_of_those_before() {
        for (role, powers) in [
            (Role::Attendant, [true, false, false]),
            (Role::Supervisor, [true, true, false]),
            (Role::Operator, [true, true, true]),
        ] {
            assert_eq!([Power::Lane, Power::Money, Power::Rules].map(|p| role.has(p)), powers);
        }
        for power in [Power::Lane, Power::Money, Power::Rules] {
            assert!(power.needs().has(power));
        }
    }

    #[test]
    fn only_bounded_argon2id_hashes_are_taken() {
        let hash = |p: &str| format!("$argon2id$v=19${p}$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA");
        assert_eq!(argon2id(&hash("m=19456,t=2,p=1")), Ok(()));
        for wrong in [
            hash("m=1048576,t=2,p=1"),
            hash("m=19456,t=200,p=1"),
            hash("m=19456,t=2"),
            hash("m=19456,t=2,p=1,m=8"),
            hash("m=8,t=2,p=8"),
            hash("m=19456,t=2,p=1").replace("argon2id", "argon2i"),
            hash("m=19456,t=2,p=1").replace("v=19", "v=16"),
            "1234".to_owned(),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
            String::new(),
        ] {
            assert!(argon2id(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hashes_do_not_show() {
        let m = StaffMember {
            id: "s1".into(),
            name: "An".into(),
            role: Role::Attendant,
            pin_hash: "$argon2id$secret".into(),
            active: true,
        };
        assert!(!format!("{m:?}").contains("secret"));
    }
}
