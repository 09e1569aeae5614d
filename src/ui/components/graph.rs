//! A graph of rates over time: filled from below, in braille, or in ASCII.

use std::iter::repeat_n;

use crate::ui::theme::Glyphs;

/// Dots of the left and the right half of a braille character, from below.
const BRAILLE: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
/// The braille character without dots.
const NO_DOTS: u32 = 0x2800;
/// Heights that a character of ASCII shows.
const ASCII_LEVELS: usize = 8;

/// The rows of a graph of these values, from above, of at most `columns` characters each; `highest` reaches the top. It
/// grows to the right; when it is full, neighbours are drawn as one, so that only a few characters change at a time.
pub fn graph(values: &[f64], highest: f64, columns: usize, rows: usize, glyphs: &Glyphs) -> Vec<String> {
    if columns == 0 || rows == 0 {
        return Vec::new();
    }
    let (across, up) = if glyphs.ascii { (1, ASCII_LEVELS) } else { (2, 4) };
    let width = columns * across;
    let mut each = 1;
    while values.len().div_ceil(each) > width {
        each *= 2;
    }
    let levels = (rows * up) as f64;
    let level = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        match mean / highest {
            share if share > 0.0 => ((share * levels).ceil() as usize).clamp(1, rows * up),
            _ => 0,
        }
    };
    let mut levels: Vec<usize> = values.chunks(each).map(level).collect();
    levels.extend(repeat_n(0, levels.len().next_multiple_of(across) - levels.len()));
    let row = |row: usize| {
        let below = row * up;
        let cell = |levels: &[usize]| {
            let mut heights = levels.iter().map(|level| level.saturating_sub(below).min(up));
            if glyphs.ascii {
                return match heights.next() {
                    None | Some(0) => ' ',
                    Some(height) => glyphs.spark[height - 1].chars().next().unwrap_or('#'),
                };
            }
            let dots = heights.zip(BRAILLE).flat_map(|(height, dots)| dots.into_iter().take(height));
            char::from_u32(NO_DOTS + dots.sum::<u32>()).unwrap_or(' ')
        };
        levels.chunks(across).map(cell).collect()
    };
    (0..rows).rev().map(row).collect()
}

/// A round number that is at least as large, so that the scale of a graph changes rarely.
pub fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    // Powers of ten are not exact.
    let value = value * (1.0 - 1e-9);
    let step = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_filled_from_below_and_grows_to_the_right() {
        assert_eq!(graph(&[1.0, 2.0, 3.0, 4.0, 0.0], 4.0, 4, 1, &Glyphs::UTF8), ["⣠⣾⠀"]);
        assert_eq!(graph(&[4.0, 8.0], 8.0, 4, 2, &Glyphs::UTF8), ["⢸", "⣿"]);
        assert_eq!(graph(&[1.0, 4.0, 8.0, 0.0], 8.0, 4, 1, &Glyphs::ASCII), ["_-# "]);
        assert_eq!(graph(&[], 1.0, 4, 1, &Glyphs::UTF8), [""]);
    }

    #[test]
    fn neighbours_are_drawn_as_one_when_it_is_full() {
        assert_eq!(graph(&[2.0, 4.0, 4.0, 4.0], 4.0, 2, 1, &Glyphs::UTF8), ["⣼⣿"]);
        assert_eq!(graph(&[2.0, 4.0, 4.0, 4.0, 4.0], 4.0, 2, 1, &Glyphs::UTF8), ["⣾⡇"]);
    }

    #[test]
    fn scales_are_round() {
        let cases =
            [(0.0, 1.0), (1.0, 1.0), (1.1, 1.5), (61e6, 80e6), (4.9, 5.0), (0.035, 0.04), (f64::NAN, 1.0)];
        for (value, scale) in cases {
            assert!((round_up(value) - scale).abs() < 1e-6 * scale, "{value}: {}", round_up(value));
        }
    }

    proptest! {
        #[test]
        fn it_fits_whatever_is_drawn(
            values in prop::collection::vec(any::<f64>(), 0..600),
            highest in any::<f64>(),
            columns in 0_usize..90,
            rows in 0_usize..12,
            ascii: bool,
        ) {
            let glyphs = if ascii { Glyphs::ASCII } else { Glyphs::UTF8 };
            for row in graph(&values, highest, columns, rows, &glyphs) {
                prop_assert!(row.chars().count() <= columns);
                prop_assert!(!ascii || row.is_ascii());
            }
        }
    }
}
