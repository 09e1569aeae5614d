//! Where things are: one pure function of the window's size.
//!
//! ```text
//! row 0      served folder, architecture, transport, start      throughput
//! row 1      address to paste, on more rows where it is longer than one; who can reach it
//! …          graph of the throughput
//! …          rule: clients and connections                         totals
//! …          headers of the table's columns
//! …          table, or table and details
//! …          last error, if there was one
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
/// Rows of the window from which there is a graph, and its rows; the highest first.
const GRAPH_ROWS: [(u16, u16); 3] = [(38, 5), (30, 3), (20, 2)];

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
    /// The graph of the throughput.
    pub graph: Rect,
    /// The rule over the table.
    pub table_rule: Rect,
    /// The headers of the table's columns.
    pub heads: Rect,
    /// The table.
    pub table: Rect,
    /// The details with their rule.
    pub details: Rect,
    /// The last error.
    pub problem: Rect,
    /// The rule over the log.
    pub log_rule: Rect,
    /// The log.
    pub log: Rect,
    /// The last line.
    pub hints: Rect,
}

/// What is to be shown where there is room.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Rows of the address, with who can reach it.
    pub address: u16,
    /// Whether there is a graph.
    pub graph: bool,
    /// Whether there was an error.
    pub problem: bool,
    /// Whether details are shown.
    pub details: bool,
    /// Whether the log has most of the rows.
    pub large_log: bool,
}

/// The layout for a size.
pub fn layout(size: Size, wanted: &Wanted) -> Layout {
    let Wanted { address, graph, problem, details, large_log } = *wanted;
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
            graph: nothing,
            table_rule: nothing,
            heads: nothing,
            table: nothing,
            details: nothing,
            problem: nothing,
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
            graph: part(0),
            table_rule: part(0),
            heads: part(0),
            table: part(table_rows),
            details: part(detail_rows),
            problem: part(0),
            log_rule: part(0),
            log: part(1),
            hints: part(1),
        };
    }
    let address = address.clamp(1, MAX_ADDRESS_ROWS);
    let graph_rows = GRAPH_ROWS.into_iter().find(|(least, _)| graph && height >= *least);
    let graph_rows = graph_rows.map_or(0, |(_, rows)| rows);
    let problem_rows = u16::from(problem);
    let body = height - 5 - address - graph_rows - problem_rows;
    let detail_rows = if details { DETAILS_ROWS.min(body / 2) } else { 0 };
    let table_rows =
        if large_log { (body - detail_rows) / 4 } else { (body - detail_rows).div_ceil(2) }.max(1);
    Layout {
        form: Form::Full,
        header: part(1),
        address: part(address),
        graph: part(graph_rows),
        table_rule: part(1),
        heads: part(1),
        table: part(table_rows),
        details: part(detail_rows),
        problem: part(problem_rows),
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
        fn parts_follow_each_other_and_fill_the_window(
            width in 1_u16..300, height in 1_u16..100, address in 0_u16..6, graph: bool, problem: bool, details: bool, large_log: bool,
        ) {
            let wanted = Wanted { address, graph, problem, details, large_log };
            let Layout { form, header, address, graph, table_rule, heads, table, details, problem, log_rule, log, hints } =
                layout(Size { width, height }, &wanted);
            let mut next = 0;
            for part in [header, address, graph, table_rule, heads, table, details, problem, log_rule, log, hints] {
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
