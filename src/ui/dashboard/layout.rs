//! Where things are: one pure function of the window's size.
//!
//! ```text
//! row 0      served folder, architecture, transport, start      throughput
//! row 1      address to paste, on more rows where it is longer than one
//! row 2      rule: connections                                     totals
//! row 3…     table, or table and details
//! …          rule: log, and the log
//! last row   hints, a question, a prompt or what just happened
//! ```

use ratatui::layout::{Rect, Size};

/// Size for everything, at least.
const MIN_FULL: Size = Size { width: 60, height: 14 };
/// Size for the compact form, at least; below it there is one line.
const MIN_COMPACT: Size = Size { width: 40, height: 8 };
/// Rows of the address, at most: one with a token, a name and a pin, in the narrowest window of the full form, and one for the
/// other addresses.
const MAX_ADDRESS_ROWS: u16 = 4;
/// Lines of the details, with their rule.
const DETAILS_ROWS: u16 = 8;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything.
    Full,
    /// Totals, rows, a log line, hints.
    Compact,
    /// One line.
    Line,
}

/// The parts of the screen. Parts that are not shown are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How much is shown.
    pub form: Form,
    /// What is served, and the throughput; the totals in the compact form; everything in a line.
    pub header: Rect,
    /// The address.
    pub address: Rect,
    /// The rule over the table.
    pub table_rule: Rect,
    /// The table.
    pub table: Rect,
    /// The details with their rule.
    pub details: Rect,
    /// The rule over the log.
    pub log_rule: Rect,
    /// The log.
    pub log: Rect,
    /// The last line.
    pub hints: Rect,
}

/// The layout for a size, with `address` rows for the address if there is room.
/// `large_log`: the log has most of the rows.
pub fn layout(size: Size, details: bool, address: u16, large_log: bool) -> Layout {
    let Size { width, height } = size;
    let mut next = 0;
    let mut part = |rows: u16| {
        let rows = rows.min(height - next);
        let area = Rect::new(0, next, width, rows);
        next += rows;
        area
    };
    if width < MIN_COMPACT.width || height < MIN_COMPACT.height {
        let header = part(1);
        let nothing = part(0);
        return Layout {
            form: Form::Line,
            header,
            address: nothing,
            table_rule: nothing,
            table: nothing,
            details: nothing,
            log_rule: nothing,
            log: nothing,
            hints: nothing,
        };
    }
    if width < MIN_FULL.width || height < MIN_FULL.height {
        let header = part(1);
        let address = part(1);
        let body = height - 4;
        let (table_rows, detail_rows) = if details { (0, body) } else { (body, 0) };
        return Layout {
            form: Form::Compact,
            header,
            address,
            table_rule: part(0),
            table: part(table_rows),
            details: part(detail_rows),
            log_rule: part(0),
            log: part(1),
            hints: part(1),
        };
    }
    let address = address.clamp(1, MAX_ADDRESS_ROWS);
    let body = height - 4 - address;
    let detail_rows = if details { DETAILS_ROWS.min(body / 2) } else { 0 };
    let table_rows =
        if large_log { (body - detail_rows) / 4 } else { (body - detail_rows).div_ceil(2) }.max(1);
    Layout {
        form: Form::Full,
        header: part(1),
        address: part(address),
        table_rule: part(1),
        table: part(table_rows),
        details: part(detail_rows),
        log_rule: part(1),
        log: part(body - detail_rows - table_rows),
        hints: part(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_follow_each_other_and_fill_the_window(width in 1_u16..300, height in 1_u16..100, details: bool, rows in 0_u16..5, large: bool) {
            let Layout { form, header, address, table_rule, table, details, log_rule, log, hints } =
                layout(Size { width, height }, details, rows, large);
            let mut next = 0;
            for part in [header, address, table_rule, table, details, log_rule, log, hints] {
                prop_assert!(part.is_empty() || (part.y == next && part.width == width));
                next += part.height;
            }
            prop_assert!(next == height || (form == Form::Line && next == 1));
            if form != Form::Line {
                prop_assert!(hints.height == 1 && log.height >= 1);
                prop_assert!(table.height >= 1 || details.height >= 4);
            }
        }
    }
}
