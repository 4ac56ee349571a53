//! How wide text will be, roughly: enough to choose a table's layout.

/// Widths of ASCII from the space on in tenths of a point, in Computer Modern Roman at 10 pt (the
/// metrics of the font cmr10), rounded; of a sign that is set in another font, what it is there.
const ASCII: [u16; 95] = [
    33, 28, 50, 83, 50, 83, 78, 28, 39, 39, 50, 78, 28, 33, 28, 50, // space to /
    50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 28, 28, 78, 78, 78, 47, // 0 to ?
    78, 75, 71, 72, 76, 68, 65, 78, 75, 36, 51, 78, 62, 92, 75, 78, // @ to O
    68, 78, 74, 56, 72, 75, 75, 103, 75, 75, 61, 28, 50, 28, 50, 50, // P to _
    28, 50, 56, 44, 56, 44, 31, 50, 56, 28, 31, 53, 28, 83, 56, 50, // ` to o
    56, 53, 39, 39, 39, 56, 53, 72, 53, 53, 44, 50, 28, 50, 50, // p to ~
];

/// The width of a text at 10 pt, in points.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(of).sum()
}

fn of(c: char) -> f64 {
    let at = u32::from(c).checked_sub(u32::from(' '));
    let known = at.and_then(|at| ASCII.get(usize::try_from(at).ok()?));
    match (known, c) {
        (Some(tenths), _) => f64::from(*tenths) / 10.0,
        (None, '⚠') => 4.4,
        (None, '–' | '’' | '‘' | '·' | 'é' | 'ä' | 'ö' | 'ü') => 5.0,
        (None, c) if u32::from(c) < 0x180 || "−×µ±≤≥≈→…".contains(c) => 7.8,
        // It is told by its number.
        (None, _) => 36.0,
    }
}

/// The widest piece of a text that is not broken: where spaces and hyphens are, and after
/// sixteen letters, it can be.
pub(super) fn widest_piece(text: &str) -> f64 {
    let pieces = text.split_inclusive([' ', '-']);
    let whole = pieces.map(|piece| match piece.chars().count() {
        ..=17 => width(piece),
        _ => {
            let letters: Vec<char> = piece.chars().collect();
            let parts = letters
                .chunks(16)
                .map(|part| part.iter().copied().map(of).sum());
            parts.fold(0.0, f64::max)
        }
    });
    whole.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // As `\settowidth` of LaTeX measures them.
        for (text, measured) in [
            ("00000000000", 55.0),
            ("system", 29.833),
            ("telegraft-3-read (ops/s) 12,345.6", 140.445),
            ("Durability: FSYNC [A-Z] & Xeon @ 2.0", 176.417),
        ] {
            let off = (width(text) / measured - 1.0).abs();
            assert!(off < 0.02, "{text}: {}", width(text));
        }
        assert!(widest_piece("telegraft-3-read") < width("telegraft-3-read"));
        assert!(widest_piece(&"x".repeat(100)) < 16.1 * 5.3);
    }
}
