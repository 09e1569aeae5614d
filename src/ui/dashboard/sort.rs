//! The order of the rows: by which column, and which way.

use crate::ui::components::columns::Sorted;

/// A column that rows can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// When the client connected.
    #[default]
    Age,
    /// The address.
    Client,
    /// The protocol.
    Protocol,
    /// The path.
    Path,
    /// How much of it is sent.
    Progress,
    /// Bytes a second.
    Speed,
}

impl Column {
    /// All of them, in the order in which a key goes through them.
    const ALL: [Column; 6] =
        [Column::Age, Column::Client, Column::Protocol, Column::Path, Column::Progress, Column::Speed];

    /// Its word in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Column::Age => "age",
            Column::Client => "client",
            Column::Protocol => "protocol",
            Column::Path => "path",
            Column::Progress => "progress",
            Column::Speed => "speed",
        }
    }

    /// Whether the largest value comes first, unless reversed.
    fn descends(self) -> bool {
        matches!(self, Column::Age | Column::Progress | Column::Speed)
    }
}

/// The order of the rows: the oldest client first at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// By which column.
    pub column: Column,
    reversed: bool,
}

impl Sort {
    /// By the next column, in its usual direction.
    pub fn next(self) -> Sort {
        let at = Column::ALL.iter().position(|column| *column == self.column).unwrap_or(0);
        Sort { column: Column::ALL[(at + 1) % Column::ALL.len()], reversed: false }
    }

    /// The other way round.
    pub fn reversed(self) -> Sort {
        Sort { reversed: !self.reversed, ..self }
    }

    /// Whether the largest value comes first.
    pub fn descends(self) -> bool {
        self.column.descends() != self.reversed
    }

    /// The mark of a column's header.
    pub fn mark(self, column: Column) -> Sorted {
        match self.descends() {
            _ if column != self.column => Sorted::No,
            true => Sorted::Down,
            false => Sorted::Up,
        }
    }
}
