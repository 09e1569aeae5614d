//! A text as a QR code, drawn with characters.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code that readers expect, and those that most are content with.
const MARGINS: [usize; 2] = [4, 2];

/// The modules of a code: light or dark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    width: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// The code of a text; `None` if the text is longer than a code can be.
    pub fn new(text: &str) -> Option<Qr> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let width = code.width();
        let dark = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
        Some(Qr { width, dark })
    }

    /// The rows of the code within this many columns and rows, with the widest margin that fits. Light modules are drawn, with
    /// half blocks or in ASCII, and dark ones are left out: it is for light characters on a dark background.
    ///
    /// # Errors
    /// The columns and rows that it takes at least.
    pub fn rows(&self, columns: usize, rows: usize, ascii: bool) -> Result<Vec<String>, (usize, usize)> {
        let size = |margin: usize| {
            let width = self.width + 2 * margin;
            if ascii { (2 * width, width) } else { (width, width.div_ceil(2)) }
        };
        let fits = |margin: &usize| size(*margin).0 <= columns && size(*margin).1 <= rows;
        match MARGINS.into_iter().find(fits) {
            Some(margin) => Ok(self.draw(margin, ascii)),
            None => Err(MARGINS.into_iter().map(size).min().unwrap_or_default()),
        }
    }

    fn draw(&self, margin: usize, ascii: bool) -> Vec<String> {
        let across = self.width + 2 * margin;
        let is_light = |x: usize, y: usize| {
            let (x, y) = (x.wrapping_sub(margin), y.wrapping_sub(margin));
            x >= self.width || y >= self.width || !self.dark[y * self.width + x]
        };
        if ascii {
            let row = |y| (0..across).map(|x| if is_light(x, y) { "##" } else { "  " }).collect();
            return (0..across).map(row).collect();
        }
        let row = |y: usize| {
            // Below the last row of an odd number there is nothing, which is dark.
            let cell = |x| match (is_light(x, y), y + 1 < across && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            };
            (0..across).map(cell).collect()
        };
        (0..across).step_by(2).map(row).collect()
    }
}

/// The code of a text as lines to print within this many columns, or the reason why it cannot be drawn.
pub fn printed(text: &str, columns: usize, ascii: bool) -> Result<String, String> {
    let code = Qr::new(text).ok_or("the address is too long for a QR code")?;
    let rows = code.rows(columns, usize::MAX, ascii);
    let rows = rows.map_err(|(columns, _)| {
        format!("the terminal is too narrow for the QR code, which takes {columns} columns")
    })?;
    Ok(rows.into_iter().map(|row| row + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address of the usual length, with token and pin.
    const ADDRESS: &str = "fdsp://abcdefghijklmnopqrstuvwxyz@192.168.100.200:7878/#sha256:\
                           a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

    #[test]
    fn the_code_of_an_address_fits_a_terminal_of_80_columns_and_24_rows() {
        let code = Qr::new(ADDRESS).unwrap();
        let rows = code.rows(80, 23, false).unwrap();
        assert!(rows.len() <= 23 && rows.iter().all(|row| row.chars().count() <= 80), "{rows:#?}");
        assert_eq!(code.rows(40, 8, false), Err((45, 23)));
        assert_eq!(code.rows(80, 24, true), Err((90, 45)));
    }

    #[test]
    fn half_blocks_and_ascii_draw_the_same_modules() {
        let code = Qr::new("fdsp+plain://10.0.0.1:7878/").unwrap();
        let ascii = code.rows(200, 200, true).unwrap();
        let blocks = code.rows(200, 200, false).unwrap();
        for (y, row) in ascii.iter().enumerate() {
            let half =
                |c: char| if y % 2 == 0 { matches!(c, '█' | '▀') } else { matches!(c, '█' | '▄') };
            let upper: Vec<bool> = row.as_bytes().chunks(2).map(|cell| cell == b"##").collect();
            assert_eq!(blocks[y / 2].chars().map(half).collect::<Vec<_>>(), upper, "row {y}");
        }
    }

    #[test]
    fn the_finder_of_a_code_is_where_readers_look_for_it() {
        let rows = Qr::new("a").unwrap().rows(100, 100, true).unwrap();
        let cell = |x: usize, y: usize| &rows[y + 4][2 * (x + 4)..2 * (x + 4) + 2];
        let finder: Vec<String> =
            (0..7).map(|y| (0..7).map(|x| if cell(x, y) == "##" { '.' } else { '#' }).collect()).collect();
        assert_eq!(finder, ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"]);
        assert!(rows[..4].iter().all(|row| row.bytes().all(|byte| byte == b'#')), "the margin is light");
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert_eq!(Qr::new(&"x".repeat(5000)), None);
        assert!(printed(&"x".repeat(5000), 80, false).is_err());
        assert!(printed("fdsp://a/", 10, false).unwrap_err().contains("columns"));
    }
}
