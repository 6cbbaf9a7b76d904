//! The patterns of Vietnamese plates, in the order in which they are tried.

use super::normal::Normal;
use super::{MAX_CHARS, PlateKind};
use crate::vehicle::VehicleClass;

/// Province codes that were never issued.
const UNASSIGNED: [u8; 8] = [13, 42, 44, 45, 46, 87, 91, 96];

/// Letter pairs that mark a diplomatic plate. They are no motorbike series, nor are those of [`SPECIAL`] and `MD`.
const DIPLOMATIC: [&[u8; 2]; 4] = [b"NG", b"QT", b"CV", b"NN"];

/// Letters of special plates, longest first.
const SPECIAL: [&[u8]; 12] =
    [b"LD", b"DA", b"KT", b"HC", b"MK", b"CD", b"TD", b"RM", b"CT", b"LB", b"T", b"R"];

/// One pattern that the characters of a plate fit.
#[derive(Clone, Copy)]
pub(super) struct Fit {
    pub(super) kind: PlateKind,
    /// How people write it: `#` stands for the next character, `Đ` for a D, the rest is written as it is.
    layout: &'static str,
    /// Places where this pattern may be broken into groups (bit i: before character i), the layout's own included.
    cuts: u64,
    /// A diplomatic plate written with its letters second, whose key has them third.
    letters_second: bool,
}

const NONE: Fit = Fit { kind: PlateKind::Unknown, layout: "", cuts: 0, letters_second: false };

const fn fit(kind: PlateKind, layout: &'static str, cuts: &[u8]) -> Fit {
    let mut bits = 0;
    let mut i = 0;
    while i < cuts.len() {
        bits |= 1 << cuts[i];
        i += 1;
    }
    Fit { kind, layout, cuts: bits, letters_second: false }
}

const DIPLOMATIC_FIT: Fit = fit(PlateKind::Diplomatic, "##-###-##-##", &[2, 5, 7]);
const DIPLOMATIC_SECOND: Fit = {
    let mut second = fit(PlateKind::Diplomatic, "##-###-##-##", &[2, 4, 7]);
    second.letters_second = true;
    second
};
const ELECTRIC_10: Fit = fit(PlateKind::ElectricMotorbike, "##-#Đ# ###.##", &[2, 4, 5, 8]);
const ELECTRIC_9: Fit = fit(PlateKind::ElectricMotorbike, "##-#Đ# ####", &[2, 4, 5, 7]);
const ELECTRIC_9_PLAIN: Fit = fit(PlateKind::ElectricMotorbike, "##-#Đ ###.##", &[2, 4, 5, 7]);
const SPECIAL_TWO_5: Fit = fit(PlateKind::Special, "####-###.##", &[2, 4, 7]);
const SPECIAL_TWO_4: Fit = fit(PlateKind::Special, "####-####", &[2, 4, 6]);
const SPECIAL_ONE_5: Fit = fit(PlateKind::Special, "###-###.##", &[2, 3, 6]);
const SPECIAL_ONE_4: Fit = fit(PlateKind::Special, "###-####", &[2, 3, 5]);
const NEW_MOTORBIKE: Fit = fit(PlateKind::NewMotorbike, "##-## ###.##", &[2, 4, 7]);
const OLD_MOTORBIKE_5: Fit = fit(PlateKind::OldMotorbike, "##-## ###.##", &[2, 4, 7]);
const OLD_MOTORBIKE_4: Fit = fit(PlateKind::OldMotorbike, "##-## ####", &[2, 4]);
const CAR_5: Fit = fit(PlateKind::Car, "###-###.##", &[2, 3, 6]);
const CAR_4: Fit = fit(PlateKind::Car, "###-####", &[2, 3, 5]);
const TEMPORARY: Fit = fit(PlateKind::Temporary, "###-###.##", &[1, 3, 6]);
const MILITARY: Fit = fit(PlateKind::Military, "##-##-##", &[2, 4]);

/// All patterns that some characters fit, first come first.
pub(super) struct Fits {
    fits: [Fit; 4],
    len: usize,
}

impl Fits {
    /// Tries every pattern.
    pub(super) fn of(chars: &[u8]) -> Self {
        let mut all = Self { fits: [NONE; 4], len: 0 };
        for pattern in [diplomatic, electric, special, new_motorbike, old_motorbike, car, temporary, military]
        {
            if let Some(fit) = pattern(chars)
                && let Some(slot) = all.fits.get_mut(all.len)
            {
                *slot = fit;
                all.len += 1;
            }
        }
        all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fit> + Clone {
        self.fits[..self.len].iter()
    }

    pub(super) fn first(&self) -> &Fit {
        &self.fits[0]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Fit {
    /// Whether the groups of the text are groups of this pattern.
    pub(super) fn allows(&self, cuts: u64) -> bool {
        cuts & !self.cuts == 0
    }

    /// Whether a lane for these classes may see this plate. Diplomatic, special, temporary and military plates are
    /// issued to every kind of vehicle, and motorbike plates to electric ones too.
    pub(super) fn serves(&self, classes: &[VehicleClass]) -> bool {
        classes.iter().any(|&class| match self.kind {
            _ if class == VehicleClass::Exempt => true,
            PlateKind::Car => {
                use VehicleClass::{Bus, Car, Car10to16, Truck};
                matches!(class, Car | Car10to16 | Truck | Bus)
            }
            PlateKind::NewMotorbike | PlateKind::OldMotorbike | PlateKind::ElectricMotorbike => {
                class.is_motorbike()
            }
            _ => true,
        })
    }

    /// The characters in the order of the key.
    pub(super) fn key_chars(&self, chars: &[u8]) -> [u8; MAX_CHARS] {
        let mut out = [0; MAX_CHARS];
        out[..chars.len()].copy_from_slice(chars);
        if self.letters_second {
            // 80 NN 168 06 → 80 168 NN 06
            out[2..7].rotate_left(2);
        }
        out
    }

    /// The province code, where the pattern has one.
    pub(super) fn province(&self, chars: &[u8]) -> Option<u8> {
        let at = match self.kind {
            PlateKind::Military => return None,
            PlateKind::Temporary => 1,
            _ => 0,
        };
        Some((chars[at] - b'0') * 10 + (chars[at + 1] - b'0'))
    }

    /// The form for people, from characters in the order of the key.
    pub(super) fn display(&self, ordered: &[u8], normal: &Normal) -> String {
        // A group that ends behind MĐ leaves five digits, not a series digit and four.
        let plain = self.layout == ELECTRIC_9.layout && normal.cuts() & (1 << 4 | 1 << 7) != 0;
        let layout = if plain && normal.cuts() & 1 << 5 == 0 { ELECTRIC_9_PLAIN.layout } else { self.layout };
        let mut chars = ordered.iter();
        let mut out = String::with_capacity(layout.len() + 1);
        for c in layout.chars() {
            match c {
                '#' => out.extend(chars.next().map(|&b| char::from(b))),
                'Đ' => {
                    chars.next();
                    out.push('Đ');
                }
                separator => out.push(separator),
            }
        }
        out
    }
}

/// Whether a province code was never issued.
pub(super) fn is_unassigned(province: u8) -> bool {
    UNASSIGNED.contains(&province)
}

/// A letter of a series. I, J, O, Q and W never occur, R only as a second letter.
fn is_series(b: u8) -> bool {
    matches!(
        b,
        b'A'..=b'H' | b'K' | b'L' | b'M' | b'N' | b'P' | b'S' | b'T' | b'U' | b'V' | b'X' | b'Y' | b'Z'
    )
}

fn is_second_series(b: u8) -> bool {
    b == b'R' || (b != b'G' && is_series(b))
}

fn digits(chars: &[u8]) -> bool {
    chars.iter().all(u8::is_ascii_digit)
}

fn is_reserved(pair: &[u8]) -> bool {
    pair == b"MD" || DIPLOMATIC.iter().any(|d| *d == pair) || SPECIAL.contains(&pair)
}

/// `DD ddd LL dd`, also written `DD LL ddd dd`.
fn diplomatic(c: &[u8]) -> Option<Fit> {
    let is_mark = |pair: &[u8]| DIPLOMATIC.iter().any(|d| *d == pair);
    if c.len() != 9 || !digits(&c[..2]) || !digits(&c[7..]) {
        return None;
    }
    if digits(&c[2..5]) && is_mark(&c[5..7]) {
        Some(DIPLOMATIC_FIT)
    } else if is_mark(&c[2..4]) && digits(&c[4..7]) {
        Some(DIPLOMATIC_SECOND)
    } else {
        None
    }
}

/// `DD MĐ[1-9] dddd(d)`, and without the series digit.
fn electric(c: &[u8]) -> Option<Fit> {
    if !matches!(c.len(), 9 | 10) || !digits(&c[..2]) || &c[2..4] != b"MD" || !digits(&c[4..]) {
        return None;
    }
    match (c.len(), c[4]) {
        (9, b'0') => Some(ELECTRIC_9_PLAIN),
        (9, _) => Some(ELECTRIC_9),
        (_, b'0') => None,
        _ => Some(ELECTRIC_10),
    }
}

/// `DD` special letters `dddd(d)`.
fn special(c: &[u8]) -> Option<Fit> {
    if !(7..=9).contains(&c.len()) || !digits(&c[..2]) {
        return None;
    }
    let letters = SPECIAL.iter().find(|s| c[2..].starts_with(s))?.len();
    let number = &c[2 + letters..];
    match (letters, number.len()) {
        _ if !digits(number) => None,
        (2, 5) => Some(SPECIAL_TWO_5),
        (2, 4) => Some(SPECIAL_TWO_4),
        (1, 5) => Some(SPECIAL_ONE_5),
        (1, 4) => Some(SPECIAL_ONE_4),
        _ => None,
    }
}

/// `DD LL ddddd`
fn new_motorbike(c: &[u8]) -> Option<Fit> {
    let series = c.len() == 9 && is_series(c[2]) && is_second_series(c[3]) && !is_reserved(&c[2..4]);
    (series && digits(&c[..2]) && digits(&c[4..])).then_some(NEW_MOTORBIKE)
}

/// `DD-L[1-9] dddd(d)`
fn old_motorbike(c: &[u8]) -> Option<Fit> {
    let fit = match c.len() {
        8 => OLD_MOTORBIKE_4,
        9 => OLD_MOTORBIKE_5,
        _ => return None,
    };
    (digits(&c[..2]) && is_series(c[2]) && digits(&c[3..]) && c[3] != b'0').then_some(fit)
}

/// `DD L dddd(d)`
fn car(c: &[u8]) -> Option<Fit> {
    let fit = match c.len() {
        7 => CAR_4,
        8 => CAR_5,
        _ => return None,
    };
    (digits(&c[..2]) && is_series(c[2]) && digits(&c[3..])).then_some(fit)
}

/// `Tdd-ddd.dd`
fn temporary(c: &[u8]) -> Option<Fit> {
    (c.len() == 8 && c[0] == b'T' && digits(&c[1..])).then_some(TEMPORARY)
}

/// `LL-dd-dd`, exactly four digits
fn military(c: &[u8]) -> Option<Fit> {
    let letter = |b: u8| b == b'R' || is_series(b);
    (c.len() == 6 && letter(c[0]) && letter(c[1]) && digits(&c[2..])).then_some(MILITARY)
}
