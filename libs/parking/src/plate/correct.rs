//! Look-alike characters: what a camera confuses, and what a position allows.

use super::MAX_CHARS;

/// Puts digits into digit slots and a letter into the letter slot of 7 to 9 characters (`DDLDDDD`, `DDLDDDDD`,
/// `DDL?DDDDD`). None when a character has no look-alike of the kind its slot needs.
pub(super) fn by_mask(chars: &[u8]) -> Option<[u8; MAX_CHARS]> {
    if !(7..=9).contains(&chars.len()) {
        return None;
    }
    let mut out = [0; MAX_CHARS];
    for (i, &b) in chars.iter().enumerate() {
        out[i] = match i {
            2 => letter(b)?,
            // The fourth of nine is a digit on old motorbike plates and a letter on new ones: never forced.
            3 if chars.len() == 9 => b,
            _ => digit(b)?,
        };
    }
    Some(out)
}

fn digit(b: u8) -> Option<u8> {
    Some(match b {
        b'0'..=b'9' => b,
        b'O' | b'Q' | b'D' => b'0',
        b'I' | b'J' | b'L' => b'1',
        b'Z' => b'2',
        b'A' => b'4',
        b'S' => b'5',
        b'G' => b'6',
        b'T' => b'7',
        b'B' => b'8',
        _ => return None,
    })
}

fn letter(b: u8) -> Option<u8> {
    Some(match b {
        b'0' | b'O' | b'Q' => b'D',
        b'2' => b'Z',
        b'3' | b'8' => b'B',
        b'4' => b'A',
        b'5' => b'S',
        b'6' => b'G',
        b'7' => b'T',
        b'A'..=b'Z' => b,
        _ => return None,
    })
}

/// Whether one is a letter, the other a digit, and cameras take one for the other. Two digits never are: `29A-123.45`
/// and `29A-128.45` are two cars.
pub(super) fn confusable(a: u8, b: u8) -> bool {
    let (letter_side, digit_side) = match (a.is_ascii_digit(), b.is_ascii_digit()) {
        (false, true) => (a, b),
        (true, false) => (b, a),
        _ => return false,
    };
    digit(letter_side) == Some(digit_side) || letter(digit_side) == Some(letter_side)
}
